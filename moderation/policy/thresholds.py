"""Which scores a policy's rules look at, and from which value on: the marks on the moderators' bars.

Read from the conditions themselves, so that a card never shows a threshold that is not in force. A rule for newcomers or for
trusted authors gives marks only on the comments of such authors.
"""

import json
import re
from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True, slots=True)
class Dial:
    """One number in a rule's condition that can be turned: a score from which on the rule looks; ``key`` names it in a form."""

    key: str
    rule: str
    signal: str
    at: float


def dials(policy: Policy) -> tuple[Dial, ...]:
    """Return the thresholds of a policy in its order."""
    return tuple(
        Dial(f"{index}-{place}", rule.name, match[1], float(match[2]))
        for index, rule in enumerate(policy.rules)
        if rule.when is not None
        for place, match in enumerate(_scores(rule.when.text))
    )


def turned(policy: Policy, values: Mapping[str, float]) -> Policy:
    """Return the policy with other thresholds (by key, 0..1); unknown keys are left aside. Raises PolicyError like any text."""
    head, *blocks = policy.text.split("[[rule]]\n")
    for index, rule in enumerate(policy.rules):
        if rule.when is None:
            continue
        found = list(_scores(rule.when.text))
        text = rule.when.text
        # From the end, so that the places before stay where they are.
        for place, match in reversed(list(enumerate(found))):
            value = values.get(f"{index}-{place}", float(match[2]))
            if value != float(match[2]):
                text = f"{text[: match.start(2)]}{value!r}{text[match.end(2) :]}"
        blocks[index] = blocks[index].replace(f"when = {json.dumps(rule.when.text)}\n", f"when = {json.dumps(text)}\n", 1)
    return Policy.parse("[[rule]]\n".join([head, *blocks]))


def _scores(condition: str) -> Iterator[re.Match[str]]:
    return (match for match in _COMPARED.finditer(condition) if match[1] in SIGNALS and SIGNALS[match[1]].kind is Kind.SCORE)
