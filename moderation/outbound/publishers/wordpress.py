"""WordPress by its own REST API, as a user who may moderate comments, with an application password.

Two forms of address lead there, and which of them works depends on the blog's permalinks: the one that answers with JSON is
used. An unknown status word is answered with 200 and changes nothing, so the status is read in the answer, never the code
alone. A comment that WordPress asked us about through the Akismet door is found by our id, which the must-use plugin keeps.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from moderation.outbound.http import Reply
from moderation.outbound.publishers.port import (
    GONE,
    UP_TO_DATE,
    CommentState,
    Kind,
    Page,
    Seen,
    Sending,
    Setting,
    unknown_there,
)
from moderation.outbound.publishers.words import because

AT_ONCE: Final = 50
FIELDS: Final = "id,status,meta"
SYSTEM: Final = "wordpress"
PULLED: Final = 10
"""Comments in a page: as long as they may be, together they stay below the bytes that are read of an answer."""

PULLED_FIELDS: Final = (
    "id,parent,status,type,date_gmt,link,content,author_name,author_email,author_url,author_ip,author_user_agent,meta,"
    "_links,_embedded"
)


@dataclass(frozen=True, slots=True)
class WordPress:
    """Sets the status of comments in a WordPress blog; ``url`` is its address as visitors have it."""

    url: str
    username: str
    password: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WordPress":
        """Return the publisher that the settings describe."""
        return cls(url=config["url"].rstrip("/"), username=config["username"], password=config["password"])

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Set the comment's status and see in the answer that it is set."""
        reply, found = self._find([state], sending)
        if not reply.ok:
            return reply
        number = found.get(state.id, {}).get("id")
        if number is None:
            return unknown_there(state)
        wanted = {"status": state.place, "meta": {"tidegate_said": state.explanation}}
        reply, answer = self._ask("POST", f"comments/{number}", {"context": "edit", "_fields": FIELDS}, sending, wanted)
        if reply.status in GONE:
            return unknown_there(state)
        if reply.ok and answer.get("status") != state.place:
            return replace(reply, status=None, trouble="protocol", excerpt="WordPress did not take the status")
        return reply

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for the comments' statuses in one request, or two where some came in by an import."""
        reply, found = self._find(states, sending)
        if not reply.ok:
            return [Seen(id=state.id, visible=None, detail=reply.error or "") for state in states]
        statuses = {state.id: str(found.get(state.id, {}).get("status", "not there")) for state in states}
        return [Seen(id=name, visible=status == "approved", detail=status) for name, status in statuses.items()]

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try who we are there, what we may do, and whether the must-use plugin is in place."""
        reply, me = self._ask("GET", "users/me", {"context": "edit", "_fields": "id,capabilities"}, sending)
        if reply.status in {401, 403}:
            return ["WordPress does not take the user name and application password."]
        if not reply.ok or "id" not in me:
            return [f"There is no WordPress REST API at {self.url}: {because(reply)}."]
        lacking = []
        if not me.get("capabilities", {}).get("moderate_comments"):
            lacking.append(f"The user {self.username} may not moderate comments there; give them the role of an editor.")
        reply, described = self._ask("OPTIONS", "comments", {}, sending)
        if "tidegate_said" not in str(described.get("schema", {}).get("properties", {}).get("meta", {})):
            lacking.append("The must-use plugin (/downloads/tidegate-wordpress.php) is not in wp-content/mu-plugins.")
        return lacking

    def pull(self, since: datetime, place: str, sending: Sending) -> Page:
        """Return comments, waiting or public, after a time, oldest first.

        A place is the time of the last comment and the numbers of those that were had from that second: pages by number would
        leave some out whenever one is put among the spam meanwhile.
        """
        last, _, had = (place or _second(since)).partition(" ")
        asked = {
            # Not "from then on": what WordPress compares is later than the time that is given.
            "after": f"{_second(_moment(last) - timedelta(seconds=1))}Z",
            "order": "asc",
            "orderby": "date_gmt",
            "status": "all",
            "context": "edit",
            "per_page": str(PULLED),
            "_embed": "up",
            "_fields": PULLED_FIELDS,
            **({"exclude": had} if had else {}),
        }
        reply, found = self._send("GET", "comments", asked, sending, None)
        if not reply.ok:
            return Page(reply=reply)
        if not isinstance(found, list):
            return Page(reply=replace(reply, status=None, trouble="protocol", excerpt="WordPress did not answer with a list"))
        rows = [row for row in found if isinstance(row, dict)]
        if len(found) < PULLED or not rows:
            return Page(reply=reply, rows=[_pulled(row) for row in rows])
        newest = str(rows[-1].get("date_gmt"))
        numbers = [str(row.get("id")) for row in rows if row.get("date_gmt") == newest]
        if newest == last and had:
            numbers = [*had.split(","), *numbers]
        return Page(reply=reply, rows=[_pulled(row) for row in rows], next=f"{newest} {','.join(numbers)}")

    def _find(self, states: Sequence[CommentState], sending: Sending) -> tuple[Reply, dict[str, dict[str, Any]]]:
        """Return the comments of WordPress by our ids, as far as there are any."""
        numbers = {number: state.id for state in states if (number := state.number_in(SYSTEM)) is not None}
        others = [state.id for state in states if state.id not in numbers.values()]
        reply, found = UP_TO_DATE, dict[str, dict[str, Any]]()
        if numbers:
            reply, rows = self._list({"include": ",".join(numbers)}, len(numbers), sending)
            found |= {numbers[str(row.get("id"))]: row for row in rows if str(row.get("id")) in numbers}
        if others and reply.ok:
            reply, rows = self._list({"tidegate_id": ",".join(others)}, len(others), sending)
            # Without the plugin the parameter is ignored, and what comes is any comment.
            named = {str((row.get("meta") or {}).get("tidegate_id")): row for row in rows if isinstance(row.get("meta"), dict)}
            found |= {name: named[name] for name in others if name in named}
        return reply, found

    def _list(self, query: Mapping[str, str], count: int, sending: Sending) -> tuple[Reply, list[dict[str, Any]]]:
        asked = {**query, "status": "any", "context": "edit", "_fields": FIELDS, "per_page": str(count)}
        reply, rows = self._send("GET", "comments", asked, sending, None)
        if reply.ok and not isinstance(rows, list):
            return replace(reply, status=None, trouble="protocol", excerpt="WordPress did not answer with a list"), []
        return reply, [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def _ask(
        self, method: str, path: str, query: Mapping[str, str], sending: Sending, body: object = None
    ) -> tuple[Reply, dict[str, Any]]:
        reply, found = self._send(method, path, query, sending, body)
        return reply, found if isinstance(found, dict) else {}

    def _send(self, method: str, path: str, query: Mapping[str, str], sending: Sending, body: object) -> tuple[Reply, object]:
        credentials = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        data = b"" if body is None else orjson.dumps(body)
        reply, found = UP_TO_DATE, None
        for address in self._addresses(path, query):
            reply = sending.send(method, address, headers=headers, body=data)
            found = _json(reply.body)
            # The wrong form of address gives a page of the blog or of its server, with any status.
            if found is not None or reply.trouble is not None:
                break
        if found is None and reply.ok:
            reply = replace(reply, status=None, trouble="protocol", excerpt="WordPress did not answer with JSON")
        return reply, found

    def _addresses(self, path: str, query: Mapping[str, str]) -> Iterable[str]:
        yield f"{self.url}/wp-json/wp/v2/{path}?{urlencode(query)}"
        yield f"{self.url}/index.php?{urlencode({'rest_route': f'/wp/v2/{path}', **query})}"


def _pulled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comment of WordPress as a row of a page; pingbacks and trackbacks, which are nobody's, without an id."""
    up = ((row.get("_embedded") or {}).get("up") or [{}])[0]
    meta = row.get("meta")
    is_comment = row.get("type", "comment") == "comment"
    return {
        "external_id": f"{SYSTEM}:{row.get('id')}" if is_comment else None,
        "ours": (meta.get("tidegate_id") or None) if isinstance(meta, dict) else None,
        "post_url": up.get("link") or str(row.get("link", "")).partition("#")[0],
        "post_title": (up.get("title") or {}).get("rendered", ""),
        "parent_id": f"{SYSTEM}:{row['parent']}" if row.get("parent") else None,
        "body": (row.get("content") or {}).get("raw", ""),
        "state": "approved" if row.get("status") == "approved" else "held",
        "created_at": row.get("date_gmt"),
        "author_name": row.get("author_name"),
        "author_email": row.get("author_email"),
        "author_url": row.get("author_url"),
        "address": row.get("author_ip"),
        "user_agent": row.get("author_user_agent"),
    }


def _second(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()


def _moment(second: str) -> datetime:
    return datetime.fromisoformat(second).replace(tzinfo=UTC)


def _json(body: bytes) -> dict[str, Any] | list[Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict | list) else None


KIND: Final = Kind(
    make=WordPress.from_config,
    settings=(
        Setting(name="url", help="the blog's address, as visitors have it", address=True),
        Setting(name="username", help="a user there with the role of an editor, for Tidegate alone"),
        Setting(
            name="password", help="an application password of that user (Users, Profile, Application Passwords)", secret=True
        ),
    ),
    at_once=AT_ONCE,
    tried=True,
    pull=WordPress.pull,
)
