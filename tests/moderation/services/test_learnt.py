"""What a site learnt, in words."""

from typing import Any

import pytest

from moderation.models import Subject
from moderation.scoring.learner import Comparison
from moderation.services.learning import Standing, Why
from moderation.services.learnt import told

COMPARED = Comparison(
    compared=120, positives=50, shared_loss=0.4, own_loss=0.2, error=0.05, recent=100, shared_mistakes=14, own_mistakes=6
)


def standing(**changes: Any) -> Standing:
    found: dict[str, Any] = {
        "subject": Subject.SPAM_LAYER,
        "version": "spam@9",
        "at": None,
        "lessons": 125,
        "positives": 52,
        "sources": {"queue": 110, "audit": 10, "correction": 5},
        "compared": COMPARED,
        "why": Why.BETTER,
        "used": True,
        "since": None,
    }
    return Standing(**found | changes)


def test_it_is_said_from_what_how_well_and_whether_it_is_used() -> None:
    source, comparison, use = told(standing())
    assert source.startswith("Learnt from 125 decisions of people: 52 spam, 73 no spam (110 held by the policy, 10 drawn for ")
    assert "the shared model alone was wrong about 14, with what was learnt here 6." in comparison
    assert "0.400 alone and 0.200 with it, give or take 0.050" in comparison
    assert use == "It is used: the scores are better with it than from the shared model alone."


@pytest.mark.parametrize("why", list(Why))
def test_every_reason_has_its_words(why: Why) -> None:
    for subject in (Subject.SPAM_LAYER, Subject.TOXICITY_LAYER):
        said = told(standing(subject=subject, why=why, used=why is Why.BETTER))
        assert said[-1].endswith(".")
        assert ("is used:" in said[-1]) == (why is Why.BETTER)


def test_without_a_lesson_nothing_is_claimed() -> None:
    said = told(standing(version=None, lessons=0, positives=0, sources={}, compared=None, why=Why.FEW, used=False))
    assert said == [
        "Nothing was learnt: no decision of a person says spam or no spam.",
        "It is not used yet: 10 decisions are needed to compare, and there are 0.",
    ]
