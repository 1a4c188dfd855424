"""The port: what a publisher is told about a comment, and what it has to do with it.

A publisher gets the newest state and never a history, so that attempts may be repeated, skipped and lost.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol
from urllib.parse import quote

import orjson

from moderation.outbound.http import Client, Reply

Place = Literal["approved", "hold", "spam", "trash"]
"""Where a comment belongs in the blog's own words for it: public, waiting, spam, or taken down for another reason."""

Recognise = Callable[[str, str], bool]
"""Tells a comment, as another system has it, by its author's id there and its text in HTML."""

LONGEST_ANSWER = 2_000_000
"""Bytes of a blog's answer that are read where the answer matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentState:
    """A comment as the blog should show it; without ``visible`` there is neither text nor author in it.

    ``version`` grows with every change, so that a blog can drop what comes late; ids are those of the API. ``spam`` says that
    it was rejected for that reason, ``coral_code`` for which one in Coral's words, ``explanation`` in a few words how it was
    decided, for the blog's own moderators. ``remote_id`` is the id by which an earlier attempt found it in the blog, and
    ``recognises`` tells it where there is none.
    """

    id: str
    external_id: str | None
    version: int
    status: str
    visible: bool
    revision: int | None
    body: str | None
    author_name: str | None
    author_url: str | None
    parent_id: str | None
    post_id: str | None
    post_url: str
    created_at: datetime
    spam: bool = False
    explanation: str = ""
    coral_code: str = ""
    remote_id: str | None = None
    recognises: Recognise = field(default=lambda _author, _text: False, repr=False, compare=False)

    @property
    def place(self) -> Place:
        """Return where the comment belongs."""
        if self.visible:
            return "approved"
        if self.status == "rejected" and self.spam:
            return "spam"
        return "trash" if self.status in {"rejected", "withdrawn", "erased"} else "hold"

    @property
    def for_good(self) -> bool:
        """Tell whether its author took it back, which no moderator's undo brings back."""
        return self.status in {"withdrawn", "erased"}

    def known_as(self, system: str) -> str | None:
        """Return the comment's id in another system, with or without that system's name before it; None where it has none."""
        name = (self.external_id or "").removeprefix(f"{system}:")
        return name if name and ":" not in name else None

    def number_in(self, system: str) -> str | None:
        """Return the comment's id in a system whose ids are numbers, as its digits; None where it has none."""
        name = self.known_as(system)
        return name if name is not None and name.isascii() and name.isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What an attempt goes out with: the client, the message's id (the same for the same state), secrets and the time.

    However many requests an attempt needs, together they get the time of one, because a job's lease counts on that. What it
    finds out about the comment's id in the blog it adds to ``learned``.
    """

    client: Client
    message_id: str
    secrets: Sequence[bytes]
    now: datetime
    began: float = field(default_factory=time.monotonic)
    learned: list[str] = field(default_factory=list)

    def send(self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Reply:
        """Send one of the attempt's requests and return its reply with the whole answer in it."""
        left = self.client.timeout - (time.monotonic() - self.began)
        return self.client.send(method, url, headers=headers or {}, body=body, whole=LONGEST_ANSWER, within=max(left, 0))

    def ask(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[Reply, dict[str, Any]]:
        """Send one of the attempt's requests and return its reply and the JSON object in it, empty where there is none.

        A question that is answered with something else was answered by somebody else: that is a trouble.
        """
        reply = self.send(method, url, headers=headers, body=body)
        found = as_object(reply.body)
        if method == "GET" and reply.ok and not found:
            return replace(reply, status=None, trouble="protocol"), found
        return reply, found


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a blog shows of a comment: ``visible`` is None where that could not be found out, ``detail`` says it in a word."""

    id: str
    visible: bool | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a blog's comments as it has them, and the place where the next ones begin (None at the end).

    Rows are named as the fields of ``sources.Record``, with ``address`` and ``user_agent`` beside them; ``body`` and
    ``post_title`` are HTML. There are none where ``reply`` is not ok.
    """

    reply: Reply
    rows: Sequence[Mapping[str, Any]] = ()
    next: str | None = None


Pull = Callable[[Any, datetime, str, Sending], Page]
"""Asks a publisher of its kind for the comments since a time; the place is empty at first, and then what the last page said."""


class Publisher(Protocol):
    """Makes a blog show a comment as it is now."""

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Send the state; an ok reply means that the blog shows it. A second time with the same state changes nothing."""
        ...

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Return what the blog shows of some comments, in any order; changes nothing."""
        ...

    def missing(self, sending: Sending) -> Sequence[str]:
        """Return in sentences what is missing for this to work; changes nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What has to be known to set a publisher up; ``secret`` ones are stored encrypted and never shown again."""

    name: str
    help: str
    secret: bool = False
    required: bool = True
    address: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of publisher; ``at_once`` is how many comments one look may be about (0: it cannot be asked at all).

    ``tried`` says whether it was tried on the real service; ``pull`` is there where the blog can be asked for its comments.
    ``settles`` is how long after a text came here it is left alone, where the blog stores it only with our answer in hand.
    """

    make: Callable[[Mapping[str, Any]], Publisher]
    settings: tuple[Setting, ...]
    at_once: int = 1
    tried: bool = False
    pull: Pull | None = None
    settles: timedelta = timedelta()


UP_TO_DATE = Reply(status=204)
"""For what the blog shows rightly without a request."""


GONE: Final = frozenset({404, 410})
"""Answers of a blog that does not know a comment, or does not any more."""


def seen(
    state: CommentState, reply: Reply, found: Mapping[str, Any], shown: Callable[[Mapping[str, Any]], tuple[bool, str]]
) -> Seen:
    """Return what a blog shows of a comment, from its answer to the question; ``shown`` reads what it found, if it did."""
    if reply.status in GONE:
        return Seen(id=state.id, visible=False, detail="not there")
    if not reply.ok:
        return Seen(id=state.id, visible=None, detail=reply.error or "")
    visible, detail = shown(found)
    return Seen(id=state.id, visible=visible, detail=detail)


def unknown_there(state: CommentState) -> Reply:
    """Return what to make of a comment that the blog does not know: nothing where it should not be seen, else a failure."""
    return Reply(status=404, excerpt="the blog does not know this comment") if state.visible else UP_TO_DATE


def as_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in an answer, empty where it is something else."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def in_path(value: str) -> str:
    """Return a value as one segment of a path."""
    return quote(value, safe="")
