"""Policies as bloggers write them: TOML for the table, CEL for the conditions, checked to the last name when they are
parsed.

CEL because it is a standard language with types and without loops: a misspelt signal is an error with a caret when the
policy is saved, not a rule that silently never matches. A policy may say ``extends = "standard"``; it is expanded while it
is parsed, and ``Policy.text`` is the expanded, self-contained form. That text is what a site stores, so a later release of
the shipped policies never changes a stored version.
"""

import difflib
import hashlib
import json
import re
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from cel_expr_python import cel

from moderation.policy import shipped
from moderation.policy.source import PolicyError, Source
from moderation.policy.verdict import Verdict
from moderation.signals.schema import SIGNALS, SignalType

__all__ = ["ENVIRONMENT", "Condition", "Policy", "PolicyError", "Priority", "Reason", "Rule"]

Reason: TypeAlias = int | str
"""A key 1..9 of ``shipped.REASONS`` or a name of ``shipped.FIXED_REASONS``."""

_TYPES: Final = {
    SignalType.BOOL: cel.Type.BOOL,
    SignalType.INT: cel.Type.INT,
    SignalType.DOUBLE: cel.Type.DOUBLE,
    SignalType.STRING: cel.Type.STRING,
    SignalType.LIST: cel.Type.List(cel.Type.STRING),
}
ENVIRONMENT: Final = cel.NewEnv(variables={signal.name: _TYPES[signal.type] for signal in SIGNALS.values()})

_MAX_TEXT: Final = 64_000
_MAX_RULES: Final = 200
_MAX_CONDITION: Final = 2_000
_CACHE_SIZE: Final = 256
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9 _-]{0,39}")
_STRING_OR_NAME: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|//[^\n]*|(?<![\w.])[A-Za-z_]\w*""")
_CEL_ERROR: Final = re.compile(r"<input>:(\d+):(\d+): (.*?)(?:\n|$)")
_TOML_PLACE: Final = re.compile(r"(.*) \(at line (\d+), column (\d+)\)")
_TOP_KEYS: Final = frozenset(
    {"name", "summary", "extends", "without", "shadow", "machine_rejects", "publish_flagged", "audit", "rule"}
)
_RULE_KEYS: Final = frozenset(
    {"name", "when", "unless", "verdict", "reason", "reason_from", "priority", "alert", "wave", "hold", "explanation"}
)


class Priority(StrEnum):
    """How much harm a case does while it waits."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    FIRST = "first"

    @property
    def harm(self) -> float:
        """Factor of the queue's order: 0.3, 1, 3; 1000 for first, which no usual wait outweighs."""
        return _HARM[self]


_HARM: Final = {Priority.LOW: 0.3, Priority.NORMAL: 1.0, Priority.HIGH: 3.0, Priority.FIRST: 1000.0}


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled CEL expression and the signals it names."""

    text: str
    names: frozenset[str]
    program: cel.Expression

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of a policy: when it applies, to what verdict, and what the public is told."""

    name: str
    verdict: Verdict
    reason: Reason
    explanation: str
    when: Condition | None = None
    """``None`` only for rules made by the evaluator itself."""
    unless: Condition | None = None
    reason_from: str | None = None
    """A signal that holds the reason key; ``reason`` is used where it holds none."""
    priority: Priority = Priority.NORMAL
    alert: bool = False
    wave: bool = False
    hold: bool = False
    """Keep the comment back even where the policy publishes flagged ones."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A parsed policy. Equal texts give equal policies; ``digest`` identifies the expanded text."""

    name: str
    summary: str
    rules: tuple[Rule, ...]
    shadow: str | None = None
    """Name of a shipped policy whose ruling the caller records beside this one's."""
    machine_rejects: bool = True
    """False lowers every rejection to a flag."""
    publish_flagged: bool = False
    """True publishes flagged comments while they wait, except those that a rule with ``hold`` keeps back."""
    audit_rate: float = 0.01
    audit_always: Condition | None = None

    @classmethod
    def parse(cls, text: str) -> "Policy":
        """Return the policy written in ``text`` (TOML, at most 64,000 characters); raise ``PolicyError`` at the first mistake.

        Parsed policies are kept by digest, and compiling is serialised, so any thread may call this for every comment.
        """
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        with _lock:
            policy = _cache.pop(digest, None) or _parse(text)
            _cache[digest] = policy
            if len(_cache) > _CACHE_SIZE:
                del _cache[next(iter(_cache))]
        return policy

    @cached_property
    def text(self) -> str:
        """The policy as self-contained TOML: what it extends is written out. ``Policy.parse(policy.text) == policy``."""
        top: dict[str, object] = {"name": self.name, "summary": self.summary}
        if self.shadow is not None:
            top["shadow"] = self.shadow
        top |= {"machine_rejects": self.machine_rejects, "publish_flagged": self.publish_flagged}
        audit: dict[str, object] = {"rate": self.audit_rate}
        if self.audit_always is not None:
            audit["always"] = self.audit_always.text
        blocks = [_toml(top), "[audit]\n" + _toml(audit)]
        blocks += ["[[rule]]\n" + _toml(_as_table(rule)) for rule in self.rules]
        return "\n".join(blocks)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ``text`` in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def signals(self) -> frozenset[str]:
        """Names of all signals that some rule looks at."""
        conditions = [condition for rule in self.rules for condition in (rule.when, rule.unless)] + [self.audit_always]
        named = {rule.reason_from for rule in self.rules if rule.reason_from is not None}
        return frozenset(named).union(*(condition.names for condition in conditions if condition is not None))


