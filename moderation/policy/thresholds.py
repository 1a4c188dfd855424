"""Which scores a policy's rules look at, and from which value on: the marks on the moderators' bars.

Read from the conditions themselves, so that a card never shows a threshold that is not in force. A rule for newcomers or for
trusted authors gives marks only on the comments of such authors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from moderation.policy.rules import Policy, Rule
from moderation.signals.schema import SIGNALS, Kind

_COMPARED: Final = re.compile(r"\b([a-z_]+)\s*>=?\s*(\d*\.\d+)")
_STANDINGS: Final = ("newcomer", "trusted")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score (0..1) from which on rules look; ``rules`` are their names, in the policy's order."""

    at: float
    rules: tuple[str, ...]


def thresholds(policy: Policy, signals: Mapping[str, object]) -> dict[str, tuple[Threshold, ...]]:
    """Return for each score signal the thresholds that hold for a comment with these signals, lowest first."""
    found: dict[str, dict[float, list[str]]] = {}
    for rule in policy.rules:
        if rule.when is None or not _concerns(rule, signals):
            continue
        for name, value in _COMPARED.findall(rule.when.text):
            if name in SIGNALS and SIGNALS[name].kind is Kind.SCORE:
                rules = found.setdefault(name, {}).setdefault(float(value), [])
                if rule.name not in rules:
                    rules.append(rule.name)
    return {name: tuple(Threshold(at, tuple(rules)) for at, rules in sorted(marks.items())) for name, marks in found.items()}


def _concerns(rule: Rule, signals: Mapping[str, object]) -> bool:
    """Tell whether a rule can apply to an author of this standing."""
    needed = rule.when.names if rule.when is not None else frozenset()
    excused = rule.unless.names if rule.unless is not None else frozenset()
    return all(
        (standing not in needed or bool(signals.get(standing))) and not (standing in excused and bool(signals.get(standing)))
        for standing in _STANDINGS
    )
