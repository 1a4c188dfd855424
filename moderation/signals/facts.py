"""What a signal may look at: the revision as its author sent it, and the facts that the caller has already read.

Signals are pure, so everything that lives in a database, in a form or in somebody's settings is read beforehand and handed
over here. ``None`` always means "the caller does not know" and never "no": a check without an author has ``author=None``,
and the rules that need an author are then listed as not evaluated rather than decided by a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from moderation.signals.words import WordList

Identity = Literal["verified", "claimed", "anonymous"]
PostSetting = Literal["open", "closed", "premoderated", "newcomers_held"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version of a comment, exactly as it arrived."""

    body: str
    number: int = 1
    """1 for the first text, 2 and more for edits."""
    language: str | None = None
    """BCP 47 tag claimed by the caller, such as ``de`` or ``pt-BR``."""
    author_name: str | None = None
    author_url: str | None = None
    honeypot: str | None = None
    """Content of the hidden field; ``None`` where the form has no such field, empty where it was left alone."""
    seconds_to_submit: float | None = None
    """From showing the form to sending it, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorFacts:
    """The author's record on this site, counted over decided comments and without the one being judged."""

    identity: Identity
    approved: int = 0
    rejected: int = 0
    recent: int = 1
    """Comments sent by this author within five minutes, this one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFacts:
    """The post under which the comment stands."""

    setting: PostSetting = "open"
    texts: Sequence[str] = ()
    """What may be quoted: the title, the excerpt and the body of the parent comment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFacts:
    """What the site already knows about this comment and about others like it."""

    near_copies_by_others: int = 0
    """Other authors who sent a near copy within a day (see ``duplicates.is_near``)."""
    reports: int = 0
    """Independent reporters."""
    human_rejected_before: bool = False
    """A human rejected an earlier revision of this comment."""
    human_approved: bool = False
    """A human approved this very revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything beyond the revision itself that a signal may need.

    ``author``, ``post`` and ``history`` are ``None`` where the caller has none (``/v1/check``, ``tidegate explain``).
    """

    author: AuthorFacts | None = None
    post: PostFacts | None = None
    history: HistoryFacts | None = None

    site_language: str = "en"
    languages_served: Sequence[str] = ("en",)
    """Primary subtags of the languages that the site's scorer can judge; the site's own counts only if it is among them."""
    region: str | None = None
    """ISO 3166 country in which a telephone number without a country code is read."""
    site_hosts: frozenset[str] = frozenset()
    """Hosts of the site itself: links to them are not counted."""
    rejected_hosts: frozenset[str] = frozenset()
    """Hosts linked from comments that were rejected here as spam; the caller may pass only those that occur in this revision."""
    reserved_names: frozenset[str] = frozenset()
    """``author.name_key`` of staff and signed-in readers."""
    banned: WordList = field(default_factory=WordList)
    suspect: WordList = field(default_factory=WordList)

    audit_draw: float | None = None
    """A random number in [0, 1) drawn by the caller and stored, so that the audit sample can be replayed."""
