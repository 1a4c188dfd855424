"""What a site's people decided, as far as it teaches something: human decisions and suggested scores, never the machine's.

A decision that was undone, and one about a comment that was withdrawn or erased since, is no lesson any more. Each lesson says
how the comment came before a person, because that decides what it stands for (docs/decisions/0016-a-layer-of-its-own.md):

- ``queue``: the machine held it. All held comments are read, so it stands for itself.
- ``audit``: the machine published it, and chance chose it to be read. It stands for all those that were published unread.
- ``correction``: somebody looked for another reason (a report, a second look, a mistake seen on the page), or the score was
  suggested through a door. It teaches, but it was chosen for being wrong, so it cannot say how often the score is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from moderation.models import (
    Assessment,
    Case,
    CaseKind,
    Comment,
    Decider,
    Decision,
    Label,
    Mode,
    Post,
    Revision,
    Score,
    Status,
    Subject,
)
from moderation.policy.shipped import SPAM
from moderation.services import facts
from moderation.services.shares import BY_PEOPLE
from moderation.signals.quotation import own_words

MOST: Final = 2000
"""The newest lessons of a site that are learnt: some seconds of work, and what is older says little about today."""
ABUSE: Final = frozenset({1, 2, 3, 6})
"""Reasons of a rejection that speak of toxicity: attack, hate, threat, obscene."""
SUGGESTED: Final = {Subject.SPAM_LAYER: "SPAM", Subject.TOXICITY_LAYER: "TOXICITY"}
"""Under which name a score is suggested."""

T = TypeVar("T")

_GONE: Final = (Status.WITHDRAWN, Status.ERASED)
_AT_ONCE: Final = 500


class Source(StrEnum):
    """How a comment came before a person."""

    QUEUE = "queue"
    AUDIT = "audit"
    CORRECTION = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One judgement about one text; ``id`` is the decision's or the label's, ``revision_id`` None for a text that is not ours."""

    id: UUID
    at: datetime
    positive: bool
    source: Source
    revision_id: UUID | None


def of(session: Session, site_id: UUID, subject: Subject, *, since: datetime | None = None) -> list[Lesson]:
    """Return the newest lessons about spam or toxicity, oldest first, MOST at most; only those after ``since``."""
    found = [*_decided(session, site_id, subject, since), *_suggested(session, site_id, subject, since)]
    return sorted(found, key=lambda lesson: (lesson.at, lesson.id))[-MOST:]


def unread(session: Session, site_id: UUID, *, since: datetime) -> int:
    """Count the comments since then that the machine published and nobody read."""
    counted = select(func.count()).where(
        Comment.site_id == site_id, Comment.created_at >= since, Comment.status == Status.APPROVED, Comment.decision_seq == 1
    )
    return session.scalar(counted) or 0


def texts(session: Session, lessons: Iterable[Lesson]) -> dict[UUID, str]:
    """Return by lesson what the scorers read: the author's own words; a text that is gone is missing."""
    found: dict[UUID, str] = {}
    for some in _parts(lessons):
        ours = {lesson.revision_id: lesson.id for lesson in some if lesson.revision_id is not None}
        rows = session.execute(
            select(Revision.id, Revision.body, Post.title, Post.excerpt, Comment.parent_id)
            .join(Comment, Comment.id == Revision.comment_id)
            .join(Post, Post.id == Comment.post_id)
            .where(Revision.id.in_(list(ours)), Comment.status.not_in(_GONE))
        )
        for revision_id, body, title, excerpt, parent_id in rows:
            around = [text for text in (title, excerpt, facts.visible_text(session, parent_id)) if text]
            found[ours[revision_id]] = own_words(body, around).text
        others = [lesson.id for lesson in some if lesson.revision_id is None]
        labels = select(Label.id, Label.body).where(Label.id.in_(others), Label.body.is_not(None))
        found |= {label_id: body for label_id, body in session.execute(labels) if body is not None}
    return found


def scores(session: Session, lessons: Iterable[Lesson], attribute: str) -> tuple[str, dict[UUID, float]]:
    """Return the newest model that scored these texts, and by lesson what it said; what another model scored is missing."""
    rows: list[tuple[datetime, UUID, str, float]] = []
    for some in _parts(lessons):
        ours = {lesson.revision_id: lesson.id for lesson in some if lesson.revision_id is not None}
        stored = session.scalars(select(Score).where(Score.revision_id.in_(list(ours)), Score.mode == Mode.LIVE))
        for score in stored:
            value = score.values.get(attribute)
            model = score.model_version.partition(" ")[0]
            if isinstance(value, float | int):
                rows.append((score.created_at, ours[score.revision_id], model, float(value)))
    newest = max(rows)[2] if rows else ""
    return newest, {lesson_id: value for _, lesson_id, model, value in rows if model == newest}


