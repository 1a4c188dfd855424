"""What a site learnt, in words: for the console and the command line, which say the same."""

from typing import Final

from moderation.models import Subject
from moderation.scoring.learner import FROM, OF_EACH, Comparison
from moderation.services.learning import LEAST_AUDITED, Standing, Why
from moderation.services.lessons import Source

NAMES: Final = {Subject.SPAM_LAYER: "Spam", Subject.TOXICITY_LAYER: "Toxicity"}
"""What a layer is of, for people."""
SORTS: Final = {Subject.SPAM_LAYER: ("spam", "no spam"), Subject.TOXICITY_LAYER: ("abuse", "no abuse")}
"""The two sorts of decisions."""
SOURCES: Final = {
    Source.QUEUE: "held by the policy",
    Source.AUDIT: "drawn for the audit",
    Source.CORRECTION: "seen for another reason",
}
"""How a comment came before a person, for people."""


def told(found: Standing) -> list[str]:
    """Return what is to be said of one layer, a sentence or two each: from what, how well, used or not and why."""
    return [_from(found), *([_how_well(found.compared)] if found.compared and found.compared.compared else []), _whether(found)]


def _from(found: Standing) -> str:
    yes, no = SORTS[found.subject]
    if not found.lessons:
        return f"Nothing was learnt: no decision of a person says {yes} or {no}."
    parts = ", ".join(f"{found.sources[source]} {words}" for source, words in SOURCES.items() if found.sources.get(source))
    negatives = found.lessons - found.positives
    return f"Learnt from {_counted(found.lessons)} of people: {found.positives} {yes}, {negatives} {no} ({parts})."


def _how_well(compared: Comparison) -> str:
    return (
        f"Of the newest {_counted(compared.recent)}, each asked about before it was learnt, the shared model alone was wrong "
        f"about {compared.shared_mistakes}, with what was learnt here {compared.own_mistakes}. Counted by how sure of it each "
        f"was (log loss, newer decisions count more): {compared.shared_loss:.3f} alone and {compared.own_loss:.3f} with it, give "
        f"or take {compared.error:.3f}; less is better."
    )


def _whether(found: Standing) -> str:
    compared = found.compared.compared if found.compared else 0
    match found.why:
        case Why.BETTER:
            return "It is used: the scores are better with it than from the shared model alone."
        case Why.NOT_BETTER:
            return "It is not used: the scores are not clearly better with it than from the shared model alone."
        case Why.FEW:
            return f"It is not used yet: {FROM} decisions are needed to compare, and there are {compared}."
        case Why.ONE_SORT:
            return f"It is not used yet: at least {OF_EACH} decisions of each sort are needed to compare."
        case Why.UNREAD:
            return (
                "It is not used: comments were published that nobody read, and only decisions on the random audit can "
                f"speak for them. Read {LEAST_AUDITED} of the audit to begin."
            )
        case Why.RESET:
            return "It was reset, and begins anew with what is decided from now on."


def _counted(count: int) -> str:
    return f"{count} decision{'s' if count != 1 else ''}"
