"""The one shape in which a comment comes from any other system, and the check that each must pass.

A row that cannot be used is a value and not an exception: it is reported by its line, and the others are read on.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from moderation.text import problems

APPROVED: Final = "approved"
HELD: Final = "held"
REJECTED: Final = "rejected"
DELETED: Final = "deleted"
STATES: Final = frozenset({APPROVED, HELD, REJECTED, DELETED})
"""Public there; waiting there; refused or spam there; deleted there, so that only its place in the thread is taken over."""

LONGEST_NAME: Final = 200
LONGEST_ID: Final = 255
LONGEST_URL: Final = 2048
LONGEST_TITLE: Final = 500
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)

_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a source does not say itself: ``base_url`` is the blog's address where the source holds paths only."""

    base_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A comment of another system, usable as it is.

    ``line`` is where it stands in the source (a line, or a number where there are none); ids are the other system's, ``ours`` is
    our own of a comment that came from here in the first place. ``author_id`` is an id that the blog vouches for and will send
    again, ``author_handle`` only tells that two comments there are by the same person. There is no network address: those expire
    here before an import could use them.
    """

    line: int
    external_id: str
    post_url: str
    body: str
    state: str
    created_at: datetime
    post_id: str | None = None
    post_title: str = ""
    parent_id: str | None = None
    author_id: str | None = None
    author_handle: str | None = None
    author_name: str = ""
    author_email: str | None = None
    author_url: str | None = None
    language: str | None = None
    ours: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row that was not taken: where it stands, a word for scripts, and a sentence without anything of the row's text."""

    line: int
    code: str
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return it by name."""
        return {"line": self.line, "code": self.code, "detail": self.detail}


def record(line: int, fields: Mapping[str, Any], options: Options) -> Record | BadRow:
    """Return what the fields say, named as those of Record, or why they cannot be used.

    ``created_at`` is RFC 3339 or seconds since 1970 (a naive time is taken as UTC); ``state`` defaults to approved.
    """
    wrong = _wrong(fields)
    created_at = moment(fields.get("created_at"))
    url = address(_text(fields.get("post_url")), options.base_url)
    state = _text(fields.get("state")) or APPROVED
    body = "" if state == DELETED else clean(str(fields.get("body") or "")).strip()
    if wrong is None and created_at is None:
        wrong = ("created_at", "the time is not RFC 3339, nor seconds since 1970, or is before 1990")
    if wrong is None and url is None:
        wrong = ("post_url", "the post's address is not a full http(s) address (see --base-url)")
    if wrong is None and state != DELETED and (found := problems(body)):
        wrong = (found[0].code, found[0].detail)
    if wrong is not None or created_at is None or url is None:
        code, detail = wrong or ("missing", "the time or the address is missing")
        return BadRow(line=line, code=code, detail=detail)
    email = _text(fields.get("author_email"))
    return Record(
        line=line,
        external_id=_text(fields["external_id"]),
        post_url=url,
        post_id=_text(fields.get("post_id")) or None,
        post_title=_text(fields.get("post_title"))[:LONGEST_TITLE],
        parent_id=_text(fields.get("parent_id")) or None,
        body=body,
        state=state,
        created_at=created_at,
        author_id=_text(fields.get("author_id")) or None,
        author_handle=_text(fields.get("author_handle")) or None,
        author_name=_text(fields.get("author_name"))[:LONGEST_NAME],
        author_email=email if "@" in email else None,
        author_url=address(_text(fields.get("author_url")), None),
        language=_text(fields.get("language"))[:35] or None,
        ours=_text(fields.get("ours")) or None,
    )


def _wrong(fields: Mapping[str, Any]) -> tuple[str, str] | None:
    for name in ("external_id", "post_url", "created_at"):
        if not _text(fields.get(name)):
            return "missing", f"{name} is missing"
    if (_text(fields.get("state")) or APPROVED) not in STATES:
        return "state", f"the state is none of {', '.join(sorted(STATES))}"
    for name in ("external_id", "parent_id", "post_id", "author_id", "author_handle"):
        if len(_text(fields.get(name))) > LONGEST_ID:
            return name, f"{name} is longer than {LONGEST_ID} characters"
    return None


def clean(text: str) -> str:
    """Return a text without characters that no comment may hold (controls, lone surrogates), with one kind of line end."""
    return _CONTROLS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def moment(value: Any) -> datetime | None:
    """Return a time as it may be written, in UTC; None for what is none, or is before 1990."""
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, int | float) or re.fullmatch(r"\d{9,11}(\.\d+)?", str(value)):
            found = datetime.fromtimestamp(float(value), UTC)
        else:
            found = datetime.fromisoformat(str(value).strip())
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found >= EARLIEST else None


def address(written: str, base: str | None) -> str | None:
    """Return a full http(s) address, with the help of ``base`` for a path; None for anything else."""
    try:
        found = urljoin(base, written) if base else written
        parts = urlsplit(found)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return found if usable and len(found) <= LONGEST_URL else None


def _text(value: Any) -> str:
    return "" if value is None else " ".join(clean(str(value)).split())