def _decided(session: Session, site_id: UUID, subject: Subject, since: datetime | None) -> Iterator[Lesson]:
    undo = aliased(Decision)
    query = (
        select(Decision.id, Decision.created_at, Decision.comment_id, Decision.status, Decision.reason, Decision.seq, Revision.id)
        .join(Comment, Comment.id == Decision.comment_id)
        .join(Revision, and_(Revision.comment_id == Decision.comment_id, Revision.number == Decision.revision))
        .outerjoin(undo, undo.undoes == Decision.id)
        .where(Decision.site_id == site_id, BY_PEOPLE, Decision.undoes.is_(None), undo.id.is_(None), Comment.status.not_in(_GONE))
        .order_by(Decision.created_at.desc(), Decision.seq.desc())
        .limit(2 * MOST)
    )
    if since is not None:
        query = query.where(Decision.created_at > since)
    newest: dict[UUID, tuple[Lesson, int]] = {}
    unclear: set[UUID] = set()
    for decision_id, at, comment_id, status, reason, seq, revision_id in session.execute(query):
        if comment_id in newest or comment_id in unclear:
            continue  # what was decided before it holds no longer
        positive = _says(subject, status, reason)
        if positive is None:
            unclear.add(comment_id)
            continue
        lesson = Lesson(id=decision_id, at=at, positive=positive, source=Source.CORRECTION, revision_id=revision_id)
        newest[comment_id] = lesson, seq
    sources = _sources(session, {comment_id: seq for comment_id, (_, seq) in newest.items()})
    for comment_id, (lesson, _) in newest.items():
        yield replace(lesson, source=sources.get(comment_id, Source.CORRECTION))


def _says(subject: Subject, status: Status, reason: int | None) -> bool | None:
    """Tell whether a decision says yes or no; None where it speaks of something else."""
    if status is Status.APPROVED:
        return False
    if status is not Status.REJECTED:
        return None
    meant = {SPAM} if subject is Subject.SPAM_LAYER else ABUSE
    return True if reason in meant else None


def _sources(session: Session, decided: Mapping[UUID, int]) -> dict[UUID, Source]:
    """Return how each comment came before the person whose decision has that number."""
    found: dict[UUID, Source] = {}
    for some in _parts(decided):
        audited = set(session.scalars(select(Case.comment_id).where(Case.comment_id.in_(some), Case.kind == CaseKind.AUDIT)))
        machine = session.execute(
            select(Decision.comment_id, Decision.seq, Decision.status, Decision.assessment_id)
            .where(Decision.comment_id.in_(some), Decision.decider == Decider.MACHINE)
            .order_by(Decision.seq)
        )
        drawn: dict[UUID, UUID | None] = {}
        for comment_id, seq, status, assessment_id in machine:
            if seq > decided[comment_id]:
                continue
            found[comment_id] = Source.QUEUE if status is Status.FLAGGED else Source.CORRECTION
            drawn.pop(comment_id, None)
            if status is Status.APPROVED and comment_id in audited:
                drawn[comment_id] = assessment_id
        chosen = _chosen(session, [each for each in drawn.values() if each is not None])
        found |= {comment_id: Source.AUDIT for comment_id, assessment_id in drawn.items() if assessment_id not in chosen}
    return found


def _chosen(session: Session, assessments: Sequence[UUID]) -> set[UUID]:
    """Return those whose comments the policy puts into the audit without a draw, for the language that nobody could score."""
    rows = session.execute(select(Assessment.id, Assessment.signals).where(Assessment.id.in_(assessments)))
    return {assessment_id for assessment_id, signals in rows if signals.get("language_served") is False}


def _suggested(session: Session, site_id: UUID, subject: Subject, since: datetime | None) -> Iterator[Lesson]:
    query = (
        select(Label.id, Label.created_at, Label.revision_id, Label.body, Label.values)
        .outerjoin(Revision, Revision.id == Label.revision_id)
        .outerjoin(Comment, Comment.id == Revision.comment_id)
        .where(Label.site_id == site_id, or_(Comment.id.is_(None), Comment.status.not_in(_GONE)))
        .order_by(Label.created_at.desc(), Label.id.desc())
        .limit(MOST)
    )
    if since is not None:
        query = query.where(Label.created_at > since)
    seen: set[Any] = set()
    for label_id, at, revision_id, body, values in session.execute(query):
        text = revision_id or body
        summary = _summary(values, SUGGESTED[subject])
        if summary is None or text in seen:
            continue
        seen.add(text)
        yield Lesson(id=label_id, at=at, positive=summary >= 0.5, source=Source.CORRECTION, revision_id=revision_id)


def _summary(values: Mapping[str, Any], name: str) -> float | None:
    said = values.get(name)
    found = said.get("summary") if isinstance(said, Mapping) else None
    return float(found) if isinstance(found, float | int) else None


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in parts that one question may name."""
    left = list(items)
    for begin in range(0, len(left), _AT_ONCE):
        yield left[begin : begin + _AT_ONCE]


def count(lessons: Sequence[Lesson], source: Source) -> int:
    """Count the lessons of a source."""
    return sum(lesson.source is source for lesson in lessons)
