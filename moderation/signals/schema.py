"""The one list of signals: name, type, unit, where it comes from and what it costs.

The policy compiler declares its variables from this table, the evaluator accepts only what fits it, the documentation is
compared with it by a test, and stored assessments carry ``SCHEMA_VERSION``. A signal may be added under the same version;
changing what a name means is a new version.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Final, TypeAlias

SignalValue: TypeAlias = bool | int | float | str | list[str]

SCHEMA_VERSION: Final = 1
_INT64: Final = 2**63


class SignalType(StrEnum):
    """The CEL type under which policies see a signal."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    LIST = "list"


class Kind(StrEnum):
    """What sort of evidence a signal is."""

    SCORE = "score"
    CONTENT = "content"
    BEHAVIOUR = "behaviour"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Signal:
    """One named piece of evidence.

    ``fact`` names what the caller must have given for the signal to exist: ``text`` and ``scores`` are always owed, so their
    absence is a fault and sends the comment to a human; any other fact may be named in ``not_given``, and then the rules which
    need it are listed instead. ``cost`` is the time on one core for a comment of 500 characters, in microseconds, and 0 for a
    fact that is only passed on.
    """

    name: str
    type: SignalType
    kind: Kind
    fact: str
    unit: str
    cost: int
    doc: str

    def accepts(self, value: object) -> bool:
        """Tell whether ``value`` has this signal's type and is finite."""
        match self.type:
            case SignalType.BOOL:
                return isinstance(value, bool)
            case SignalType.INT:
                return isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
            case SignalType.DOUBLE:
                return _finite(value) and (self.kind is not Kind.SCORE or 0.0 <= float(value) <= 1.0)  # type: ignore[arg-type]
            case SignalType.STRING:
                return isinstance(value, str) and _encodable(value)
            case SignalType.LIST:
                return isinstance(value, list) and all(isinstance(item, str) and _encodable(item) for item in value)


