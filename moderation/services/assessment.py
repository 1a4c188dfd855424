"""Judging a comment: read the facts, ask the models with no transaction open, evaluate the policy, store it all under the fence.

The same ``assess`` serves the worker and the doors that must answer at once. A model that fails, or does not answer in time,
leaves the scores absent; the policy then puts the comment before a human.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Protocol, cast
from uuid import UUID

import structlog
from sqlalchemy import Executable, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from moderation import queue, signals
from moderation.database import Database, store
from moderation.errors import LeaseLost
from moderation.failpoints import failpoint
from moderation.ids import new_id, show
from moderation.models import Assessment, CaseKind, Comment, Decider, Decision, JobKind, Mode, Score, Site, Status
from moderation.policy.evaluate import NOT_SCORED, MatchedRule, Ruling, evaluate
from moderation.policy.explain import explain
from moderation.policy.rules import Policy
from moderation.policy.verdict import Verdict
from moderation.scoring.scorer import Scorer, ScoringFailed
from moderation.scoring.spam import SpamScorer
from moderation.services import decisions, facts, pins, policies, posts
from moderation.services.authors import AuthorClaim
from moderation.services.decisions import NewCase, Outcome
from moderation.services.posts import PostReference

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=20)
"""How long a worker may keep a batch: a hundred times its estimated work, and the longest a dead worker delays a comment."""

MOST_ATTEMPTS = 3
"""Claims after which a comment is no longer tried but put before a human: it may be what kills the workers."""

AUDIT_HARM = 0.1
"""Cases drawn for the audit wait behind those that anything speaks against."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the models said of one text: None where a model failed."""

    values: dict[str, float] | None
    spam: float | None
    model_version: str


class Scoring(Protocol):
    """Asks the models about a text; never raises."""

    def __call__(self, text: str) -> Scored:
        """Return the scores of the text."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """The scorers of a process behind one call; a failure is logged by its kind and leaves the value absent."""

    toxicity: Scorer
    spam: SpamScorer

    @property
    def version(self) -> str:
        """Name both models, as decisions store it."""
        return f"{self.toxicity.version} {self.spam.version}"

    def __call__(self, text: str) -> Scored:
        """Score one text; about ten milliseconds on one core for a usual comment."""
        values: dict[str, float] | None = None
        spam: float | None = None
        try:
            values = self.toxicity.score([text])[0]
        except ScoringFailed as error:
            log.warning("scoring_failed", model=self.toxicity.version, error=str(error))
        try:
            spam = self.spam.score([text])[0]
        except ScoringFailed as error:
            log.warning("scoring_failed", model=self.spam.version, error=str(error))
        return Scored(values, spam, self.version)


@dataclass(frozen=True, slots=True)
class Assessed:
    """What was found out about a revision and what the policies make of it."""

    signals: dict[str, Any]
    scored: Scored
    ruling: Ruling
    shadow: Ruling | None


def assess(
    revision: signals.Revision, given: signals.Facts, score: Scoring, policy: Policy, shadow: Policy | None = None
) -> Assessed:
    """Score, measure and judge one revision; needs no database and no transaction."""
    scored = score(signals.text_to_score(revision, given))
    found = signals.compute(revision, given, scored.values, scored.spam)
    return Assessed(found, scored, evaluate(policy, found), evaluate(shadow, found) if shadow else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """A text to be judged without being stored; what is None is unknown, and the rules that need it do not apply."""

    body: str
    language: str | None = None
    author: AuthorClaim | None = None
    vouched: bool = False
    post: PostReference | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The answer to a check; ``rules`` explains each rule that matched, with its evidence."""

    verdict: str
    publish: bool
    scores: dict[str, float]
    signals: dict[str, Any]
    reasons: list[int | str]
    rules: list[dict[str, Any]]
    policy: str
    model: str
    not_evaluated: list[str]


