"""Coral by its GraphQL API, with the token of an administrator: Coral takes questions of our own from nobody else.

Coral's moderation phase asks about a comment before that has an id, so what it asked about is found by story, author and text,
among what was written at about that time; the id is remembered. Coral approves and rejects; it has no call that puts a comment
back into its queue, so a public one that has to wait again is rejected, and approved with its approval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from moderation.outbound.http import Reply, printable
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import UP_TO_DATE, CommentState, Kind, Seen, Sending, Setting, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "coral"
PUBLIC: Final = frozenset({"NONE", "APPROVED"})
ABOUT: Final = timedelta(minutes=10)
"""How far apart Coral's clock and ours may be when a comment is looked for by the time at which it was written."""

PAGES: Final = 4
"""Pages of fifty that are looked through for a comment: more than anybody reads in twenty minutes."""

REFUSED: Final = frozenset({
    "AUTHENTICATION_ERROR", "INVALID_CREDENTIALS", "JWT_REVOKED", "RAW_QUERY_NOT_AUTHORIZED", "TOKEN_INVALID",
    "TOKEN_NOT_FOUND", "USER_NOT_ENTITLED", "USER_NOT_FOUND",
})  # fmt: skip
STATUS_OF: Final[Mapping[str, int]] = {
    **dict.fromkeys(REFUSED, 403),
    "COMMENT_NOT_FOUND": 404,
    "COMMENT_REVISION_NOT_FOUND": 409,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
}
"""What Coral's error codes are as HTTP has them: Coral answers most of them with 200."""