def _finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _encodable(value: str) -> bool:
    """CEL works on UTF-8; a lone surrogate would be an exception instead of a value."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


_B, _I, _D, _S, _L = SignalType.BOOL, SignalType.INT, SignalType.DOUBLE, SignalType.STRING, SignalType.LIST
_SCORE, _CONTENT, _BEHAVIOUR, _CONTEXT = Kind.SCORE, Kind.CONTENT, Kind.BEHAVIOUR, Kind.CONTEXT
_P: Final = "probability 0..1"

_ALL: Final = (
    Signal("toxicity", _D, _SCORE, "scores", _P, 0, "Hostile enough to drive people out of a conversation."),
    Signal("severe_toxicity", _D, _SCORE, "scores", _P, 0, "Very hateful or aggressive."),
    Signal("obscene", _D, _SCORE, "scores", _P, 0, "Swearing and obscene language, whoever it is aimed at."),
    Signal("threat", _D, _SCORE, "scores", _P, 0, "Says or wishes that somebody be hurt."),
    Signal("insult", _D, _SCORE, "scores", _P, 0, "Aimed at a person."),
    Signal("identity_attack", _D, _SCORE, "scores", _P, 0, "Hostile to people for who they are."),
    Signal("sexual_explicit", _D, _SCORE, "scores", _P, 0, "Sexually explicit; absent where the site's model does not have it."),
    Signal("sexual", _D, _SCORE, "scores", _P, 0, "sexual_explicit, or obscene where the model has no such attribute."),
    Signal("spam", _D, _SCORE, "scores", _P, 0, "Reads like advertising, by its words alone."),
    Signal("letters", _I, _CONTENT, "text", "letters", 50, "Letters in the text once disguises are undone."),
    Signal(
        "disguised_words",
        _I,
        _CONTENT,
        "text",
        "words",
        100,
        "Words written to slip past a filter: l3tters, s p a c e s, look-alikes.",
    ),
    Signal("links", _I, _CONTENT, "text", "links", 2, "Links in the text; those to the site itself are not counted."),
    Signal("link_shortener", _B, _CONTENT, "text", "yes/no", 2, "A link goes through an address shortener."),
    Signal("link_bare_ip", _B, _CONTENT, "text", "yes/no", 2, "A link names a bare IP address instead of a host."),
    Signal("link_punycode", _B, _CONTENT, "text", "yes/no", 2, "A link's host is written in punycode or in foreign letters."),
    Signal("link_rejected_before", _B, _BEHAVIOUR, "text", "yes/no", 2, "A link goes to a host that was rejected here before."),
    Signal("banned_words", _I, _CONTENT, "text", "words", 2, "Entries of the site's banned list that occur."),
    Signal(
        "banned_word_reason",
        _I,
        _CONTENT,
        "text",
        "reason key, 0 for none",
        1,
        "The reason that the first banned entry stands for.",
    ),
    Signal("suspect_words", _I, _CONTENT, "text", "words", 2, "Entries of the site's suspect list that occur."),
    Signal(
        "personal_data",
        _I,
        _CONTENT,
        "text",
        "findings",
        5,
        "Phone numbers, e-mail addresses, bank accounts and street addresses together.",
    ),
    Signal("phones", _I, _CONTENT, "text", "findings", 5, "Valid telephone numbers."),
    Signal("emails", _I, _CONTENT, "text", "findings", 5, "E-mail addresses, other than the site's own."),
    Signal("ibans", _I, _CONTENT, "text", "findings", 5, "Bank account numbers (IBAN) with a right checksum."),
    Signal("street_addresses", _I, _CONTENT, "text", "findings", 5, "A street with a house number."),
    Signal(
        "quoted_share",
        _D,
        _CONTENT,
        "post",
        "share 0..1",
        90,
        "Share of the letters found word for word in the post or the parent comment.",
    ),
    Signal(
        "language",
        _S,
        _CONTENT,
        "text",
        "BCP 47 primary subtag",
        50,
        "The language of the text, the site's own where that is not clear.",
    ),
    Signal(
        "language_served",
        _B,
        _CONTENT,
        "text",
        "yes/no",
        50,
        "False only where the text is clearly in a language that cannot be checked.",
    ),
    Signal(
        "near_copies",
        _I,
        _BEHAVIOUR,
        "history",
        "authors",
        20,
        "Different authors who sent nearly this text in a day, this one included; 0 if short.",
    ),
    Signal(
        "author_recent",
        _I,
        _BEHAVIOUR,
        "author",
        "comments",
        0,
        "Comments by this author in the last five minutes, this one included.",
    ),
    Signal("honeypot", _B, _BEHAVIOUR, "honeypot", "yes/no", 1, "The hidden field of the form was filled in."),
    Signal("seconds_to_submit", _D, _BEHAVIOUR, "timing", "seconds", 1, "From showing the form to sending it."),
    Signal(
        "reports", _I, _BEHAVIOUR, "history", "reporters", 0, "Readers who reported this comment independently of each other."
    ),
    Signal("newcomer", _B, _CONTEXT, "author", "yes/no", 1, "Fewer than two approved comments under a verified identity."),
    Signal("trusted", _B, _CONTEXT, "author", "yes/no", 1, "Verified, 20 or more approved, under 5 % rejected."),
    Signal("author_verified", _B, _CONTEXT, "author", "yes/no", 0, "The identity was vouched for, not merely typed in."),
    Signal(
        "author_approved",
        _I,
        _CONTEXT,
        "author",
        "comments",
        0,
        "Earlier comments approved under a verified identity, otherwise 0.",
    ),
    Signal("author_rejected", _I, _CONTEXT, "author", "comments", 0, "Earlier comments rejected, whatever the identity."),
    Signal(
        "reserved_name",
        _B,
        _CONTEXT,
        "author",
        "yes/no",
        5,
        "An unverified author uses the name of staff or of a signed-in reader.",
    ),
    Signal("post_closed", _B, _CONTEXT, "post", "yes/no", 0, "The post takes no more comments."),
    Signal("post_premoderated", _B, _CONTEXT, "post", "yes/no", 0, "Every comment under the post waits for a person."),
    Signal("post_newcomers_held", _B, _CONTEXT, "post", "yes/no", 0, "Newcomers' comments under the post wait for a person."),
    Signal("edited", _B, _CONTEXT, "text", "yes/no", 0, "This is not the first text of the comment."),
    Signal("human_rejected_before", _B, _CONTEXT, "history", "yes/no", 0, "A person rejected an earlier revision."),
    Signal("human_approved", _B, _CONTEXT, "history", "yes/no", 0, "A person approved this revision."),
    Signal("audit_draw", _D, _CONTEXT, "draw", "share 0..1", 0, "The stored random number that picks the audit sample."),
    Signal(
        "not_given",
        _L,
        _CONTEXT,
        "text",
        "names of facts",
        0,
        "Facts that the caller did not give: author, post, history, honeypot, timing, draw.",
    ),
    Signal(
        "failed_signals",
        _L,
        _CONTEXT,
        "text",
        "names of signal modules",
        0,
        "Modules that could not judge this text; what they owe is absent.",
    ),
)

SIGNALS: Final[Mapping[str, Signal]] = MappingProxyType({signal.name: signal for signal in _ALL})

OWED_FACTS: Final = frozenset({"text", "scores"})
"""Facts whose absence is never the caller's choice."""
