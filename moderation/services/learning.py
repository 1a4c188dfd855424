"""Teaching a site's layers what its people decided: read, learn with no transaction open, store as a version, use it or not.

A layer is learnt anew from all its lessons, so that one that was taken back leaves nothing behind. That is done when something
was taken back, and when enough came: each one at first, a twentieth later, so that two thousand make some hundred versions.
Only the newest version keeps its weights and the names of its lessons; an older one keeps its figures.
"""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.database import Database
from moderation.ids import show
from moderation.models import Activation, Event, Label, Subject, Version
from moderation.scoring.layer import NO_FEATURES, SHAPES, Layer
from moderation.scoring.learner import FROM, OF_EACH, Comparison, Example, learnt
from moderation.scoring.spam import SpamScorer, features
from moderation.services import audit, events, lessons, policies
from moderation.services.layers import LAYER, TOXICITY
from moderation.services.lessons import Lesson, Source

SUBJECTS: Final = {Subject.SPAM_LAYER: "spam", Subject.TOXICITY_LAYER: "toxicity"}
"""What is learnt, and under which name its versions are kept (that of the layer's shape, too)."""
BY: Final = "learning"
"""Who puts a layer into force, or takes it out of use, where no person does."""
SHARE: Final = 0.05
"""Of the lessons that a layer knows: as many new ones make another."""
DAY: Final = timedelta(days=1)
"""After which any new lesson makes another."""
LEAST_AUDITED: Final = 5
"""Comments of the random audit that have to be read where the machine publishes: a day's."""
MOST_WEIGHT: Final = 20.0
"""Unread comments that one of the audit stands for at most: with more, single ones would decide everything."""


