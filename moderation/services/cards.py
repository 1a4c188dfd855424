"""The card: everything that a moderator needs beside a comment to judge it fairly, in a handful of queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from moderation.models import (
    Author,
    Case,
    Comment,
    Decider,
    Decision,
    NearCopy,
    Note,
    Post,
    Report,
    Revision,
    Status,
    User,
)
from moderation.policy.thresholds import Threshold, thresholds
from moderation.services import policies, redaction, review, sweeps, waves
from moderation.services.review import CaseView
from moderation.services.waves import Copy
from moderation.signals.duplicates import NEAR_BANDS
from moderation.signals.schema import SIGNALS, Kind

MOST_SIMILAR = 5
"""Near copies shown."""
BANDS_READ = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another comment beside the one to be judged: its parent, or a near copy. ``body`` is None where it was erased."""

    id: UUID
    author_name: str
    body: str | None
    status: Status
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of an author's comments on this site, this one included; ``since`` is the time of the first one."""

    since: datetime
    by_status: dict[Status, int]

    @property
    def total(self) -> int:
        """All comments of the author."""
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision or note; ``who`` is a person's name, or the policy that decided."""

    at: datetime
    who: str
    machine: bool
    what: str
    """``approve``, ``flag``, ``reject``, ``undo`` or ``note``."""
    revision: int | None
    reason: int | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A score (0..1) with the thresholds that rules have for it; ``crossed`` are those that it reached."""

    name: str
    about: str
    value: float
    marks: tuple[Threshold, ...]

    @property
    def crossed(self) -> tuple[Threshold, ...]:
        """The thresholds at or below the score."""
        return tuple(mark for mark in self.marks if mark.at <= self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A case with all that stands on its card."""

    case: CaseView
    comment_id: UUID
    excerpt: str
    parent: Other | None
    record: Record
    reports: list[tuple[str, str]]
    similar: list[Other]
    wave: list[Copy]
    """Open cases whose comments say the same, this one among them; empty where it is alone."""
    others: int
    """How many other comments by its author wait."""
    redacted: bool
    """A moderator took words out of the text."""
    history: list[Entry]
    bars: list[Bar]

    @property
    def driven(self) -> list[dict[str, Any]]:
        """The explained scores that reached a threshold, all of them where none did; empty where nothing was explained."""
        found = self.case.comment.explanation
        scores: list[dict[str, Any]] = found["scores"] if found else []
        crossed = {bar.name for bar in self.bars if bar.crossed}
        return [each for each in scores if each["attribute"] in crossed] or scores

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the spam score, where that is among the explained ones."""
        found = self.case.comment.explanation
        return dict(found["spam_parts"]) if found and any(each["attribute"] == "spam" for each in self.driven) else {}

    @property
    def last(self) -> Entry | None:
        """The newest decision, None where there is none."""
        return next((entry for entry in reversed(self.history) if entry.what != "note"), None)


def card(session: Session, site_id: UUID, case_id: UUID, *, now: datetime) -> Card:
    """Return the card of a case, open or closed; raises NotFound."""
    shown = review.case(session, site_id, case_id, now=now)
    row = session.execute(
        select(Comment, Post.excerpt, Case)
        .join(Post, Post.id == Comment.post_id)
        .join(Case, Case.comment_id == Comment.id)
        .where(Case.id == case_id)
    ).one()
    comment, excerpt, case = row
    near = _near(session, comment)
    wave = waves.copies(session, site_id, [comment.id, *near]) if near else []
    return Card(
        case=shown,
        comment_id=comment.id,
        excerpt=excerpt,
        parent=_others(session, site_id, [comment.parent_id])[0] if comment.parent_id else None,
        record=_record(session, comment),
        reports=[
            (reason, note)
            for reason, note in session.execute(
                select(Report.reason, Report.note)
                .where(Report.site_id == site_id, Report.comment_id == comment.id)
                .order_by(Report.id)
                .limit(20)
            )
        ],
        similar=_others(session, site_id, near[:MOST_SIMILAR]),
        wave=wave if len(wave) > 1 else [],
        others=sweeps.others_of(session, case),
        redacted=_is_redacted(session, comment),
        history=_history(session, comment),
        bars=_bars(session, site_id, shown),
    )


def cases_of(session: Session, site_id: UUID, comment_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the newest case of each comment that has one."""
    rows = session.execute(
        select(Case.comment_id, Case.id).where(Case.site_id == site_id, Case.comment_id.in_(comment_ids)).order_by(Case.id)
    )
    return {row.comment_id: row.id for row in rows}