_lock: Final = threading.RLock()
_cache: Final[dict[str, Policy]] = {}


def _parse(text: str) -> Policy:
    if len(text) > _MAX_TEXT:
        raise PolicyError(f"the policy has {len(text)} characters; {_MAX_TEXT} is the limit")
    source = Source(text)
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = _TOML_PLACE.match(str(error))
        if place is None:
            raise PolicyError(f"this is not TOML: {error}") from error
        raise source.at(f"this is not TOML: {place[1]}", line=int(place[2]), column=int(place[3])) from error
    return _Reader(source).policy(table)


class _Reader:
    """Turns the TOML table into a policy and places every complaint in the file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def policy(self, table: Mapping[str, Any]) -> Policy:
        self._known(table, _TOP_KEYS)
        base = self._base(table)
        audit = self._typed(table, "audit", dict, {})
        for key in audit.keys() - {"rate", "always"}:
            raise self._source.error(f"'{key}' is not a key of [audit]; rate and always are", key=f"audit.{key}")
        rate = audit.get("rate", base.audit_rate if base else 0.01)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise self._source.error("the audit rate is a share from 0 to 1, such as 0.01", key="audit.rate")
        always = base.audit_always if base else None
        if "always" in audit:
            always = self._condition(audit, "always", place="audit.always")
        shadow = self._typed(table, "shadow", str, None)
        if shadow is not None and shadow not in shipped.SHIPPED:
            raise self._source.error(f"no policy '{shadow}' is shipped; there are {_listed(shipped.SHIPPED)}", key="shadow")
        return Policy(
            name=self._name(table),
            summary=self._sentence(table, "summary"),
            rules=self._rules(table, base),
            shadow=shadow,
            machine_rejects=self._typed(table, "machine_rejects", bool, base.machine_rejects if base else True),
            publish_flagged=self._typed(table, "publish_flagged", bool, base.publish_flagged if base else False),
            audit_rate=float(rate),
            audit_always=always,
        )

    def _base(self, table: Mapping[str, Any]) -> Policy | None:
        name = self._typed(table, "extends", str, None)
        if name is None:
            return None
        if name not in shipped.SHIPPED or name == table.get("name"):
            raise self._source.error(f"'{name}' cannot be extended; shipped are {_listed(shipped.SHIPPED)}", key="extends")
        return Policy.parse(shipped.SHIPPED[name])

    def _rules(self, table: Mapping[str, Any], base: Policy | None) -> tuple[Rule, ...]:
        """Rules of the base first; one of the same name takes its place, one named in ``without`` is left out."""
        rules = {rule.name: rule for rule in base.rules} if base else {}
        for name in self._typed(table, "without", list, []):
            if name not in rules:
                raise self._source.error(f"'{name}' cannot be left out: no rule of that name is inherited", key="without")
            del rules[name]
        entries = self._typed(table, "rule", list, [])
        if len(entries) > _MAX_RULES:
            raise PolicyError(f"the policy has {len(entries)} rules; {_MAX_RULES} is the limit")
        own: set[str] = set()
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self._source.error("a rule is a table that begins with [[rule]]", key="rule")
            rule = self._rule(entry, index)
            if rule.name in own:
                raise self._source.error(f"there are two rules named '{rule.name}'", rule=index, key="name")
            own.add(rule.name)
            rules[rule.name] = rule
        return tuple(rules.values())

    def _rule(self, entry: Mapping[str, Any], index: int) -> Rule:
        name = self._name(entry, index)
        self._known(entry, _RULE_KEYS, index, name)
        verdict = self._choice(entry, "verdict", {Verdict.FLAG: Verdict.FLAG, Verdict.REJECT: Verdict.REJECT}, index, name)
        reason: Any = entry.get("reason")
        if isinstance(reason, bool) or not (reason in shipped.REASONS or reason in shipped.FIXED_REASONS):
            problem = f"reason is a number from 1 to 9 or one of {_listed(shipped.FIXED_REASONS)}"
            raise self._source.error(problem, rule=index, name=name, key="reason")
        reason_from = self._typed(entry, "reason_from", str, None, index, name)
        if reason_from is not None and (reason_from not in SIGNALS or SIGNALS[reason_from].type is not SignalType.INT):
            raise self._source.error(
                "reason_from names a signal that holds a reason key", rule=index, name=name, key="reason_from"
            )
        when = self._condition(entry, "when", index, name)
        unless = self._condition(entry, "unless", index, name) if "unless" in entry else None
        return Rule(
            name=name,
            when=when,
            unless=unless,
            verdict=verdict,
            reason=reason,
            reason_from=reason_from,
            priority=self._choice(entry, "priority", {item.value: item for item in Priority}, index, name, Priority.NORMAL),
            alert=self._typed(entry, "alert", bool, False, index, name),
            wave=self._typed(entry, "wave", bool, False, index, name),
            hold=self._typed(entry, "hold", bool, False, index, name),
            explanation=self._sentence(entry, "explanation", index, name),
        )

    def _condition(
        self, table: Mapping[str, Any], key: str, index: int = -1, name: str | None = None, place: str | None = None
    ) -> Condition:
        text = table.get(key)
        if not isinstance(text, str) or not text.strip() or len(text) > _MAX_CONDITION:
            problem = f'{key} is a condition of at most {_MAX_CONDITION} characters, such as "toxicity >= 0.60"'
            raise self._source.error(problem, rule=index, name=name, key=place or key)
        try:
            program = ENVIRONMENT.compile(text)
        except RuntimeError as error:
            found = _CEL_ERROR.search(str(error))
            if found is None:
                raise self._source.error(f"{key} cannot be read: {error}", rule=index, name=name, key=place or key) from error
            problem = _in_plain_words(found[3])
            row, column = int(found[1]), int(found[2])
            raise self._source.error(problem, rule=index, name=name, key=place or key, line=row, column=column) from error
        if program.return_type() != cel.Type.BOOL:
            problem = f"{key} must be true or false, and this is {program.return_type().name()}"
            raise self._source.error(problem, rule=index, name=name, key=place or key)
        names = frozenset(token for token in _STRING_OR_NAME.findall(text) if token in SIGNALS)
        return Condition(text, names, program)

    def _name(self, table: Mapping[str, Any], index: int = -1) -> str:
        name = table.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problem = "a name has up to 40 small letters, digits, spaces, - and _"
            raise self._source.error(problem if "name" in table else f"the name is missing: {problem}", rule=index, key="name")
        return name

    def _sentence(self, table: Mapping[str, Any], key: str, index: int = -1, name: str | None = None) -> str:
        text: str = self._typed(table, key, str, "", index, name)
        if not text.strip() or len(text) > 300 or any(ord(char) < 32 for char in text):
            raise self._source.error(f"{key} is one line in plain words, up to 300 characters", rule=index, name=name, key=key)
        return text

    def _typed(  # noqa: PLR0917 - where in the file, and what is expected there
        self, table: Mapping[str, Any], key: str, kind: type, default: Any, index: int = -1, name: str | None = None
    ) -> Any:
        value = table.get(key, default)
        if key in table and not isinstance(value, kind):
            raise self._source.error(f"{key} is {_KINDS[kind]}", rule=index, name=name, key=key)
        return value

    def _choice(  # noqa: PLR0917 - the same
        self, table: Mapping[str, Any], key: str, choices: Mapping[Any, Any], index: int, name: str, default: Any = None
    ) -> Any:
        value = table.get(key)
        if key not in table and default is not None:
            return default
        if not isinstance(value, str) or value not in choices:
            raise self._source.error(f"{key} is one of {_listed(choices)}", rule=index, name=name, key=key)
        return choices[value]

    def _known(self, table: Mapping[str, Any], keys: frozenset[str], index: int = -1, name: str | None = None) -> None:
        for key in table:
            if key not in keys:
                raise self._source.error(f"'{key}' means nothing here; there are {_listed(keys)}", rule=index, name=name, key=key)


_KINDS: Final[Mapping[type, str]] = MappingProxyType(
    {str: "a text in quotes", bool: "true or false", list: "a list", dict: "a table"}
)


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name) for name in names))


def _in_plain_words(problem: str) -> str:
    """Say CEL's complaint so that somebody who never heard of CEL can mend it."""
    if undeclared := re.match(r"undeclared reference to '([^']*)'", problem):
        return f"there is no signal '{undeclared[1]}'{_did_you_mean(undeclared[1])}"
    if "'(double, int)'" in problem or "'(int, double)'" in problem:
        return "scores are compared with decimal numbers (0.5, 1.0) and counts with whole ones (2)"
    return problem


def _did_you_mean(name: str) -> str:
    close = difflib.get_close_matches(name, SIGNALS, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _as_table(rule: Rule) -> dict[str, object]:
    table: dict[str, object] = {"name": rule.name}
    if rule.when is not None:
        table["when"] = rule.when.text
    if rule.unless is not None:
        table["unless"] = rule.unless.text
    table |= {"verdict": rule.verdict.value, "reason": rule.reason}
    if rule.reason_from is not None:
        table["reason_from"] = rule.reason_from
    if rule.priority is not Priority.NORMAL:
        table["priority"] = rule.priority.value
    table |= {key: True for key in ("alert", "wave", "hold") if getattr(rule, key)}
    return table | {"explanation": rule.explanation}


def _toml(table: Mapping[str, object]) -> str:
    """Write strings, booleans and numbers: JSON's forms of them are TOML's too."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
