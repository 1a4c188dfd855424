"""What another policy would have decided, from the signals that every decision keeps: no model runs, nothing is stored.

Each change is charged to rules: a comment that is judged harder to the rules which now match with the new verdict, one that is
judged milder to those which no longer do. Where moderators decided, their verdict is the measure of both policies.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from moderation import signals
from moderation.ids import new_id_at, show
from moderation.models import Assessment, Decider, Decision, Mode, Revision
from moderation.policy.evaluate import Ruling, evaluate
from moderation.policy.rules import Policy
from moderation.policy.verdict import Verdict

CHUNK = 1000
CLOCKS = timedelta(days=1)
"""How far the clock that made an id may be from the one that dated its row."""
EXAMPLES = 5
"""Comments named for each rule, so that somebody can look at what would change."""


@dataclass(slots=True)
class RuleChange:
    """What one rule has to do with the changes: how many it makes harder, how many its absence makes milder."""

    harder: int = 0
    milder: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Replayed:
    """The outcome of a replay; ``moves`` counts (verdict then, verdict now), ``humans`` (moderator's, then, now).

    ``other_schema`` were left out: their signals mean something else than this release's.
    """

    considered: int = 0
    changed: int = 0
    other_schema: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    rules: dict[str, RuleChange] = field(default_factory=dict)
    humans: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def judged(self) -> int:
        """How many of the comments a moderator decided, too."""
        return self.humans.total()

    @property
    def agreed(self) -> tuple[int, int]:
        """On how many of those the policy of then, and the one replayed, said what the moderator said."""
        then = sum(count for (human, before, _), count in self.humans.items() if human == before)
        now = sum(count for (human, _, after), count in self.humans.items() if human == after)
        return then, now

    def as_json(self) -> dict[str, Any]:
        """Return plain dictionaries and lists."""
        then, now = self.agreed
        return {
            "considered": self.considered,
            "changed": self.changed,
            "other_schema": self.other_schema,
            "moves": [{"from": before, "to": after, "comments": count} for (before, after), count in self.moves.most_common()],
            "rules": [
                {"rule": name, "harder": change.harder, "milder": change.milder, "examples": change.examples}
                for name, change in sorted(self.rules.items(), key=lambda item: (-item[1].harder - item[1].milder, item[0]))
            ],
            "moderators": {"decided": self.judged, "agreed_then": then, "agreed_now": now},
        }


def replay(session: Session, site_id: UUID, policy: Policy, *, since: datetime, until: datetime | None = None) -> Replayed:
    """Judge again, by ``policy``, every live assessment of the site made from ``since`` on (and before ``until``).

    A read of the assessments in pieces of CHUNK and about 0.1 ms each; the session only reads.
    """
    result = Replayed()
    humans = _moderators(session, site_id, since)
    query = (
        select(
            Assessment.comment_id,
            Assessment.revision_id,
            Assessment.signal_schema,
            Assessment.signals,
            Assessment.verdict,
            Assessment.matched,
        )
        .where(
            Assessment.site_id == site_id,
            Assessment.mode == Mode.LIVE,
            Assessment.created_at >= since,
            # Ids begin with the time: what is older need not be looked at.
            Assessment.id >= new_id_at(since - CLOCKS),
        )
        .order_by(Assessment.id)
        .execution_options(yield_per=CHUNK)
    )
    if until is not None:
        query = query.where(Assessment.created_at < until)
    for row in session.execute(query):
        if row.signal_schema != signals.SCHEMA_VERSION:
            result.other_schema += 1
            continue
        ruling = evaluate(policy, row.signals)
        verdict = str(ruling.verdict)
        result.considered += 1
        human = humans.get(row.revision_id)
        if human is not None:
            result.humans[human, row.verdict, verdict] += 1
        if verdict != row.verdict:
            _charge(result, row.comment_id, row.verdict, row.matched, ruling)
    return result


def _charge(result: Replayed, comment_id: UUID, before: str, matched: Iterable[Mapping[str, Any]], ruling: Ruling) -> None:
    after = ruling.verdict
    result.changed += 1
    result.moves[before, str(after)] += 1
    then = {str(match["rule"]) for match in matched if match["verdict"] == before}
    now = {match.name for match in ruling.matched if match.verdict is after}
    harder = after.severity > Verdict(before).severity
    for name in now if harder else then:
        change = result.rules.setdefault(name, RuleChange())
        if harder:
            change.harder += 1
        else:
            change.milder += 1
        if len(change.examples) < EXAMPLES:
            change.examples.append(show("comment", comment_id))


def _moderators(session: Session, site_id: UUID, since: datetime) -> dict[UUID, str]:
    """Return the moderators' newest verdict on each revision that one of them decided, undone decisions aside."""
    undoing = aliased(Decision)
    rows = session.execute(
        select(Revision.id, Decision.verdict)
        .join(Revision, (Revision.comment_id == Decision.comment_id) & (Revision.number == Decision.revision))
        .outerjoin(undoing, undoing.undoes == Decision.id)
        .where(
            Decision.site_id == site_id,
            Decision.decider == Decider.MODERATOR,
            Decision.undoes.is_(None),
            undoing.id.is_(None),
            Decision.created_at >= since,
        )
        .order_by(Decision.id)
    )
    return {row.id: row.verdict for row in rows}
