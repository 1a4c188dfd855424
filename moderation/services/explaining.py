"""The worker's way to explain scores: one comment at a time, while no comment waits to be judged.

The process that judges has the models, so it also explains; before each reading of a text it judges whatever came in meanwhile.
Where comments come without a pause, one that has waited for minutes is explained in turns with them, now and then.
The decision was made long before: an explanation that fails, is killed or finds another model than the one that judged leaves
the comment without one, and touches nothing else.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import Database
from moderation.errors import LeaseLost
from moderation.failpoints import failpoint
from moderation.ids import show
from moderation.models import Comment, Job, JobKind, Mode, Post, Revision, Score
from moderation.scoring.choice import Chosen
from moderation.scoring.scorer import ScoringFailed
from moderation.services import decisions, explanations, facts
from moderation.services.asking import Explained, Question
from moderation.signals.quotation import own_words

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
"""How long a worker may keep a job: many times what the longest search takes beside a busy moderation."""

OVERDUE = timedelta(minutes=2)
"""How old a job may become before it is done beside the comments that still come in, without a pause between them."""

PACE = 10.0
"""Seconds between two jobs that are done for that reason: at most a few in a hundred of a busy worker's time go to them."""

SHARE = 0.25
"""Seconds that such a job takes, and then the comments, in turns."""

LONGEST = 15.0
"""Seconds after which such a job is given back, long before the watchdog ends its process: a machine may be that busy."""

MOST_ATTEMPTS = 3
"""Claims after which a comment stays without an explanation: it may be what kills the workers."""


class Explaining(Protocol):
    """Asks the models for the words that drive a text's scores."""

    def explain(self, asked: Question, before_each: Callable[[], None] = lambda: None) -> Explained:
        """Return what drives the scores of the text; raises `ScoringFailed` where the model that was chosen is not there."""
        ...


class TooSlow(Exception):
    """The search took longer than there is patience for."""


class Interrupted(Exception):
    """The search was given up because the process has something else to do."""


