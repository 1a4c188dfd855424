"""The worker's way to judge comments: claim jobs, prepare, ask the models with no transaction open, store under the fence."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation import queue
from moderation.database import Database
from moderation.errors import LeaseLost
from moderation.failpoints import failpoint
from moderation.ids import show
from moderation.models import CaseKind, Comment, Decider, JobKind
from moderation.policy.evaluate import NOT_SCORED, MatchedRule
from moderation.policy.verdict import Verdict
from moderation.services import decisions, facts, policies
from moderation.services.asking import Scoring
from moderation.services.assessment import Assessed, Prepared, awaits, record
from moderation.services.decisions import NewCase, Outcome

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
"""How long a worker may keep a batch: a hundred times its estimated work, and the longest a dead worker delays a comment."""

MOST_ATTEMPTS = 3
"""Claims after which a comment is no longer tried but put before a human: it may be what kills the workers."""


@dataclass
class Moderator:
    """Does the jobs of kind ``moderate``, one comment at a time; safe to be drained from one thread at a time."""

    database: Database
    score: Scoring
    secret: bytes
    worker: str
    ring: Callable[[], None] = lambda: None
    _after: UUID | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def drain(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Claim and finish jobs until none is due or ``stop`` says so; returns how many were claimed.

        A second caller in the process is turned away with 0: the first is at work. Raises what the database raises when it
        cannot be reached; the leases of what was claimed then run out.
        """
        if not self._turn.acquire(blocking=False):
            return 0
        try:
            claimed = 0
            called = False
            while not stop():
                claims = self._claim()
                if not claims:
                    break
                claimed += len(claims)
                if len(claims) >= queue.BATCH and not called:
                    # There is probably more: another worker may as well begin. Called once, it stays as long as there is.
                    called = True
                    self.ring()
                for held in claims:
                    self._work(held)
            return claimed
        finally:
            self._turn.release()

    def _claim(self) -> list[queue.Claim]:
        with self.database.reading() as session:
            sites = queue.sites_with_work(session, JobKind.MODERATE, now=self.database.now(session))
        if not sites:
            return []
        sites = queue.rotate(sites, self._after)
        with self.database.transaction() as session:
            claims = queue.claim(
                session,
                JobKind.MODERATE,
                worker=self.worker,
                now=self.database.now(session),
                lease=LEASE,
                sites=sites,
            )
            failpoint("worker.before_claim_commit")
        failpoint("worker.after_claim")
        self._after = sites[0]
        return claims

    def _work(self, held: queue.Claim) -> None:
        try:
            if held.attempts > MOST_ATTEMPTS:
                log.error("comment_given_to_a_human", comment=show("comment", held.subject_id), attempts=held.attempts)
                self.database.transact(lambda session: self._finish(session, held, None))
            else:
                prepared = self._prepare(held)
                failpoint("worker.scoring")
                work = _Work(prepared, prepared.assessed(self.score)) if prepared else None
                self.database.transact(lambda session: self._finish(session, held, work))
            failpoint("worker.after_finish")
        except LeaseLost:
            log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)
            return
        except DBAPIError:
            raise
        except Exception as error:
            # A fault of ours with this one comment must not hold up the others: it is tried again, then a human gets it.
            log.exception("moderation_failed", comment=show("comment", held.subject_id), error=type(error).__name__)
            self._give_back(held, error)

    def _prepare(self, held: queue.Claim) -> Prepared | None:
        with self.database.reading() as session:
            now = self.database.now(session)
            comment = session.scalars(_HELD, {"site": held.site_id, "comment": held.subject_id}).first()
            if comment is None or not awaits(session, comment, held.revision):
                return None
            in_force = policies.in_force(session, held.site_id, comment.post_id)
            gathered = facts.gather(session, comment, in_force, secret=self.secret, now=now)
        return Prepared(in_force, gathered)

    def _finish(self, session: Session, held: queue.Claim, work: "_Work | None") -> None:
        """Store the outcome if the job is still ours and the comment still waits for it."""
        now = self.database.now(session)
        queue.finish(session, held, now=now)
        comment = decisions.lock(session, held.site_id, held.subject_id)
        if comment is None or not awaits(session, comment, held.revision):
            return
        if work is None:
            if held.attempts <= MOST_ATTEMPTS:
                # It did not wait when it was read, and does now: another job brought it there.
                return
            outcome = _given_up(held)
        else:
            outcome = record(session, comment, work.prepared, work.assessed, cause=f"job:{held.id.hex}", now=now)
        decisions.decide(session, comment, outcome, now=now)
        failpoint("worker.before_finish_commit")

    def _give_back(self, held: queue.Claim, error: Exception) -> None:
        def unit(session: Session) -> None:
            now = self.database.now(session)
            queue.fail(session, held, now=now, run_at=now + timedelta(seconds=2.0**held.attempts), error=type(error).__name__)

        try:
            self.database.transact(unit)
        except LeaseLost:
            log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)


@dataclass(frozen=True, slots=True)
class _Work:
    prepared: Prepared
    assessed: Assessed


# Asked for every comment, so made once.
_HELD = select(Comment).where(Comment.site_id == bindparam("site"), Comment.id == bindparam("comment"))


def _given_up(held: queue.Claim) -> Outcome:
    """Return the outcome for a comment that could not be judged in any attempt: a human reads it."""
    reasons = (MatchedRule(NOT_SCORED, Verdict.FLAG, NOT_SCORED.reason).as_json(),)
    return Outcome(
        verdict=Verdict.FLAG,
        revision=held.revision,
        decider=Decider.MACHINE,
        cause=f"job:{held.id.hex}",
        publish=False,
        reasons=reasons,
        case=NewCase(kind=CaseKind.FLAGGED, reasons=reasons),
    )
