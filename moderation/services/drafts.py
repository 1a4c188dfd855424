"""Trying a policy before it decides: on a comment that somebody pastes, and on what was decided lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation import signals
from moderation.database import Database
from moderation.models import Comment, Site
from moderation.policy.explain import Explanation, explain
from moderation.policy.rules import Policy
from moderation.services import facts, policies
from moderation.services.asking import Scoring
from moderation.services.assessment import assess
from moderation.services.replay import Replayed, replay

MONTH = timedelta(days=30)
MOST = 10_000
"""Newest comments that a dry run judges again: a second or two of one processor."""

STANDINGS = {
    "newcomer": signals.AuthorFacts(identity="verified"),
    "regular": signals.AuthorFacts(identity="verified", approved=8),
    "trusted": signals.AuthorFacts(identity="verified", approved=40),
}
"""Example records of an author, so that rules about authors can be seen at work."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a policy would have decided otherwise since a time."""

    since: datetime
    outcome: Replayed


def try_on(database: Database, score: Scoring, site_id: UUID, policy: Policy, text: str, *, standing: str) -> Explanation:
    """Explain what ``policy`` makes of a text by an author of that standing; stores nothing. ``score`` may take its time."""
    with database.reading() as session:
        site = session.get_one(Site, site_id)
        in_force = policies.in_force(session, site_id)
        given = signals.Facts(author=STANDINGS[standing], **facts.site_facts(site, in_force))
    found = assess(signals.Revision(body=text), given, score, policy, models=in_force.models, layers=in_force.layers)
    return explain(found.ruling, found.signals)


def over_the_last_month(session: Session, site_id: UUID, policy: Policy, *, now: datetime) -> DryRun:
    """Judge the newest comments of the last thirty days again, MOST of them at most."""
    oldest = session.scalar(
        select(Comment.created_at).where(Comment.site_id == site_id).order_by(Comment.created_at.desc()).offset(MOST - 1).limit(1)
    )
    since = max(now - MONTH, oldest) if oldest is not None else now - MONTH
    return DryRun(since, replay(session, site_id, policy, since=since))
