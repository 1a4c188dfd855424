"""What the author's record says: newcomer, trusted, or somebody under a borrowed name.

Only a verified identity earns anything. A claimed one (an e-mail address that anybody can type) counts against its author
and never for, or the good name of a regular would be the cheapest disguise there is. Unit: yes/no and comments. Cost:
nothing, the caller has read the record.
"""

from dataclasses import dataclass
from typing import Final

from moderation.signals.facts import AuthorFacts
from moderation.text import normalise

NEWCOMER_UNTIL: Final = 2
"""Approved comments under a verified identity after which an author is no newcomer."""
TRUSTED_FROM: Final = 20
TRUSTED_REJECTED_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorSignals:
    """The signals of this module, named as in the schema."""

    newcomer: bool
    trusted: bool
    author_verified: bool
    author_approved: int
    author_rejected: int
    reserved_name: bool


def name_key(name: str) -> str:
    """Return the form under which two names count as the same: look-alikes, capitals, spaces and signs do not tell them apart."""
    return "".join(char for char in normalise(name).text.casefold() if char.isalnum())


def measure(author: AuthorFacts, name: str | None, reserved_names: frozenset[str]) -> AuthorSignals:
    """Judge the record; ``name`` is the one shown with the comment."""
    verified = author.identity == "verified"
    approved = author.approved if verified else 0
    decided = author.approved + author.rejected
    return AuthorSignals(
        newcomer=approved < NEWCOMER_UNTIL,
        trusted=verified and approved >= TRUSTED_FROM and author.rejected < TRUSTED_REJECTED_SHARE * decided,
        author_verified=verified,
        author_approved=approved,
        author_rejected=author.rejected,
        reserved_name=not verified and name is not None and name_key(name) in reserved_names,
    )
