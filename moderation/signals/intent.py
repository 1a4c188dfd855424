"""Whether a person sat in front of the form: the hidden field that people do not see, and the time they took.

Browsers fill hidden fields too, so the honeypot alone never rejects. Unit: yes/no, and seconds. Cost: nothing.
"""

from dataclasses import dataclass
from math import isfinite

from moderation.signals.facts import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSignals:
    """``None`` where the form has no such field or tells no time."""

    honeypot: bool | None
    seconds_to_submit: float | None


def measure(revision: Revision) -> IntentSignals:
    """Read the form's two traces; a time that is negative or not finite is no time."""
    seconds = revision.seconds_to_submit
    return IntentSignals(
        honeypot=None if revision.honeypot is None else bool(revision.honeypot.strip()),
        seconds_to_submit=float(seconds) if seconds is not None and isfinite(seconds) and seconds >= 0 else None,
    )
