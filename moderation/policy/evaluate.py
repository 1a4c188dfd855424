"""Judge one comment's signals by one policy: pure, total, and never milder for knowing less.

A condition has three outcomes. CEL already gives the third: a variable that is absent makes an error value, which ``||``
and ``&&`` absorb when the other side settles the matter. What remains an error is sorted here. If everything that is
missing belongs to facts which the caller said it did not have (``not_given``), the rule does not apply and is listed;
otherwise something that was owed is missing - a score, say - and the comment goes to a human with the reason
``not_scored``. A text in a language that the model does not know has no scores, which is no fault: where the policy has a rule
for such languages, the rules that need a score do not apply and are listed, and otherwise a human reads it. Values that do not
fit the schema (NaN above all: CEL says ``NaN > 0.9`` is false) are absent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cel_expr_python import cel

from moderation.policy.rules import ENVIRONMENT, Condition, Policy, Priority, Reason, Rule
from moderation.policy.verdict import Verdict, most_severe
from moderation.signals.schema import OWED_FACTS, SIGNALS, Kind

NOT_SCORED: Final = Rule(
    name="not scored",
    verdict=Verdict.FLAG,
    reason="not_scored",
    explanation="We could not check it automatically, so a person will.",
    hold=True,
)
REJECTED_BEFORE: Final = Rule(
    name="rejected before",
    verdict=Verdict.FLAG,
    reason="rejected_before",
    explanation="A moderator rejected an earlier version, so a person reads this one.",
    hold=True,
)


@dataclass(frozen=True, slots=True)
class MatchedRule:
    """A rule that applied, with the reason it gave for this comment."""

    rule: Rule
    verdict: Verdict
    """The rule's verdict after the policy's own limit (``machine_rejects = false`` lowers reject to flag)."""
    reason: Reason

    @property
    def name(self) -> str:
        """Name of the rule."""
        return self.rule.name

    @property
    def first(self) -> bool:
        """The case goes before all others in the moderators' queue."""
        return self.rule.priority is Priority.FIRST

    @property
    def alert(self) -> bool:
        """Moderators are told at once."""
        return self.rule.alert

    @property
    def wave(self) -> bool:
        """The case belongs with those of its near copies and is shown as one."""
        return self.rule.wave

    @property
    def explanation(self) -> str:
        """The rule in public words."""
        return self.rule.explanation

    def as_json(self) -> dict[str, str | int | bool]:
        """Return what a stored decision keeps of the match."""
        return {
            "rule": self.name,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "priority": self.rule.priority.value,
            "alert": self.alert,
            "explanation": self.explanation,
        }


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy makes of one comment.

    ``harm`` and ``doubt`` are the policy's factors of the queue's ``ln(harm x reach x doubt)``: harm is 0.3, 1, 3 or 1000 (see
    ``Priority``) and 1 where nothing matched; doubt is 0.25..1, highest where the deciding score is near one half.
    """

    verdict: Verdict
    publish: bool
    matched: tuple[MatchedRule, ...] = ()
    not_evaluated: tuple[str, ...] = ()
    """Rules that need a fact which the caller did not give."""
    unknown: tuple[str, ...] = ()
    """Signals that were owed, were missing and would have mattered."""
    audit: bool = False
    """Approved, and drawn into the sample that a human reads anyway."""
    harm: float = 1.0
    doubt: float = 1.0

    @property
    def first(self) -> bool:
        """The case goes before all others."""
        return any(match.first for match in self.matched)

    @property
    def alert(self) -> bool:
        """Moderators are told at once."""
        return any(match.alert for match in self.matched)

    @property
    def wave(self) -> bool:
        """Every rule that matched is about copies: the case joins its wave."""
        return bool(self.matched) and all(match.wave for match in self.matched)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Reason keys without repeats, most severe and most harmful first."""
        return tuple(dict.fromkeys(match.reason for match in self.matched))


_ALWAYS: Final = frozenset({"human_rejected_before", "not_given", "audit_draw"})
_OF_THE_LANGUAGE: Final = frozenset(name for name, signal in SIGNALS.items() if signal.kind is Kind.SCORE) - {"spam"}
"""What the toxicity model says, and says of no language that it does not know; advertising shows by more than its words."""


