"""What Perspective's clients send: JSON under any media type, in proto's camel case or its snake case, and how it is judged.

Unknown fields are passed over. The order of the checks is the real service's: who sends nothing at all is told that the comment
is empty, because one client finds out in this way whether its key is good.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from api.doors.json_request import sent_bytes
from api.doors.perspective_errors import EMPTY, INVALID_REQUEST, NO_ATTRIBUTES, TOO_LONG, Failure, invalid, malformed
from api.errors import Problem
from moderation.scoring.perspective import SOURCES

MAX_BYTES: Final = 1024 * 1024
"""A text of the greatest length with every character escaped, and an article with its parent comment as the context."""

LONGEST_TEXT: Final = 20_480
"""Bytes of a comment's text in UTF-8."""

PLAIN: Final = frozenset({None, "PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"})
PROBABILITY: Final = "PROBABILITY"
SCORE_TYPES: Final = frozenset({None, PROBABILITY, "SCORE_TYPE_UNSPECIFIED"})
MOST_SPANS: Final = 1000
LONGEST_NOTE: Final = 500
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_NOTHING: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What both calls have: ``text`` as sent, ``languages`` as asked, ``token`` to be given back."""

    text: str
    languages: tuple[str, ...]
    token: str | None
    community: str | None
    entries: tuple[str, ...]

    @property
    def readable(self) -> str:
        """The text with a replacement character for what is none (NUL, lone surrogates), so that all places stay the same."""
        return fit(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """A request to score: each attribute with its threshold (0 where everything is wanted)."""

    comment: Comment
    thresholds: dict[str, float]
    spans: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What somebody says that the scores ought to be, by attribute and as they were sent: summary, spans or both."""

    comment: Comment
    values: dict[str, Any]


def fit(text: str, length: int | None = None) -> str:
    """Return what any database and model takes of a text, or of its beginning."""
    return _UNFIT.sub("\ufffd", text[:length])


def analysis() -> Analysis:
    """Return the request to score that was sent; raises Failure."""
    sent = _sent()
    comment = _comment(sent)
    wanted = _object(sent, "requestedAttributes")
    if not wanted:
        raise invalid(*NO_ATTRIBUTES)
    thresholds = {}
    for name in wanted:
        _known(name)
        asked = _object(wanted, name, where=f"requested_attributes.{name}")
        score_type = _field(asked, "scoreType")
        if not (score_type is None or isinstance(score_type, str)) or score_type not in SCORE_TYPES:
            raise invalid(INVALID_REQUEST, f"Requested score type {score_type} is not supported by attribute {name}")
        thresholds[name] = _number(asked, "scoreThreshold", usual=0.0)
    return Analysis(comment=comment, thresholds=thresholds, spans=_truth(sent, "spanAnnotations"))


def suggestion() -> Suggestion:
    """Return the suggested scores that were sent; raises Failure."""
    sent = _sent()
    comment = _comment(sent)
    scores = _object(sent, "attributeScores")
    if not scores:
        raise invalid(INVALID_REQUEST, "Missing attribute_scores")
    values: dict[str, Any] = {}
    for name in scores:
        _known(name)
        given = _object(scores, name, where=f"attribute_scores.{name}")
        found: dict[str, Any] = {}
        if (summary := _object(given, "summaryScore")) or "summaryScore" in given:
            found["summary"] = _suggested(summary, name)
        if spans := _spans(given, name, len(comment.text)):
            found["spans"] = spans
        if not found:
            raise invalid(INVALID_REQUEST, f"Attribute {name} has neither a summary score nor span scores")
        values[name] = found
    return Suggestion(comment=comment, values=values)


def _spans(given: Mapping[str, Any], name: str, length: int) -> list[dict[str, Any]]:
    sent = _field(given, "spanScores") or []
    if not isinstance(sent, list) or len(sent) > MOST_SPANS or not all(isinstance(span, dict) for span in sent):
        raise _at("span_scores")
    found = []
    for span in sent:
        begin, end = _number(span, "begin", usual=0), _number(span, "end", usual=length)
        if not 0 <= begin <= end <= length:
            raise invalid(INVALID_REQUEST, f"A span of attribute {name} does not lie in the comment")
        found.append({"begin": int(begin), "end": int(end), "value": _suggested(_object(span, "score"), name)})
    return found