def text_of(session: Session, site_id: UUID, comment_id: UUID, revision: int) -> str | None:
    """Return what an earlier revision said, None where there is none or it was erased."""
    return session.scalar(
        select(Revision.body)
        .join(Comment, Comment.id == Revision.comment_id)
        .where(
            Revision.site_id == site_id,
            Revision.comment_id == comment_id,
            Revision.number == revision,
            Comment.status != Status.ERASED,
        )
    )


def _others(session: Session, site_id: UUID, ids: list[UUID]) -> list[Other]:
    if not ids:
        return []
    rows = session.execute(
        select(Comment, Author.name, Revision)
        .join(Author, Author.id == Comment.author_id)
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.current_revision))
        .where(Comment.site_id == site_id, Comment.id.in_(ids))
        .order_by(Comment.id.desc())
    )
    return [
        Other(
            id=comment.id,
            author_name=revision.context.get("author_name") or name,
            body=None if comment.status is Status.ERASED else revision.body,
            status=comment.status,
            created_at=comment.created_at,
        )
        for comment, name, revision in rows
    ]


def _record(session: Session, comment: Comment) -> Record:
    rows = session.execute(
        select(Comment.status, func.count(), func.min(Comment.created_at))
        .where(Comment.site_id == comment.site_id, Comment.author_id == comment.author_id)
        .group_by(Comment.status)
    ).all()
    return Record(since=min(first for _, _, first in rows), by_status={status: count for status, count, _ in rows})


def _near(session: Session, comment: Comment) -> list[UUID]:
    """Find near copies by the bands that the flood rule compares (kept for fourteen days)."""
    own = select(NearCopy.band, NearCopy.value).where(
        NearCopy.site_id == comment.site_id, NearCopy.comment_id == comment.id
    ).subquery()  # fmt: skip
    rows = session.execute(
        select(NearCopy.comment_id, NearCopy.band)
        .join(own, and_(own.c.band == NearCopy.band, own.c.value == NearCopy.value))
        .where(NearCopy.site_id == comment.site_id, NearCopy.comment_id != comment.id)
        .order_by(NearCopy.comment_id.desc())
        .limit(BANDS_READ)
    )
    shared: dict[UUID, set[int]] = {}
    for comment_id, band in rows:
        shared.setdefault(comment_id, set()).add(band)
    return [comment_id for comment_id, bands in shared.items() if 0 in bands or len(bands) >= NEAR_BANDS]


def _is_redacted(session: Session, comment: Comment) -> bool:
    context = session.scalar(
        select(Revision.context).where(Revision.comment_id == comment.id, Revision.number == comment.current_revision)
    )
    return bool(context and context.get(redaction.BY))


def _history(session: Session, comment: Comment) -> list[Entry]:
    decided = session.execute(
        select(Decision, User.name)
        .outerjoin(User, User.id == Decision.user_id)
        .where(Decision.comment_id == comment.id)
        .order_by(Decision.seq)
    )
    entries = [
        Entry(
            at=decision.created_at,
            who=name or decision.policy or ("the blog" if decision.decider is Decider.MODERATOR else "the machine"),
            machine=decision.decider is Decider.MACHINE,
            what="undo" if decision.undoes else decision.verdict,
            revision=decision.revision,
            reason=decision.reason,
            note=decision.note,
        )
        for decision, name in decided
    ]
    notes = session.execute(
        select(Note, User.name)
        .join(User, User.id == Note.user_id)
        .where(Note.site_id == comment.site_id, Note.comment_id == comment.id)
        .order_by(Note.id)
    )
    entries += [
        Entry(at=note.created_at, who=name, machine=False, what="note", revision=None, reason=None, note=note.body)
        for note, name in notes
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _bars(session: Session, site_id: UUID, shown: CaseView) -> list[Bar]:
    decision = shown.comment.decision
    label = decision["policy"] if decision else None
    signals = shown.comment.signals
    marks = thresholds(policies.by_label(session, site_id, label), signals) if label else {}
    values = {**shown.comment.scores, **{name: value for name, value in signals.items() if isinstance(value, float)}}
    return [
        Bar(name=name, about=signal.doc, value=values[name], marks=marks.get(name, ()))
        for name, signal in SIGNALS.items()
        if signal.kind is Kind.SCORE and name in values and (name in marks or name != "sexual")
    ]
