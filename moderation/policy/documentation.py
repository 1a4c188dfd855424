"""The tables of docs/policies.md, made from the schema and the shipped policies, so that a test can hold the page to them."""

from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.signals.schema import SIGNALS


def signal_table() -> str:
    """Return the Markdown table of all signals: name, type, unit, the fact it needs, its cost and what it says."""
    rows = ["| signal | type | unit | needs | µs | what it says |", "|---|---|---|---|---|---|"]
    rows += [
        f"| `{signal.name}` | {signal.type} | {signal.unit} | {signal.fact} | {signal.cost} | {signal.doc} |"
        for signal in SIGNALS.values()
    ]
    return "\n".join(rows)


def policy_table() -> str:
    """Return the Markdown table of the shipped policies: name, rules, and the policy's own summary."""
    rows = ["| policy | rules | what it does |", "|---|---|---|"]
    rows += [f"| `{name}` | {len(policy.rules)} | {policy.summary} |" for name, policy in _parsed()]
    return "\n".join(rows)


def _parsed() -> list[tuple[str, Policy]]:
    return [(name, Policy.parse(text)) for name, text in SHIPPED.items()]
