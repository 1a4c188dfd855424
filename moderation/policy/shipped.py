"""The policies in the box and the table of reasons: what a blog needs on its first day, and the words its readers are told.

The policies are TOML files beside this module, so that they can be read, copied and changed like any policy of a site's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ReasonText:
    """One reason for not publishing a comment; the key is fixed for ever, the words may be changed by a site.

    ``author_reads`` completes "We did not publish this: it ...". ``{ground}`` and ``{sentence}`` are filled in by the
    moderator. ``dsa_category`` and ``dsa_keyword`` are those of the EU transparency database, ``coral_code`` that of Coral's
    moderation phases.
    """

    key: int
    name: str
    author_reads: str
    dsa_category: str
    dsa_keyword: str | None
    coral_code: str


REASONS: Final[Mapping[int, ReasonText]] = MappingProxyType(
    {
        reason.key: reason
        for reason in (
            ReasonText(
                1,
                "Personal attack",
                "attacks a person rather than what they say",
                "CYBER_VIOLENCE",
                "CYBER_HARASSMENT",
                "ABUSIVE",
            ),
            ReasonText(
                2, "Hate", "demeans people for who they are", "ILLEGAL_OR_HARMFUL_SPEECH", "DISCRIMINATION", "HATE_SPEECH"
            ),
            ReasonText(
                3,
                "Threat or call to violence",
                "threatens, or calls for harm",
                "VIOLENCE",
                "INCITEMENT_VIOLENCE_HATRED",
                "ABUSIVE",
            ),
            ReasonText(
                4,
                "Private information, stalking",
                "shares details that could hurt someone",
                "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
                None,
                "HARASSMENT_BULLYING",
            ),
            ReasonText(
                5, "Spam", "looks like advertising or a copied message", "OTHER_VIOLATION_TC", "HIDDEN_ADVERTISEMENT", "SPAM"
            ),
            ReasonText(6, "Obscene", "is too explicit for this page", "OTHER_VIOLATION_TC", None, "OFFENSIVE"),
            ReasonText(7, "Off topic", "is not about this article or thread", "OTHER_VIOLATION_TC", None, "IRRELEVANT_CONTENT"),
            ReasonText(
                8,
                "May break the law",
                "may break the law: {ground}",
                "ILLEGAL_OR_HARMFUL_SPEECH",
                "DEFAMATION",
                "ILLEGAL_CONTENT",
            ),
            ReasonText(9, "Other", "{sentence}", "OTHER_VIOLATION_TC", "OTHER", "OTHER"),
        )
    }
)

FIXED_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not_scored": "We could not check it automatically, so a person will.",
        "language": "We cannot check its language automatically, so a person will.",
        "pre_moderated": "A person reads every comment here before it appears.",
        "newcomer": "We read first comments before they appear.",
        "reported": "Readers asked us to look at it.",
        "rejected_before": "An earlier version was not published, so a person reads this one.",
        "reserved_name": "It carries the name of somebody who signs in here.",
        "closed": "Comments here are closed.",
    }
)
"""Why the machine asked a person or closed the door without judging the words: reasons that no moderator picks."""

SPAM: Final = 5
"""The reason of advertising and copied messages, which other systems keep apart from all others."""

_STOOD: Final = {"approved": "Approved", "rejected": "Rejected"}


def in_words(status: str, *, by: str, reasons: Iterable[object]) -> str:
    """Return a decision in a few words of plain ASCII, such as ``Held for a person: Personal attack``."""
    names = [REASONS[reason].name if isinstance(reason, int) and reason in REASONS else str(reason) for reason in reasons]
    listed = ", ".join(dict.fromkeys(name.replace("_", " ") for name in names if name != "None"))
    stood = _STOOD.get(status, "Held for a person")
    who = {"machine": " automatically", "moderator": " by a moderator"}.get(by, "") if status in _STOOD else ""
    return f"{stood}{who}" + (f": {listed}" if listed and status != "approved" else "")


_NAMES: Final = ("watch", "standard", "strict", "premoderate", "newcomers-first", "postmoderate")

SHIPPED: Final[Mapping[str, str]] = MappingProxyType(
    {name: files(__package__).joinpath("shipped", f"{name}.toml").read_text(encoding="utf-8") for name in _NAMES}
)
"""Name to TOML text, in the order in which a site's owner should consider them."""

DEFAULT: Final = "watch"
"""New sites start here: a person reads everything, and what ``standard`` would have done is recorded."""
