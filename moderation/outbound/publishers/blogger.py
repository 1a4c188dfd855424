"""Blogger by Google's API, version 3, on behalf of the blog's owner, who gave us a refresh token once.

Two documented calls are all that it takes, so Google's client library (which brings its own HTTP, past our guard) is not used.
Blogger has no queue of its own for us: what must not be seen is put among its spam, from where ``approve`` brings it back. Only
what its author took back is removed, because Blogger cannot undo that.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlencode

from moderation.outbound.http import Reply, printable
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import (
    GONE,
    UP_TO_DATE,
    CommentState,
    Kind,
    Page,
    Seen,
    Sending,
    Setting,
    in_path,
    unknown_there,
)
from moderation.outbound.publishers.words import because

SYSTEM: Final = "blogger:"
API: Final = "https://blogger.googleapis.com"
TOKENS: Final = "https://oauth2.googleapis.com/token"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SLACK: Final = timedelta(minutes=1)
PUBLIC: Final = "LIVE"
CLIENTS: Final = frozenset({"invalid_client", "unauthorized_client", "deleted_client"})
"""Google's words for an OAuth client that is none of its own."""

PULLED: Final = 20
"""Comments in a page: each may be under another post, which costs a request."""


POST_KEPT: Final = timedelta(hours=1)
MOST_KEPT: Final = 1000
"""Answers of Google that a process remembers of each sort; the oldest goes first."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class _Kept(Generic[Key, Value]):
    """Answers that this process remembers, each until its time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, tuple[Value, datetime]] = {}

    def get(self, name: Key, *, now: datetime) -> Value | None:
        with self._lock:
            kept = self._values.get(name)
            return kept[0] if kept is not None and kept[1] > now else None

    def put(self, name: Key, value: Value, *, until: datetime) -> None:
        with self._lock:
            self._values.pop(name, None)
            while len(self._values) >= MOST_KEPT:
                del self._values[next(iter(self._values))]
            self._values[name] = (value, until)

    def drop(self, name: Key) -> None:
        with self._lock:
            self._values.pop(name, None)


_TOKENS: Final = _Kept[bytes, str]()
"""Access tokens by the credentials that they were given for; an hour each, as Google has it."""

_POSTS: Final = _Kept[tuple[str, str, str], Mapping[str, Any]]()
"""Posts by the API, the blog and their number: of a page under twenty posts a slow blog answers a few questions at a time."""