def evaluate(policy: Policy, signals: Mapping[str, object]) -> Ruling:
    """Judge ``signals`` by ``policy``; never raises, whatever the mapping holds, and never looks at anything else.

    About 75 microseconds for the 24 rules of ``standard``: all conditions share one CEL activation.
    """
    present = {
        name: signals[name] for name in policy.signals | _ALWAYS if name in signals and SIGNALS[name].accepts(signals[name])
    }
    activation = ENVIRONMENT.Activation(present)
    given_up = _not_given(present)
    unread = _OF_THE_LANGUAGE if _minds_the_language(policy, present) else frozenset[str]()

    matched: list[MatchedRule] = []
    not_evaluated: list[str] = []
    unknown: set[str] = set()
    for rule in policy.rules:
        if rule.when is None:
            continue
        outcome = _holds(rule.when, activation)
        if outcome is False or (rule.unless is not None and _holds(rule.unless, activation) is True):
            continue
        if outcome is True:
            matched.append(_match(rule, policy, present))
            continue
        missing = rule.when.names - present.keys()
        owed = {name for name in missing - unread if SIGNALS[name].fact not in given_up}
        if missing and not owed:
            not_evaluated.append(rule.name)
        else:
            unknown |= owed or rule.when.names or {rule.name}

    rejected_before = present.get("human_rejected_before")
    if rejected_before is None and SIGNALS["human_rejected_before"].fact not in given_up:
        unknown.add("human_rejected_before")
    if rejected_before:
        matched.append(MatchedRule(REJECTED_BEFORE, Verdict.FLAG, REJECTED_BEFORE.reason))
    if unknown:
        matched.append(MatchedRule(NOT_SCORED, Verdict.FLAG, NOT_SCORED.reason))

    matched.sort(key=lambda match: (-match.verdict.severity, -match.rule.priority.harm, match.name))
    verdict = most_severe(*(match.verdict for match in matched))
    if rejected_before:  # I10: a machine never overwrites a human, not even with a rejection of its own
        verdict = Verdict.FLAG
    publish = verdict is Verdict.APPROVE or (
        verdict is Verdict.FLAG and policy.publish_flagged and not any(match.rule.hold for match in matched)
    )
    return Ruling(
        verdict=verdict,
        publish=publish,
        matched=tuple(matched),
        not_evaluated=tuple(sorted(not_evaluated)),
        unknown=tuple(sorted(unknown)),
        audit=verdict is Verdict.APPROVE and _drawn(policy, present, activation),
        harm=max((match.rule.priority.harm for match in matched), default=1.0),
        doubt=_doubt(present),
    )


def _holds(condition: Condition, activation: cel.Activation) -> bool | None:
    """Return the condition's truth, ``None`` where CEL gave an error value instead."""
    value = condition.program.eval(activation).value()
    return value if isinstance(value, bool) else None


def _not_given(present: Mapping[str, object]) -> frozenset[str]:
    names = present.get("not_given")
    return (frozenset(names) if isinstance(names, list) else frozenset()) - OWED_FACTS


def _minds_the_language(policy: Policy, present: Mapping[str, object]) -> bool:
    """Tell whether the text is in a language that is not served and a rule of the policy says what becomes of those."""
    return present.get("language_served") is False and any(
        rule.when is not None and "language_served" in rule.when.names and _is_for_unserved(rule.when) for rule in policy.rules
    )


def _is_for_unserved(condition: Condition) -> bool:
    """Tell whether a condition is for languages that are not served: to name the signal is not enough, as in "served and long".

    With nothing else known, ``!language_served && newcomer`` can hold for them alone.
    """
    served, unserved = (_holds(condition, ENVIRONMENT.Activation({"language_served": each})) for each in (True, False))
    return (served, unserved) in {(False, True), (False, None), (None, True)}


def _match(rule: Rule, policy: Policy, present: Mapping[str, object]) -> MatchedRule:
    verdict = rule.verdict if policy.machine_rejects else Verdict.FLAG
    reason = rule.reason
    if rule.reason_from is not None:
        key = present.get(rule.reason_from)
        if isinstance(key, int) and 1 <= key <= 9:
            reason = key
    return MatchedRule(rule, verdict, reason)


def _drawn(policy: Policy, present: Mapping[str, object], activation: cel.Activation) -> bool:
    draw = present.get("audit_draw")
    if isinstance(draw, float | int) and draw < policy.audit_rate:
        return True
    return policy.audit_always is not None and _holds(policy.audit_always, activation) is True


def _doubt(present: Mapping[str, object]) -> float:
    """Variance of a coin with the most telling score as its probability, scaled to 0.25..1; 1 where there is no score."""
    scores = [float(value) for name, value in present.items() if SIGNALS[name].kind is Kind.SCORE]  # type: ignore[arg-type]
    if not scores:
        return 1.0
    nearest = min(scores, key=lambda score: abs(score - 0.5))
    return max(0.25, 4 * nearest * (1 - nearest))