FIELDS: Final = "id status createdAt author { id } revision { id body }"
ONE: Final = f"query Comment($id: ID!) {{ comment(id: $id) {{ {FIELDS} }} }}"
SOME: Final = (
    "query Comments($story: ID!, $after: Cursor) "
    "{ comments(storyID: $story, first: 50, after: $after, orderBy: CREATED_AT_DESC) "
    f"{{ nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }}"
)
VIEWER: Final = "query Viewer { viewer { id role } }"
CHANGES: Final = {
    name: f"mutation Change($input: {name[0].upper()}{name[1:]}Input!) "
    f"{{ {name}(input: $input) {{ comment {{ {FIELDS} }} clientMutationId }} }}"
    for name in ("approveComment", "rejectComment")
}
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Coral:
    """Moderates the comments of one tenant; they are known by Coral's ids, or by what its phase asked about."""

    url: str
    token: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Coral":
        """Return the publisher that the settings describe."""
        return cls(url=config["url"].rstrip("/"), token=config["token"])

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Approve or reject the comment, unless it stands so already; a text that nobody approved here is not approved."""
        reply, comment = self._found(state, sending)
        if reply.status in port.GONE:
            return unknown_there(state)
        if not reply.ok or comment is None:
            return reply
        sending.learned.append(str(comment["id"]))
        return self._show(state, comment, sending) if state.visible else self._hide(state, comment, sending)

    def _show(self, state: CommentState, comment: Mapping[str, Any], sending: Sending) -> Reply:
        if comment["status"] in PUBLIC:
            return UP_TO_DATE
        if not _is_it(state, comment):
            return Reply(status=409, excerpt="its text in Coral is not the one that was approved")
        return self._change("approveComment", comment, {}, sending)

    def _hide(self, state: CommentState, comment: Mapping[str, Any], sending: Sending) -> Reply:
        if comment["status"] == "REJECTED" or (state.place == "hold" and comment["status"] not in PUBLIC):
            return UP_TO_DATE
        if not state.coral_code:
            return self._change("rejectComment", comment, {}, sending)
        reply = self._change("rejectComment", comment, {"reason": {"code": state.coral_code}}, sending)
        # A Coral of before 2023 knows no reasons and refuses the whole question, however it says so.
        return reply if reply.ok or reply.status != 400 else self._change("rejectComment", comment, {}, sending)

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for each comment."""
        seen = []
        for state in states:
            reply, comment = self._found(state, sending)
            seen.append(port.seen(state, reply, comment or {}, _shown))
        return seen

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try the token on whose it is."""
        reply, found = self._ask(VIEWER, {}, sending)
        viewer = found.get("viewer")
        if reply.status in {401, 403} or (reply.ok and not isinstance(viewer, dict)):
            return ["Coral does not take this token: make one as an administrator, who alone may ask it questions of our own."]
        if not reply.ok or not isinstance(viewer, dict):
            return [f"No Coral answers at {self.url}: {because(reply)}."]
        if viewer.get("role") != "ADMIN":
            return ["The token is of somebody who is no administrator of Coral: make one as an administrator."]
        return []

    def _found(self, state: CommentState, sending: Sending) -> tuple[Reply, dict[str, Any] | None]:
        """Return Coral's comment; where there is none the reply says so with a 404."""
        name = state.external_id or ""
        known = state.remote_id or (name if name and ":" not in name else None)
        if known is not None:
            reply, found = self._ask(ONE, {"id": known}, sending)
            comment = found.get("comment")
            return (reply, comment) if not reply.ok or _is_comment(comment) else (Reply(status=404), None)
        if not name.startswith(f"{SYSTEM}:") or not state.post_id:
            return Reply(status=404), None
        return self._searched(state, state.post_id, sending)

    def _searched(self, state: CommentState, story: str, sending: Sending) -> tuple[Reply, dict[str, Any] | None]:
        after: Any = (state.created_at + ABOUT).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        matching: list[dict[str, Any]] = []
        for _ in range(PAGES):
            reply, found = self._ask(SOME, {"story": story, "after": after}, sending)
            listed = found.get("comments")
            if not reply.ok or not isinstance(listed, dict):
                return (reply if not reply.ok else Reply(trouble="protocol")), None
            comments = [each for each in listed.get("nodes") or [] if _is_comment(each)]
            matching += [each for each in comments if _is_it(state, each)]
            page = listed.get("pageInfo") or {}
            after = page.get("endCursor")
            if not page.get("hasNextPage") or not after or any(_written(each) < state.created_at - ABOUT for each in comments):
                break
        else:
            return Reply(status=409, excerpt="too many comments were written in Coral at that time"), None
        if len(matching) > 1:
            return Reply(status=409, excerpt="several comments in Coral have this story, author and text"), None
        return (UP_TO_DATE, matching[0]) if matching else (Reply(status=404), None)

    def _change(self, name: str, comment: Mapping[str, Any], more: Mapping[str, Any], sending: Sending) -> Reply:
        revision = (comment.get("revision") or {}).get("id")
        given = {"commentID": comment["id"], "commentRevisionID": revision, "clientMutationId": sending.message_id, **more}
        reply, found = self._ask(CHANGES[name], {"input": given}, sending)
        if not reply.ok:
            return reply
        changed = (found.get(name) or {}).get("comment") or {}
        if changed.get("status") != ("APPROVED" if name == "approveComment" else "REJECTED"):
            return Reply(trouble="protocol")
        if (changed.get("revision") or {}).get("id") != revision:
            return replace(reply, status=409, excerpt="its author changed it in the meantime")
        return reply

    def _ask(self, query: str, variables: Mapping[str, Any], sending: Sending) -> tuple[Reply, dict[str, Any]]:
        headers = {**JSON, "Authorization": f"Bearer {self.token}"}
        body = orjson.dumps({"query": query, "variables": variables})
        reply, found = sending.ask("POST", f"{self.url}/api/graphql", headers=headers, body=body)
        errors = found.get("errors")
        if isinstance(errors, list) and errors:
            code = _code(errors[0])
            return replace(reply, status=STATUS_OF.get(code, 400), excerpt=printable(code[:100].encode())), {}
        data = found.get("data")
        # Coral says of a comment that is not there, not of its own address, that there is none.
        if reply.status in port.GONE or (reply.ok and not isinstance(data, dict)):
            return replace(reply, status=None, trouble="protocol"), {}
        return reply, data if isinstance(data, dict) else {}


def _code(error: object) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    return str(extensions.get("code", "")) if isinstance(extensions, dict) else ""


def _is_comment(found: object) -> bool:
    return isinstance(found, dict) and bool(found.get("id")) and isinstance(found.get("status"), str)


def _is_it(state: CommentState, comment: Mapping[str, Any]) -> bool:
    author, revision = comment.get("author") or {}, comment.get("revision") or {}
    return state.recognises(str(author.get("id")), str(revision.get("body") or ""))


def _written(comment: Mapping[str, Any]) -> datetime:
    try:
        written = datetime.fromisoformat(str(comment.get("createdAt")))
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return written if written.tzinfo else written.replace(tzinfo=UTC)


def _shown(comment: Mapping[str, Any]) -> tuple[bool, str]:
    status = str(comment.get("status"))
    return status in PUBLIC, status.lower()


KIND: Final = Kind(
    make=Coral.from_config,
    settings=(
        Setting(name="url", help="Coral's address", address=True),
        Setting(name="token", help="a token of an administrator (coral-cli token:create)", secret=True),
    ),
    at_once=5,
    settles=timedelta(seconds=2),
)
