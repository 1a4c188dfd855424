"""Judging a comment: read the facts, ask the models with no transaction open, evaluate the policy, store it all under the fence.

The same ``assess`` serves the worker and the doors that must answer at once. A model that fails, or does not answer in time,
leaves the scores absent; the policy then puts the comment before a human.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Executable, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation import signals
from moderation.database import Database, insert_rows, store
from moderation.ids import new_id
from moderation.models import Assessment, CaseKind, Comment, Decider, Decision, Mode, Score, Site, Status
from moderation.policy.evaluate import Ruling, evaluate
from moderation.policy.explain import explain
from moderation.policy.rules import Policy
from moderation.policy.verdict import Verdict
from moderation.scoring.choice import BY_THE_INSTALLATION, LANGUAGES, SiteModels
from moderation.services import explanations, facts, openness, policies, posts
from moderation.services.asking import Scored, Scoring, named
from moderation.services.authors import AuthorClaim
from moderation.services.decisions import NewCase, Outcome
from moderation.services.layers import NO_LAYERS, Layers
from moderation.services.posts import PostReference

AUDIT_HARM = 0.1
"""Cases drawn for the audit wait behind those that anything speaks against."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """What was found out about a revision and what the policies make of it.

    ``scored`` is what the models said; the signals hold what the site's own ``layers`` (versions by subject) made of it.
    """

    signals: dict[str, Any]
    scored: Scored
    ruling: Ruling
    shadow: Ruling | None
    layers: dict[str, str] = field(default_factory=dict)


def assess(
    revision: signals.Revision,
    given: signals.Facts,
    score: Scoring,
    policy: Policy,
    shadow: Policy | None = None,
    *,
    models: SiteModels = BY_THE_INSTALLATION,
    layers: Layers = NO_LAYERS,
) -> Assessed:
    """Score, measure and judge one revision; needs no database and no transaction.

    What a model says of a language that it does not know is told to nobody and kept nowhere.
    """
    scored = score(signals.text_to_score(revision, given), models)
    own, used = layers.apply(scored)
    found = signals.compute(revision, given, own.values, own.spam)
    if found.get("language_served") is False:
        scored = _without_guesses(scored, str(found["language"]))
    return Assessed(found, scored, evaluate(policy, found), evaluate(shadow, found) if shadow else None, used)


def _without_guesses(scored: Scored, language: str) -> Scored:
    """Take away what was said of a language that is not served; the model beside may know it."""
    beside = scored.beside
    if beside is not None and language not in LANGUAGES.get(named(beside.model_version), ("en",)):
        beside = None
    return replace(scored, values=None if scored.values is None else {}, beside=beside)


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
                setting=post.openness_at(now, openness.closes_after(in_force.settings)).value if post else "open",
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
    found = assess(revision, given, score, in_force.policy, models=in_force.models, layers=in_force.layers)
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """A stored revision with its facts, and what is in force for it."""

    in_force: policies.InForce
    gathered: facts.Gathered

    def assessed(self, score: Scoring) -> Assessed:
        """Return what the models that the site chose and the policies make of it."""
        in_force, gathered = self.in_force, self.gathered
        shadow = in_force.shadow[0] if in_force.shadow else None
        return assess(
            gathered.revision,
            gathered.facts,
            score,
            in_force.policy,
            shadow,
            models=in_force.models,
            layers=in_force.layers,
        )


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
    scores = _keep_scores(session, comment, prepared, scored, now=now)
    live = _assessment(comment, prepared, assessed, ruling, (in_force.policy_label, in_force.policy_version_id), now=now)
    rows = [live]
    if assessed.shadow is not None and in_force.shadow is not None:
        _, label, version_id = in_force.shadow
        beside = _assessment(comment, prepared, assessed, assessed.shadow, (label, version_id), now=now)
        beside.mode = Mode.SHADOW
        rows.append(beside)
    store(session, *rows)
    facts.remember(session, comment, prepared.gathered, now=now)
    if ruling.verdict is not Verdict.APPROVE:
        explanations.ask_for(session, comment, prepared.gathered.revision.number, scores, now=now)
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
        versions={**in_force.versions, **assessed.layers, "model": scored.model_version},
        case=case,
    )


def _keep_scores(session: Session, comment: Comment, prepared: Prepared, scored: Scored, *, now: datetime) -> dict[str, float]:
    """Store what the models said, and return what the one said that decides."""
    shared = {"revision_id": prepared.gathered.revision_id, "site_id": comment.site_id, "created_at": now}
    rows: list[dict[str, Any]] = []
    values: dict[str, float] = {}
    if scored.values is not None:
        values = {**scored.values, **({"spam": scored.spam} if scored.spam is not None else {})}
        rows.append({
            "model_version": scored.model_version, "model": scored.model, "engine": scored.engine, "mode": Mode.LIVE,
            "values": values,
        })  # fmt: skip
    if scored.beside is not None:
        version = scored.beside.model_version
        rows.append({
            "model_version": version, "model": named(version), "engine": scored.beside.engine, "mode": Mode.SHADOW,
            "values": scored.beside.values,
        })  # fmt: skip
    for row in rows:
        insert_rows(session, Score, _insert_score(session.get_bind().dialect.name), [shared | row])
    return values


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
