"""Why a comment was judged as it was: each rule that matched, its condition and the values it saw.

Made from what every decision stores, so a ruling of last month can be explained without the comment, the model or a database.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from moderation.policy.evaluate import MatchedRule, Ruling
from moderation.policy.rules import Condition, Reason
from moderation.policy.shipped import FIXED_REASONS, REASONS
from moderation.signals.schema import SIGNALS


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRule:
    """A matched rule with its evidence: the signals that its conditions name, as far as they were known."""

    rule: str
    verdict: str
    reason: Reason
    reason_text: str
    """Name of a reason 1..9, or the sentence of a fixed one."""
    when: str | None
    unless: str | None
    evidence: dict[str, object]
    priority: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A ruling for human eyes; ``as_json`` has the same fields."""

    verdict: str
    publish: bool
    audit: bool
    rules: tuple[ExplainedRule, ...]
    not_evaluated: tuple[str, ...]
    unknown: tuple[str, ...]
    signals: dict[str, object]
    """All signals known to the schema, in its order."""

    def as_json(self) -> dict[str, Any]:
        """Return plain dictionaries and lists."""
        return asdict(self)


def explain(ruling: Ruling, signals: Mapping[str, object]) -> Explanation:
    """Explain ``ruling``, which ``evaluate`` made from ``signals``."""
    return Explanation(
        verdict=ruling.verdict.value,
        publish=ruling.publish,
        audit=ruling.audit,
        rules=tuple(_explained(match, signals) for match in ruling.matched),
        not_evaluated=ruling.not_evaluated,
        unknown=ruling.unknown,
        signals={name: signals[name] for name in SIGNALS if name in signals},
    )


def _explained(match: MatchedRule, signals: Mapping[str, object]) -> ExplainedRule:
    rule = match.rule
    named = frozenset[str]().union(*(condition.names for condition in (rule.when, rule.unless) if condition is not None))
    return ExplainedRule(
        rule=rule.name,
        verdict=match.verdict.value,
        reason=match.reason,
        reason_text=REASONS[match.reason].name if isinstance(match.reason, int) else FIXED_REASONS[match.reason],
        when=_shown(rule.when),
        unless=_shown(rule.unless),
        evidence={name: signals[name] for name in SIGNALS if name in named and name in signals},
        priority=rule.priority.value,
        explanation=rule.explanation,
    )


def _shown(condition: Condition | None) -> str | None:
    return None if condition is None else " ".join(condition.text.split())
