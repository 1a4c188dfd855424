"""Disqus by its API, version 3.0, as a moderator of the forum.

Disqus shows, marks as spam and removes; there is no call that puts a post back into its queue, so what has to wait again is
removed, and restored with its approval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from moderation.outbound.http import Reply
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import UP_TO_DATE, CommentState, Kind, Seen, Sending, Setting, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "disqus"
API: Final = "https://disqus.com"
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
NO_SUCH: Final = frozenset({2, 8})
"""Codes of Disqus for an argument that names nothing."""


@dataclass(frozen=True, slots=True)
class Disqus:
    """Moderates the posts (their word for comments) of one forum."""

    forum: str
    api_key: str
    api_secret: str
    access_token: str
    api: str = API

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Disqus":
        """Return the publisher that the settings describe."""
        named = {name: config[name] for name in ("forum", "api_key", "api_secret", "access_token")}
        return cls(**named, api=config.get("api", API).rstrip("/"))

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Do what is needed to get the post where it belongs, beginning from where it is."""
        name = state.known_as(SYSTEM)
        if name is None:
            return unknown_there(state)
        reply, post = self._ask("GET", "posts/details", {"post": name}, sending)
        if reply.status == 404:
            return unknown_there(state)
        if not reply.ok:
            return reply
        return self._show(name, post, sending) if state.visible else self._hide(name, state, post, sending)

    def _show(self, name: str, post: Mapping[str, Any], sending: Sending) -> Reply:
        reply = UP_TO_DATE
        if post.get("isDeleted"):
            reply, _ = self._ask("POST", "posts/restore", {"post": name}, sending)
        return self._ask("POST", "posts/approve", {"post": name}, sending)[0] if reply.ok and not _visible(post) else reply

    def _hide(self, name: str, state: CommentState, post: Mapping[str, Any], sending: Sending) -> Reply:
        hidden = post.get("isSpam") if state.place == "spam" else post.get("isDeleted")
        if hidden or (state.place == "hold" and not _visible(post)):
            return UP_TO_DATE
        call = "posts/spam" if state.place == "spam" else "posts/remove"
        return self._ask("POST", call, {"post": name}, sending)[0]

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for each post."""
        seen = []
        for state in states:
            name = state.known_as(SYSTEM)
            reply, post = self._ask("GET", "posts/details", {"post": name}, sending) if name else (Reply(status=404), {})
            seen.append(port.seen(state, reply, post, _shown))
        return seen

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try the keys on what only a moderator of the forum may list."""
        reply, _ = self._ask("GET", "posts/list", {"forum": self.forum, "include": "unapproved", "limit": "1"}, sending)
        if reply.status in {400, 401, 403}:
            return [f"Disqus does not let these keys moderate the forum {self.forum}: {because(reply)}."]
        return [] if reply.ok else [f"Disqus does not answer: {because(reply)}."]

    def _ask(self, method: str, call: str, given: Mapping[str, str], sending: Sending) -> tuple[Reply, dict[str, Any]]:
        keys = {"api_key": self.api_key, "api_secret": self.api_secret, "access_token": self.access_token}
        form, address = urlencode({**given, **keys}), f"{self.api}/api/3.0/{call}.json"
        if method == "GET":
            reply, found = sending.ask("GET", f"{address}?{form}")
        else:
            reply, found = sending.ask("POST", address, headers=FORM, body=form.encode())
        if found.get("code") in NO_SUCH and "post" in given:
            return Reply(status=404), {}
        if reply.ok and found.get("code") != 0:
            return Reply(trouble="protocol"), {}
        answer = found.get("response")
        return reply, answer if isinstance(answer, dict) else {}


def _visible(post: Mapping[str, Any]) -> bool:
    return bool(post.get("isApproved")) and not post.get("isSpam") and not post.get("isDeleted")


def _shown(post: Mapping[str, Any]) -> tuple[bool, str]:
    words = [word for word in ("isApproved", "isSpam", "isDeleted") if post.get(word)]
    return _visible(post), ", ".join(words) or "waiting"


KIND: Final = Kind(
    make=Disqus.from_config,
    settings=(
        Setting(name="forum", help="the forum's short name"),
        Setting(name="api_key", help="of an application of yours at disqus.com/api", secret=True),
        Setting(name="api_secret", help="of the same application", secret=True),
        Setting(name="access_token", help="of the same application, with the scope admin", secret=True),
        Setting(name="api", help=f"another address than {API}", required=False, address=True),
    ),
    at_once=5,
)
