"""What readers and moderators have already said about this comment. Unit: independent reporters. Cost: nothing, the caller
has counted.
"""

from dataclasses import dataclass

from moderation.signals.facts import HistoryFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSignals:
    """The signals of this module, named as in the schema."""

    reports: int
    human_rejected_before: bool
    human_approved: bool


def measure(history: HistoryFacts) -> ReportSignals:
    """Pass on the counted reports and the humans' earlier decisions."""
    return ReportSignals(
        reports=history.reports,
        human_rejected_before=history.human_rejected_before,
        human_approved=history.human_approved,
    )
