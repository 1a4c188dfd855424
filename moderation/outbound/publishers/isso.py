"""Isso by the signed links that it mails to its moderators: whoever has its session key can make them.

Isso publishes and deletes, and has no way back into its queue. So what waits there and is refused stays there, where nobody sees
it and an undo finds it, until Isso itself purges it; what is public and has to wait again has its text replaced until it is
approved; and what is public and refused is deleted, which Isso cannot undo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from itsdangerous import URLSafeTimedSerializer

from moderation.outbound.http import Reply
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import UP_TO_DATE, CommentState, Kind, Seen, Sending, Setting, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "isso"
PUBLIC: Final = 1
WAITING: Final = 2
CURTAIN: Final = "(A moderator is having another look at this comment.)"
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Isso:
    """Signs what an Isso server's moderator would click on; ``url`` is the server's address."""

    url: str
    session_key: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Isso":
        """Return the publisher that the settings describe."""
        return cls(url=config["url"].rstrip("/"), session_key=config["session_key"])

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Do what is needed to get the comment where it belongs, beginning from where it is."""
        number = state.number_in(SYSTEM)
        if number is None:
            return unknown_there(state)
        reply, found = self._read(number, sending)
        if reply.status == 404:
            return unknown_there(state)
        if not reply.ok:
            return reply
        return self._show(number, state, found, sending) if state.visible else self._hide(number, state, found, sending)

    def _show(self, number: str, state: CommentState, found: Mapping[str, Any], sending: Sending) -> Reply:
        reply = UP_TO_DATE
        if found.get("text") == CURTAIN:
            reply = self._act(number, "edit", sending, {"text": state.body or "", "author": state.author_name or ""})
        return self._act(number, "activate", sending) if reply.ok and found.get("mode") != PUBLIC else reply

    def _hide(self, number: str, state: CommentState, found: Mapping[str, Any], sending: Sending) -> Reply:
        public = found.get("mode") == PUBLIC
        if state.for_good or (public and state.place in {"spam", "trash"}):
            return self._act(number, "delete", sending) if found.get("mode") in {PUBLIC, WAITING} else UP_TO_DATE
        if public and found.get("text") != CURTAIN:
            return self._act(number, "edit", sending, {"text": CURTAIN, "author": ""})
        return UP_TO_DATE

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for each comment."""
        seen = []
        for state in states:
            number = state.number_in(SYSTEM)
            reply, found = self._read(number, sending) if number is not None else (Reply(status=404), {})
            seen.append(port.seen(state, reply, found, _shown))
        return seen

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try whether an Isso answers and takes our signature: of a comment that there is none of, and so cannot change."""
        reply = sending.send("GET", f"{self.url}/config")
        if not reply.ok:
            return [f"No Isso answers at {self.url}: {because(reply)}."]
        reply = self._act("0", "activate", sending)
        if reply.status == 403:
            return ["Isso does not take the session key: it is in its database, table preferences, under session-key."]
        return [] if reply.status == 404 else [f"Isso does not take a signed link: {because(reply)}."]

    def _read(self, number: str, sending: Sending) -> tuple[Reply, dict[str, Any]]:
        # Isso shows a comment by itself to its author alone, whom it knows by a cookie that it signed.
        cookie = f"{number}={self._sign(number)}"
        return sending.ask("GET", f"{self.url}/id/{number}?plain=1", headers={"Cookie": cookie})

    def _sign(self, number: str) -> str:
        return str(URLSafeTimedSerializer(self.session_key).dumps(int(number)))

    def _act(self, number: str, action: str, sending: Sending, body: object = None) -> Reply:
        data = b"" if body is None else orjson.dumps(body)
        reply = sending.send(
            "POST", f"{self.url}/id/{number}/{action}/{self._sign(number)}", headers=JSON if data else {}, body=data
        )
        return UP_TO_DATE if action == "delete" and reply.status == 404 else reply


def _shown(found: Mapping[str, Any]) -> tuple[bool, str]:
    public = found.get("mode") == PUBLIC and found.get("text") != CURTAIN
    return public, "public" if public else "hidden"


KIND: Final = Kind(
    make=Isso.from_config,
    settings=(
        Setting(name="url", help="the address of the Isso server", address=True),
        Setting(name="session_key", help="session-key of the table preferences in Isso's database", secret=True),
    ),
    at_once=5,
    tried=True,
)