def _sent() -> dict[str, Any]:
    try:
        data = sent_bytes(MAX_BYTES)
    except Problem as problem:
        too_large = problem.code == "too-large"
        raise malformed(
            "", f"Request payload size exceeds the limit: {MAX_BYTES} bytes." if too_large else problem.detail
        ) from None
    text = data.decode("utf-8", "replace").lstrip("\ufeff")
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise malformed("", "Invalid JSON payload received.") from None
    if not isinstance(parsed, dict):
        raise malformed("", "Invalid JSON payload received. The root must be an object.")
    return parsed


def _no_number(written: str) -> float:
    raise ValueError(written)


def _comment(sent: Mapping[str, Any]) -> Comment:
    comment = _object(sent, "comment")
    text = _string(comment, "text", where="comment.text") or ""
    if not text.strip():
        raise invalid(*EMPTY)
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT:
        raise invalid(*TOO_LONG)
    _plain(comment)
    context = _object(sent, "context")
    entries = _field(context, "entries") or []
    both = _object(context, "articleAndParentComment")
    if entries and both:
        raise invalid(
            INVALID_REQUEST, "Context can have either entries or article_and_parent_comment, but both fields were populated."
        )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise malformed("context.entries", "Invalid value at 'context.entries'")
    for entry in (*entries, *(_object(both, name) for name in ("article", "parentComment"))):
        _plain(entry)
    languages = _field(sent, "languages") or []
    if not isinstance(languages, list) or not all(isinstance(tag, str) for tag in languages):
        raise malformed("languages", "Invalid value at 'languages'")
    _truth(sent, "doNotStore")
    _string(sent, "sessionId")
    return Comment(
        text=text,
        languages=tuple(languages),
        token=_string(sent, "clientToken"),
        community=_string(sent, "communityId"),
        entries=tuple(said for entry in entries if (said := _string(entry, "text"))),
    )


def _plain(entry: Mapping[str, Any]) -> None:
    kind = _field(entry, "type")
    if kind == "HTML":
        raise invalid(INVALID_REQUEST, "Currently, only 'PLAIN_TEXT' comments are supported")
    if not (kind is None or isinstance(kind, str)) or kind not in PLAIN:
        raise invalid(INVALID_REQUEST, "Unknown text type")


def _known(name: str) -> None:
    if name not in SOURCES:
        raise invalid(INVALID_REQUEST, f"Unknown requested attribute: {name}")


def _suggested(score: Mapping[str, Any], name: str) -> float:
    value = _number(score, "value", usual=0.0)
    if not 0 <= value <= 1:
        raise invalid(INVALID_REQUEST, f"The suggested score of attribute {name} is not between 0 and 1")
    if _field(score, "type") not in (None, PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
        raise invalid(INVALID_REQUEST, f"Requested score type {_field(score, 'type')} is not supported by attribute {name}")
    return value


def _field(values: Mapping[str, Any], name: str) -> Any:
    """Return a field by either of the names that proto's JSON has for it, None for null."""
    found = values.get(name, _NOTHING)
    return values.get(_snake(name)) if found is _NOTHING else found


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def _object(values: Mapping[str, Any], name: str, *, where: str = "") -> dict[str, Any]:
    found = values.get(name) if where else _field(values, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _at(where or _snake(name))
    return found


def _string(values: Mapping[str, Any], name: str, *, where: str = "") -> str | None:
    found = _field(values, name)
    if not (found is None or isinstance(found, str)):
        raise _at(where or _snake(name))
    return found


def _truth(values: Mapping[str, Any], name: str) -> bool:
    found = _field(values, name)
    if found is None or isinstance(found, bool):
        return bool(found)
    if found in ("true", "false"):
        return bool(found == "true")
    raise _at(_snake(name))


def _number(values: Mapping[str, Any], name: str, *, usual: float) -> float:
    found = _field(values, name)
    if found is None:
        return usual
    try:
        number = float(found) if isinstance(found, int | float | str) and not isinstance(found, bool) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or not isfinite(number):
        raise _at(_snake(name))
    return number


def _at(where: str) -> Failure:
    return malformed(where, f"Invalid value at '{where}'")