@dataclass
class Explainer:
    """Does the jobs of kind ``explain``; safe to be drained from one thread at a time.

    ``first`` does what goes first, and says whether there is nothing left of it; while ``busy``, no job is begun.
    """

    database: Database
    models: Explaining
    worker: str
    first: Callable[[Callable[[], bool]], bool]
    busy: Callable[[], bool] = lambda: False
    _after: UUID | None = None
    _looked_at: float = -math.inf
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def drain(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Claim and finish jobs one by one until none is due or ``stop`` says so; returns how many were claimed.

        A second caller in the process is turned away with 0. Raises what the database raises when it cannot be reached.
        """
        if not self._turn.acquire(blocking=False):
            return 0
        claimed = 0
        try:
            while not stop() and self.first(stop) and not self.busy():
                held = self._claim()
                if held is None:
                    break
                claimed += 1
                self._work(held, self._giving_way(stop))
            return claimed
        finally:
            self._turn.release()

    def catch_up(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Do one job that is overdue, in turns with what goes first, once in `PACE`; returns how many were claimed.

        So where comments come without a pause, explanations come slowly instead of never. Raises as ``drain`` does.
        """
        if time.monotonic() - self._looked_at < PACE or not self._turn.acquire(blocking=False):
            return 0
        try:
            self._looked_at = time.monotonic()
            held = self._claim(older_than=OVERDUE)
            if held is None:
                return 0
            self._work(held, self._taking_turns(stop))
            return 1
        finally:
            self._turn.release()

    def _claim(self, *, older_than: timedelta | None = None) -> queue.Claim | None:
        with self.database.reading() as session:
            now = self.database.now(session)
            where = Job.created_at < now - older_than if older_than is not None else None
            sites = queue.sites_with_work(session, JobKind.EXPLAIN, now=now, where=where)
        if not sites:
            return None
        sites = queue.rotate(sites, self._after)
        with self.database.transaction() as session:
            now = self.database.now(session)
            claims = queue.claim(
                session, JobKind.EXPLAIN, worker=self.worker, now=now, lease=LEASE, sites=sites, limit=1, where=where
            )
        self._after = sites[0]
        return claims[0] if claims else None

    def _giving_way(self, stop: Callable[[], bool]) -> Callable[[], None]:
        def give_way() -> None:
            if stop() or not self.first(stop):
                raise Interrupted

        return give_way

    def _taking_turns(self, stop: Callable[[], bool]) -> Callable[[], None]:
        until, end = time.monotonic() + SHARE, time.monotonic() + LONGEST

        def take_turns() -> None:
            nonlocal until
            if stop():
                raise Interrupted
            if time.monotonic() > end:
                raise TooSlow
            if time.monotonic() > until:
                theirs = time.monotonic() + SHARE
                self.first(lambda: stop() or time.monotonic() > theirs)
                until = time.monotonic() + SHARE

        return take_turns

    def _work(self, held: queue.Claim, before_each: Callable[[], None]) -> None:
        try:
            asked = None if held.attempts > MOST_ATTEMPTS else self._asked(held)
            failpoint("explain.searching")
            found = self._explained(asked, before_each) if asked is not None else None
            self.database.transact(lambda session: self._finish(session, held, asked, found))
        except Interrupted:
            self._give_back(held, timedelta(seconds=1), "interrupted", counts=False)
        except LeaseLost:
            log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("explaining_failed", comment=show("comment", held.subject_id), error=type(error).__name__)
            self._give_back(held, timedelta(seconds=30.0 * 2**held.attempts), type(error).__name__)

    def _asked(self, held: queue.Claim) -> "_Asked | None":
        """Return what is to be explained, None where nothing is any more."""
        with self.database.reading() as session:
            comment = session.get(Comment, held.subject_id)
            if comment is None or not _is_wanted(comment, held):
                return None
            revision, post = session.execute(
                select(Revision, Post)
                .join(Comment, Comment.id == Revision.comment_id)
                .join(Post, Post.id == Comment.post_id)
                .where(Revision.comment_id == comment.id, Revision.number == held.revision)
            ).one()
            score = session.scalars(
                select(Score)
                .where(Score.revision_id == revision.id, Score.mode == Mode.LIVE)
                .order_by(Score.created_at.desc())
                .limit(1)
            ).first()
            if score is None:
                return None
            own = own_words(revision.body, facts.sources(session, comment, post))
            chosen = Chosen.that_gave(score.model_version.partition(" ")[0], score.engine)
            quoted = own.quoted if own.apart else ()
            return _Asked(revision.id, score.model_version, Question(revision.body, score.values.keys(), quoted, chosen))

    def _explained(self, asked: "_Asked", before_each: Callable[[], None]) -> Explained | None:
        """Look for the words; None where the model that judged is no longer there."""
        try:
            found = self.models.explain(asked.question, before_each)
        except ScoringFailed as error:
            log.info("not_explained", error=str(error))
            return None
        return found if found.model_version == asked.model_version else None

    def _finish(self, session: Session, held: queue.Claim, asked: "_Asked | None", found: Explained | None) -> None:
        now = self.database.now(session)
        queue.finish(session, held, now=now)
        if asked is None or found is None:
            return
        comment = decisions.lock(session, held.site_id, held.subject_id)
        if comment is not None and _is_wanted(comment, held):
            explanations.keep(
                session,
                site_id=held.site_id,
                revision_id=asked.revision_id,
                model_version=found.model_version,
                found=found.places(),
                now=now,
            )
        failpoint("explain.before_commit")

    def _give_back(self, held: queue.Claim, rest: timedelta, error: str, *, counts: bool = True) -> None:
        def unit(session: Session) -> None:
            now = self.database.now(session)
            queue.fail(session, held, now=now, run_at=now + rest, error=error, counts=counts)

        try:
            self.database.transact(unit)
        except LeaseLost:
            log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be explained, of which revision, and the models that gave the scores."""

    revision_id: UUID
    model_version: str
    question: Question


def _is_wanted(comment: Comment, held: queue.Claim) -> bool:
    return comment.site_id == held.site_id and comment.current_revision == held.revision and comment.status in explanations.HELD