@dataclass(frozen=True, slots=True)
class Blogger:
    """Moderates the comments of one blog; comments are known as ``blogger:POST/COMMENT``."""

    blog_id: str
    client_id: str
    client_secret: str
    refresh_token: str
    api: str = API
    tokens: str = TOKENS

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Blogger":
        """Return the publisher that the settings describe."""
        named = {name: config[name] for name in ("blog_id", "client_id", "client_secret", "refresh_token")}
        return cls(**named, api=config.get("api", API).rstrip("/"), tokens=config.get("tokens", TOKENS))

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Approve it, put it among the spam, or remove it, unless it is there already."""
        path = self._path(state)
        if path is None:
            return unknown_there(state)
        reply, found = self._ask("GET", f"{path}?view=ADMIN", sending)
        if reply.status in GONE:
            return unknown_there(state)
        if not reply.ok:
            return reply
        status = found.get("status")
        if state.visible:
            return reply if status == PUBLIC else self._ask("POST", f"{path}/approve", sending)[0]
        if state.for_good:
            return self._ask("POST", f"{path}/removecontent", sending)[0] if status != "EMPTIED" else UP_TO_DATE
        # What waits there anyway is left where it waits, unless it was refused.
        unseen = status in {"SPAM", "EMPTIED"} or (status == "PENDING" and state.place == "hold")
        return UP_TO_DATE if unseen else self._ask("POST", f"{path}/spam", sending)[0]

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for each comment as the blog's administrator sees it."""
        seen = []
        for state in states:
            path = self._path(state)
            reply, found = self._ask("GET", f"{path}?view=ADMIN", sending) if path else (Reply(status=404), {})
            seen.append(port.seen(state, reply, found, _shown))
        return seen

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try the refresh token, and whether its owner may look after the blog."""
        reply, token = self._token(sending)
        if token is None:
            return [_no_access(reply)]
        reply, found = self._ask("GET", f"/v3/users/self/blogs/{in_path(self.blog_id)}", sending)
        if not reply.ok:
            return [f"The blog {self.blog_id} is not one of this account's: {because(reply)}."]
        rights = found.get("blog_user_info", {})
        return (
            [] if rights.get("hasAdminAccess") else ["This account may not moderate the blog; its owner has to make it an admin."]
        )

    def pull(self, since: datetime, place: str, sending: Sending) -> Page:
        """Return comments, waiting or public, since a time, in the order that Blogger has them; a place is its page's token."""
        asked = [
            ("startDate", since.astimezone(UTC).isoformat()),
            ("fetchBodies", "true"),
            ("maxResults", str(PULLED)),
            *(("status", status) for status in (PUBLIC, "PENDING")),
            *((("pageToken", place),) if place else ()),
        ]
        reply, found = self._ask("GET", f"/v3/blogs/{in_path(self.blog_id)}/comments?{urlencode(asked)}", sending)
        if not reply.ok:
            return Page(reply=reply)
        items = [item for item in found.get("items") or [] if isinstance(item, dict)]
        posts: dict[str, Mapping[str, Any]] = {}
        asked_for = 0
        for number in sorted({str((item.get("post") or {}).get("id")) for item in items}):
            kept = _POSTS.get((self.api, self.blog_id, number), now=sending.now)
            if kept is None:
                reply, kept = self._post(number, sending)
                # A post that was deleted meanwhile takes its comments along; anything else is tried again.
                if not reply.ok and reply.status not in GONE:
                    # Where only the time was up, the same page gets further when it is asked for again, so that is no failure.
                    return Page(reply=UP_TO_DATE, next=place) if asked_for and reply.trouble == "timeout" else Page(reply=reply)
                _POSTS.put((self.api, self.blog_id, number), kept, until=sending.now + POST_KEPT)
                asked_for += 1
            posts[number] = kept
        rows = [_pulled(item, posts) for item in items]
        return Page(reply=UP_TO_DATE, rows=rows, next=found.get("nextPageToken") or None)

    def _post(self, number: str, sending: Sending) -> tuple[Reply, dict[str, Any]]:
        path = f"/v3/blogs/{in_path(self.blog_id)}/posts/{in_path(number)}?fields=id%2Curl%2Ctitle&view=ADMIN"
        return self._ask("GET", path, sending)

    def _path(self, state: CommentState) -> str | None:
        post, slash, comment = (state.external_id or "").removeprefix(SYSTEM).partition("/")
        if not slash or not post.isdigit() or not comment.isdigit():
            return None
        return f"/v3/blogs/{in_path(self.blog_id)}/posts/{post}/comments/{comment}"

    def _ask(self, method: str, path: str, sending: Sending) -> tuple[Reply, dict[str, Any]]:
        reply, token = self._token(sending)
        if token is None:
            return reply, {}
        reply, found = sending.ask(method, self.api + path, headers={"Authorization": f"Bearer {token}"})
        if reply.status == 401:
            # Withdrawn before its time: the next attempt asks for another.
            _TOKENS.drop(self._name())
        return reply, found

    def _token(self, sending: Sending) -> tuple[Reply, str | None]:
        kept = _TOKENS.get(self._name(), now=sending.now)
        if kept is not None:
            return UP_TO_DATE, kept
        form = {
            "grant_type": "refresh_token",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
        }
        reply, found = sending.ask("POST", self.tokens, headers=FORM, body=urlencode(form).encode())
        token = found.get("access_token")
        if not reply.ok or not isinstance(token, str):
            # Google says invalid_grant with a 400 where the owner took the access back.
            error = printable(str(found.get("error", ""))[:100].encode())
            return (replace(reply, excerpt=error) if not reply.ok else Reply(trouble="protocol")), None
        lasting = timedelta(seconds=float(found.get("expires_in", 0)))
        _TOKENS.put(self._name(), token, until=sending.now + lasting - SLACK)
        return reply, token

    def _name(self) -> bytes:
        parts = (self.tokens, self.client_id, self.client_secret, self.refresh_token)
        return hashlib.sha256("\0".join(parts).encode()).digest()


def _no_access(reply: Reply) -> str:
    """Say why there is no access token: Google names what it does not like of the credentials in a word."""
    if reply.status in {400, 401, 403} and reply.excerpt:
        if reply.excerpt in CLIENTS:
            return (
                f"Google does not know this client ({reply.excerpt}): enter client_id and client_secret of the same OAuth client."
            )
        return f"Google gives no access for these credentials ({reply.excerpt}); sign in for a new refresh token."
    return f"Google's sign-in cannot be asked: {because(reply)}."


def _shown(found: Mapping[str, Any]) -> tuple[bool, str]:
    status = str(found.get("status"))
    return status == PUBLIC, status.lower()


def _pulled(item: Mapping[str, Any], posts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    number = str((item.get("post") or {}).get("id"))
    author, above = item.get("author") or {}, (item.get("inReplyTo") or {}).get("id")
    return {
        "external_id": f"{SYSTEM}{number}/{item.get('id')}",
        "post_url": posts[number].get("url"),
        "post_title": posts[number].get("title", ""),
        "parent_id": f"{SYSTEM}{number}/{above}" if above else None,
        "body": item.get("content", ""),
        "state": "approved" if item.get("status") == PUBLIC else "held",
        "created_at": item.get("published"),
        "author_name": author.get("displayName"),
        "author_url": author.get("url"),
    }


KIND: Final = Kind(
    make=Blogger.from_config,
    settings=(
        Setting(name="blog_id", help="the number of the blog, as in its dashboard's address"),
        Setting(name="client_id", help="of an OAuth client of your own in Google's console"),
        Setting(name="client_secret", help="of the same client", secret=True),
        Setting(name="refresh_token", help="for the scope https://www.googleapis.com/auth/blogger", secret=True),
        Setting(name="api", help=f"another address than {API}", required=False, address=True),
        Setting(name="tokens", help=f"another address than {TOKENS}", required=False, address=True),
    ),
    at_once=5,
    pull=Blogger.pull,
)
