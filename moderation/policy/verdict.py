"""The three things that can be done with a comment, from mildest to most severe."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a policy says about a comment: publish it, show it to a human, or refuse it."""

    APPROVE = "approve"
    FLAG = "flag"
    REJECT = "reject"

    @property
    def severity(self) -> int:
        """0 for approve, 1 for flag, 2 for reject."""
        return _SEVERITY[self]


_SEVERITY = {Verdict.APPROVE: 0, Verdict.FLAG: 1, Verdict.REJECT: 2}


def most_severe(*verdicts: Verdict) -> Verdict:
    """Return the most severe of the verdicts, approve where there is none."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.APPROVE)
