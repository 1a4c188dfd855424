"""The worker's way to judge comments: claim jobs, prepare, ask the models with no transaction open, store under the fence."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
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

GROUP = 8
"""Comments stored in one transaction: they share a commit, and the first of them waits for seven more scores at most."""

PATIENCE = 1.0
"""Seconds that other work waits for this one to pause."""

REST = 0.05
"""Seconds without a comment after which other work may begin: beyond a steady twenty a second only what is overdue does."""

MOST_ATTEMPTS = 3
"""Claims after which a comment is no longer tried but put before a human: it may be what kills the workers."""


@dataclass
class Moderator:
    """Does the jobs of kind ``moderate``, a few comments at a time; safe to be drained from one thread at a time."""

    database: Database
    score: Scoring
    secret: bytes
    worker: str
    ring: Callable[[], None] = lambda: None
    _after: UUID | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _claimed_at: float = -math.inf

    def drain(self, stop: Callable[[], bool] = lambda: False) -> int:
        """Claim and finish jobs until none is due or ``stop`` says so; returns how many were claimed.

        A second caller in the process is turned away with 0: the first is at work. Raises what the database raises when it
        cannot be reached; the leases of what was claimed then run out.
        """
        if not self._turn.acquire(blocking=False):
            return 0
        claimed = 0
        called = False
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="store") as beside:
                storing: list[Future[None]] = []
                before: list[facts.Gathered] = []
                while not stop():
                    claims = self._claim()
                    if not claims:
                        break
                    claimed += len(claims)
                    self._claimed_at = time.monotonic()
                    if len(claims) >= queue.BATCH and not called:
                        # There is probably more: another worker may as well begin. Called once, it stays as long as there is.
                        called = True
                        self.ring()
                    if any(held.attempts > 1 for held in claims):
                        # It may be what ended a worker before: what was judged by now is not to be lost with this one.
                        for future in storing:
                            future.result()
                    prepared = self._prepare(claims, before)
                    begun = self._work(prepared, beside)
                    # One batch is stored while the next is judged, and no more.
                    for future in storing:
                        future.result()
                    storing, before = begun, [each.gathered for _, each in prepared if isinstance(each, Prepared)]
                for future in storing:
                    future.result()
            return claimed
        finally:
            self._turn.release()

    def settle(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Wait a moment for whoever is at work here, do what is due, and tell whether nothing is left to do."""
        if not self._turn.acquire(timeout=PATIENCE):
            return False
        self._turn.release()
        self.drain(stop)
        return not stop() and not self._turn.locked()

    def rests(self) -> bool:
        """Tell whether nothing came for a moment: a pause between two batches is none."""
        return time.monotonic() - self._claimed_at >= REST

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

    def _work(self, batch: "Sequence[tuple[queue.Claim, Prepared | Exception | None]]", beside: Executor) -> list[Future[None]]:
        """Judge what was claimed; what is judged is stored by another thread, while the models read on and more is claimed."""
        judged: list[_Judged] = []
        storing: list[Future[None]] = []
        for held, prepared in batch:
            work = self._judge(held, prepared)
            if work is not None:
                judged.append(work)
            if len(judged) == GROUP:
                storing.append(beside.submit(self._told_store, judged))
                judged = []
        if judged:
            storing.append(beside.submit(self._told_store, judged))
        return storing

    def _prepare(
        self, claims: Sequence[queue.Claim], before: Sequence[facts.Gathered]
    ) -> "list[tuple[queue.Claim, Prepared | Exception | None]]":
        """Return each claim with what is known of its comment: None where nothing waits any more, or what went wrong.

        Whether a text is a copy is asked of what is stored, of the batch ``before``, which may not be, and of this one.
        """
        found: list[tuple[queue.Claim, Prepared | Exception | None]] = []
        with self.database.reading() as session:
            now = self.database.now(session)
            subjects = {"comments": [held.subject_id for held in claims]}
            held_comments = {comment.id: comment for comment in session.scalars(_HELD, subjects)}
            surroundings = facts.around(session, list(held_comments))
            posts: dict[UUID, set[UUID]] = {}
            for each in held_comments.values():
                posts.setdefault(each.site_id, set()).add(each.post_id)
            in_force: dict[UUID, dict[UUID | None, policies.InForce]] = {}
            unsaved = list(before)
            for held in claims:
                comment = held_comments.get(held.subject_id)
                if comment is None or comment.site_id != held.site_id or not awaits(session, comment, held.revision):
                    found.append((held, None))
                    continue
                try:
                    site_id = comment.site_id
                    if site_id not in in_force:
                        in_force[site_id] = policies.in_force_under(session, site_id, posts[site_id])
                    rules = in_force[site_id][comment.post_id]
                    gathered = facts.gather(
                        session,
                        comment,
                        rules,
                        secret=self.secret,
                        now=now,
                        known=surroundings.get(comment.id),
                        unsaved=unsaved,
                    )
                except DBAPIError:
                    raise
                except Exception as error:
                    log.exception("moderation_failed", comment=show("comment", held.subject_id), error=type(error).__name__)
                    found.append((held, error))
                else:
                    unsaved.append(gathered)
                    found.append((held, Prepared(rules, gathered)))
        return found

    def _judge(self, held: queue.Claim, prepared: "Prepared | Exception | None") -> "_Judged | None":
        """Return what is to be stored; None for a comment that was given back."""
        if held.attempts > MOST_ATTEMPTS:
            log.error("comment_given_to_a_human", comment=show("comment", held.subject_id), attempts=held.attempts)
            return _Judged(held)
        if isinstance(prepared, Exception):
            self._give_back(held, prepared)
            return None
        try:
            failpoint("worker.scoring")
            return _Judged(held, prepared, prepared.assessed(self.score) if prepared else None)
        except DBAPIError:
            raise
        except Exception as error:
            log.exception("moderation_failed", comment=show("comment", held.subject_id), error=type(error).__name__)
            self._give_back(held, error)
            return None

    def _told_store(self, judged: "Sequence[_Judged]") -> None:
        try:
            self._store(judged)
        except Exception as error:
            # Told here: whoever asks what became of it may have failed, too, and then tells of that alone.
            log.warning("not_stored", comments=len(judged), error=type(error).__name__)
            raise

    def _store(self, judged: "Sequence[_Judged]") -> None:
        if len(judged) > 1 and self._stored_together(judged):
            return
        for each in judged:
            try:
                self.database.transact(lambda session, each=each: self._finish(session, [each]))  # type: ignore[misc]
                failpoint("worker.after_finish")
            except DBAPIError:
                raise
            except Exception as error:
                log.exception("moderation_failed", comment=show("comment", each.held.subject_id), error=type(error).__name__)
                self._give_back(each.held, error)

    def _stored_together(self, judged: "Sequence[_Judged]") -> bool:
        try:
            self.database.transact(lambda session: self._finish(session, judged), joined=True)
        except Exception as error:
            # Whose fault it was comes out when each is stored by itself.
            log.warning("not_stored_together", comments=len(judged), error=type(error).__name__, exc_info=True)
            return False
        failpoint("worker.after_finish")
        return True

    def _finish(self, session: Session, judged: "Sequence[_Judged]") -> None:
        """Store the outcomes of the jobs that are still ours and of the comments that still wait for them."""
        now = self.database.now(session)
        ours = {held.id for held in queue.finish_all(session, [each.held for each in judged], now=now)}
        waiting = decisions.lock_all(session, [each.held.subject_id for each in judged if each.held.id in ours])
        if len(waiting) > 1:
            decisions.foresee(session, list(waiting.values()))
        for each in judged:
            held = each.held
            if held.id not in ours:
                log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)
                continue
            comment = waiting.get(held.subject_id)
            if comment is None or comment.site_id != held.site_id or not awaits(session, comment, held.revision):
                continue
            if each.prepared is not None and each.assessed is not None:
                outcome = record(session, comment, each.prepared, each.assessed, cause=f"job:{held.id.hex}", now=now)
            elif held.attempts > MOST_ATTEMPTS:
                outcome = _given_up(held)
            else:
                # It did not wait when it was read, and does now: another job brought it there.
                continue
            decisions.decide(session, comment, outcome, now=now)
        failpoint("worker.before_finish_commit")

    def _give_back(self, held: queue.Claim, error: Exception) -> None:
        """Have a comment tried again later, and put before a human in the end: a fault of ours must not hold up the others."""

        def unit(session: Session) -> None:
            now = self.database.now(session)
            queue.fail(session, held, now=now, run_at=now + timedelta(seconds=2.0**held.attempts), error=type(error).__name__)

        try:
            self.database.transact(unit)
        except LeaseLost:
            log.warning("lease_lost", comment=show("comment", held.subject_id), fence=held.fence)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A claim with what came of it; without an assessment nothing waited for one, or it was tried too often."""

    held: queue.Claim
    prepared: Prepared | None = None
    assessed: Assessed | None = None


# Asked for every comment, so made once.
_HELD = select(Comment).where(Comment.id.in_(bindparam("comments", expanding=True)))


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