def check(database: Database, score: Scoring, site_id: UUID, request: CheckRequest, *, secret: bytes, now: datetime) -> Checked:
    """Judge a text by the policy in force at the site or the named post, storing nothing.

    Raises NotFound for a site without a policy.
    """
    with database.reading() as session:
        site = session.get_one(Site, site_id)
        post = posts.known(session, site_id, request.post) if request.post else None
        in_force = policies.in_force(session, site_id, post.id if post else None)
        given = signals.Facts(
            author=facts.claimed_record(session, site_id, request.author, vouched=request.vouched, secret=secret, now=now)
            if request.author
            else None,
            post=signals.PostFacts(
                setting=post.openness_at(now).value if post else "open",
                texts=[text for text in (request.post.title, request.post.excerpt) if text],
            )
            if request.post
            else None,
            site_hosts=facts.hosts_of_site(site, *([request.post.url] if request.post else [])),
            **facts.site_facts(site, in_force),
        )
    revision = signals.Revision(
        body=request.body,
        language=request.language,
        author_name=request.author.name or None if request.author else None,
        author_url=request.author.url if request.author else None,
    )
    found = assess(revision, given, pins.only(score, in_force.settings), in_force.policy)
    explained = explain(found.ruling, found.signals)
    return Checked(
        verdict=str(found.ruling.verdict),
        publish=found.ruling.publish,
        scores={**(found.scored.values or {}), **({"spam": found.scored.spam} if found.scored.spam is not None else {})},
        signals=found.signals,
        reasons=list(found.ruling.reasons),
        rules=explained.as_json()["rules"],
        policy=in_force.policy_label,
        model=found.scored.model_version,
        not_evaluated=list(found.ruling.not_evaluated),
    )


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

    def _prepare(self, held: queue.Claim) -> "Prepared | None":
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
class Prepared:
    """A stored revision with its facts, and what is in force for it."""

    in_force: policies.InForce
    gathered: facts.Gathered

    def assessed(self, score: Scoring) -> Assessed:
        """Return what the models, where the site allows them, and the policies make of it."""
        shadow = self.in_force.shadow[0] if self.in_force.shadow else None
        allowed = pins.only(score, self.in_force.settings)
        return assess(self.gathered.revision, self.gathered.facts, allowed, self.in_force.policy, shadow)


@dataclass(frozen=True, slots=True)
class _Work:
    prepared: Prepared
    assessed: Assessed


# Asked for every comment, so made once.
_HELD = select(Comment).where(Comment.site_id == bindparam("site"), Comment.id == bindparam("comment"))


def awaits(session: Session, comment: Comment, revision: int) -> bool:
    """Tell whether the machine still has to decide: nobody revised, withdrew or erased the comment, no human judged it."""
    if comment.current_revision != revision or comment.status in {Status.WITHDRAWN, Status.ERASED}:
        return False
    if comment.decision_seq == 0:
        return True
    newest = session.scalars(
        select(Decision).where(Decision.comment_id == comment.id, Decision.seq == comment.decision_seq)
    ).first()
    return newest is None or newest.revision != revision


def record(session: Session, comment: Comment, prepared: Prepared, assessed: Assessed, *, cause: str, now: datetime) -> Outcome:
    """Store scores and assessments and return the outcome that they lead to, which the caller records (``decisions``)."""
    in_force, ruling = prepared.in_force, assessed.ruling
    scored = assessed.scored
    if scored.values is not None:
        session.execute(
            _insert_score(session.get_bind().dialect.name),
            {
                "revision_id": prepared.gathered.revision_id,
                "site_id": comment.site_id,
                "model_version": scored.model_version,
                "values": {**scored.values, **({"spam": scored.spam} if scored.spam is not None else {})},
                "created_at": now,
            },
        )
    live = _assessment(comment, prepared, assessed, ruling, (in_force.policy_label, in_force.policy_version_id), now=now)
    rows = [live]
    if assessed.shadow is not None and in_force.shadow is not None:
        _, label, version_id = in_force.shadow
        beside = _assessment(comment, prepared, assessed, assessed.shadow, (label, version_id), now=now)
        beside.mode = Mode.SHADOW
        rows.append(beside)
    store(session, *rows)
    facts.remember(session, comment, prepared.gathered, now=now)
    reasons = tuple(match.as_json() for match in ruling.matched)
    case = None
    if ruling.verdict is Verdict.FLAG:
        case = NewCase(kind=CaseKind.FLAGGED, harm=ruling.harm, doubt=ruling.doubt, alert=ruling.alert, reasons=reasons)
    elif ruling.audit:
        case = NewCase(kind=CaseKind.AUDIT, harm=AUDIT_HARM)
    return Outcome(
        verdict=ruling.verdict,
        revision=prepared.gathered.revision.number,
        decider=Decider.MACHINE,
        cause=cause,
        publish=ruling.publish,
        reasons=reasons,
        policy=in_force.policy_label,
        assessment_id=live.id,
        versions={**in_force.versions, "model": scored.model_version},
        case=case,
    )


@cache
def _insert_score(dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(cast("Table", Score.__table__)).on_conflict_do_nothing()


def _assessment(
    comment: Comment, prepared: Prepared, assessed: Assessed, ruling: Ruling, policy: tuple[str, UUID], *, now: datetime
) -> Assessment:
    label, version_id = policy
    return Assessment(
        id=new_id(),
        site_id=comment.site_id,
        created_at=now,
        comment_id=comment.id,
        revision_id=prepared.gathered.revision_id,
        mode=Mode.LIVE,
        signal_schema=signals.SCHEMA_VERSION,
        signals=assessed.signals,
        policy=label,
        policy_version_id=version_id,
        model_version=assessed.scored.model_version,
        verdict=str(ruling.verdict),
        matched=[match.as_json() for match in ruling.matched],
        not_evaluated=list(ruling.not_evaluated),
    )


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