class Why(StrEnum):
    """Why a layer is used, or is not."""

    BETTER = "better"
    NOT_BETTER = "not_better"
    FEW = "few"
    ONE_SORT = "one_sort"
    UNREAD = "unread"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """All that is needed to learn one layer of a site; ``after`` is the version that it would follow."""

    site_id: UUID
    subject: Subject
    since: datetime | None
    after: int
    lessons: list[Lesson]
    texts: dict[UUID, str]
    base: str
    scores: dict[UUID, float]
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A layer and what speaks for it."""

    layer: Layer
    compared: Comparison
    lessons: list[Lesson]
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a site stands with one layer; ``version`` is None before the first lesson. ``used`` is what is in force."""

    subject: Subject
    version: str | None
    at: datetime | None
    lessons: int
    positives: int
    sources: dict[str, int]
    compared: Comparison | None
    why: Why
    used: bool
    since: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Return it as the command line prints it."""
        return {
            "layer": SUBJECTS[self.subject],
            "version": self.version,
            "learnt_at": events.iso(self.at) if self.at else None,
            "reset_at": events.iso(self.since) if self.since else None,
            "lessons": self.lessons,
            "positives": self.positives,
            "sources": self.sources,
            "compared": self.compared.as_json() if self.compared else None,
            "used": self.used,
            "why": str(self.why),
        }


def mark(session: Session, site_id: UUID) -> tuple[int, datetime | None]:
    """Return what changes with whatever may change a site's lessons, but for what is forgotten because it is old.

    To ask for it costs next to nothing, while reading the lessons of a large site takes a third of a second.
    """
    events_placed = select(Event.feed_pos).where(Event.site_id == site_id, Event.feed_pos.is_not(None))
    suggested = select(Label.created_at).where(Label.site_id == site_id)
    return (
        session.scalar(events_placed.order_by(Event.feed_pos.desc()).limit(1)) or 0,
        session.scalar(suggested.order_by(Label.created_at.desc()).limit(1)),
    )


def teach(database: Database, site_id: UUID, spam: Callable[[], SpamScorer]) -> list[Version]:
    """Learn what there is to learn at a site; returns the versions that were made. ``spam`` is asked for where it is needed."""
    made = []
    for subject in SUBJECTS:
        with database.reading() as session:
            study = prepare(session, site_id, subject, now=database.now(session))
        if study is None:
            continue
        version = database.transact(partial(_kept, database, study, learn(study, spam)))
        if version is not None:
            made.append(version)
    return made


def _kept(database: Database, study: Study, found: Learnt, session: Session) -> Version | None:
    return keep(session, study, found, now=database.now(session))


def prepare(session: Session, site_id: UUID, subject: Subject, *, now: datetime) -> Study | None:
    """Read what a layer would be learnt from; None where nothing changed that would make another one."""
    newest = _newest(session, site_id, subject)
    since = _moment(newest.content.get("since")) if newest else None
    found = lessons.of(session, site_id, subject, since=since)
    if not _is_due(newest, found, now=now):
        return None
    if subject is Subject.SPAM_LAYER:
        texts = lessons.texts(session, found)
        base, scores = "", dict.fromkeys(texts, 0.0)
    else:
        texts = {}
        base, scores = lessons.scores(session, found, TOXICITY)
    return Study(
        site_id=site_id,
        subject=subject,
        since=since,
        after=newest.number if newest else 0,
        lessons=found,
        texts=texts,
        base=base,
        scores=scores,
        unread=lessons.unread(session, site_id, since=found[0].at) if found else 0,
    )


def learn(study: Study, spam: Callable[[], SpamScorer]) -> Learnt:
    """Learn a layer: half a millisecond for each text, of toxicity less. Needs no database."""
    usable = [lesson for lesson in study.lessons if lesson.id in study.scores]
    read = lessons.count(usable, Source.AUDIT)
    unread = study.unread > 0 and read < LEAST_AUDITED
    weight = min(MOST_WEIGHT, (study.unread + read) / read) if read else 1.0
    scorer = spam() if study.subject is Subject.SPAM_LAYER and usable else None

    def example(lesson: Lesson) -> Example:
        looked_at = features(study.texts[lesson.id]) if scorer else NO_FEATURES
        return Example(
            scorer.of(looked_at) if scorer else study.scores[lesson.id],
            lesson.positive,
            weight=weight if lesson.source is Source.AUDIT else 1.0,
            testifies=lesson.source is not Source.CORRECTION and not unread,
            features=looked_at,
        )

    base = scorer.version if scorer else study.base
    layer, compared = learnt(SHAPES[SUBJECTS[study.subject]], map(example, usable), base=base)
    return Learnt(layer=layer, compared=compared, lessons=usable, why=Why.UNREAD if unread else _why(compared))


def keep(session: Session, study: Study, found: Learnt, *, now: datetime) -> Version | None:
    """Store a layer as a new version and put it into force, or out of use; None where another one came first."""
    newest = _newest(session, study.site_id, study.subject, lock=True)
    if (newest.number if newest else 0) != study.after:
        return None
    content = {
        LAYER: found.layer.as_json(),
        "known": _names(study.lessons),
        "lessons": len(found.lessons),
        "positives": sum(lesson.positive for lesson in found.lessons),
        "sources": {str(source): lessons.count(found.lessons, source) for source in Source},
        "compared": found.compared.as_json(),
        "why": str(found.why),
        "since": events.iso(study.since) if study.since else None,
        "after": study.after,
    }
    return _put(session, study.site_id, study.subject, content, used=found.why is Why.BETTER, by=BY, now=now)


def reset(session: Session, site_id: UUID, subject: Subject, *, by: str, now: datetime) -> Version:
    """Forget what a layer learnt: it begins anew with what is decided from now on."""
    newest = _newest(session, site_id, subject, lock=True)
    content = {
        "lessons": 0,
        "positives": 0,
        "sources": {},
        "compared": None,
        "why": str(Why.RESET),
        "since": events.iso(now),
        "after": newest.number if newest else 0,
    }
    return _put(session, site_id, subject, content, used=False, by=by, now=now)


def standing(session: Session, site_id: UUID) -> list[Standing]:
    """Return where a site stands with each of its layers."""
    return [_standing(session, site_id, subject) for subject in SUBJECTS]


def _standing(session: Session, site_id: UUID, subject: Subject) -> Standing:
    newest = _newest(session, site_id, subject)
    content = newest.content if newest else {}
    compared = content.get("compared")
    return Standing(
        subject=subject,
        version=policies.label(newest) if newest else None,
        at=newest.created_at if newest else None,
        lessons=content.get("lessons", 0),
        positives=content.get("positives", 0),
        sources=content.get("sources", {}),
        compared=Comparison(**compared) if compared else None,
        why=Why(content.get("why", Why.FEW)),
        used=newest is not None and _in_force(session, site_id, subject) == newest.id,
        since=_moment(content.get("since")),
    )


def _is_due(newest: Version | None, found: list[Lesson], *, now: datetime) -> bool:
    if newest is None:
        return bool(found)
    known = _known(newest.content.get("known", ""))
    here = {_name(lesson) for lesson in found}
    new, gone = len(here - known), known - here
    if len(found) == lessons.MOST:
        # Where no more are learnt, newer lessons push the oldest out; what else is missing was taken back.
        oldest = _name(found[0])
        gone = {name for name in gone if name > oldest}
    if gone:
        return True
    return new >= max(1.0, SHARE * len(known)) or (new > 0 and newest.created_at <= now - DAY)


def _why(compared: Comparison) -> Why:
    if compared.compared < FROM:
        return Why.FEW
    if min(compared.positives, compared.compared - compared.positives) < OF_EACH:
        return Why.ONE_SORT
    return Why.BETTER if compared.better else Why.NOT_BETTER


def _put(
    session: Session, site_id: UUID, subject: Subject, content: dict[str, Any], *, used: bool, by: str, now: datetime
) -> Version:
    version = policies.add_version(session, site_id, subject, SUBJECTS[subject], content, by=by, now=now)
    if used:
        policies.activate(session, version, by=by, now=now)
    elif _in_force(session, site_id, subject) is not None:
        policies.deactivate(session, site_id, subject, by=by, now=now)
        audit.record(
            session,
            site_id=site_id,
            actor=by,
            action=f"{subject}.deactivated",
            subject=show("site", site_id),
            now=now,
            why=content["why"],
        )
    for older in session.scalars(
        select(Version)
        .where(Version.site_id == site_id, Version.subject == subject, Version.number < version.number)
        .order_by(Version.number.desc())
        .limit(2)
    ):
        older.content = {key: value for key, value in older.content.items() if key not in {LAYER, "known"}}
    session.flush()
    return version


def _newest(session: Session, site_id: UUID, subject: Subject, *, lock: bool = False) -> Version | None:
    query = (
        select(Version)
        .where(Version.site_id == site_id, Version.subject == subject, Version.name == SUBJECTS[subject])
        .order_by(Version.number.desc())
        .limit(1)
    )
    return session.scalars(query.with_for_update() if lock else query).first()


def _in_force(session: Session, site_id: UUID, subject: Subject) -> UUID | None:
    return session.scalars(
        select(Activation.version_id)
        .where(Activation.site_id == site_id, Activation.subject == subject, Activation.post_id.is_(None))
        .order_by(Activation.id.desc())
        .limit(1)
    ).first()


_WHEN: Final = 6
_WHICH: Final = 3
_NAME: Final = _WHEN + _WHICH
"""Bytes of an id that tell one lesson from two thousand others: when it was made (so names are in that order), and chance."""


def _name(lesson: Lesson) -> bytes:
    return lesson.id.bytes[:_WHEN] + lesson.id.bytes[-_WHICH:]


def _names(known: Iterable[Lesson]) -> str:
    return base64.b64encode(b"".join(map(_name, known))).decode()


def _known(stored: str) -> set[bytes]:
    joined = base64.b64decode(stored)
    return {joined[begin : begin + _NAME] for begin in range(0, len(joined), _NAME)}


def _moment(stored: str | None) -> datetime | None:
    return datetime.fromisoformat(stored) if stored else None
