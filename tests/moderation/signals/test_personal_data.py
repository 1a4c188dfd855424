"""Details that could hurt somebody, on our own cases: what is found and what is not, as far as the model card says so."""

import pytest

from moderation.signals import personal_data
from training.personal_data import KINDS, cases, figures

FLOOR = {
    "phones": (0.85, 0.98),
    "emails": (0.95, 0.95),
    "ibans": (0.95, 0.90),
    "street_addresses": (0.93, 0.93),
}
"""Recall and precision by kind."""


def test_the_cases_are_many_and_none_stands_there_twice() -> None:
    texts = [case.text for case in cases()]
    assert len(texts) == len(set(texts)) > 250


def test_what_is_found_and_what_is_not_stays_as_good_as_it_was() -> None:
    found, wrong = figures()
    for kind, (recall, precision) in FLOOR.items():
        assert found[kind]["recall"][0] >= recall, wrong
        assert found[kind]["precision"][0] >= precision, wrong
    assert found["harmless_with_a_finding"][0] <= 0.03, wrong


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to k.lee at post dot co dot uk tonight", "emails"),
        ("Wiener Straße 45", "street_addresses"),
        ("She lives at 2001 Main Street.", "street_addresses"),
        ("BE68 5390 0754 7034", "ibans"),
    ],
)
def test_what_was_missed_before_is_found(text: str, kind: str) -> None:
    found = personal_data.measure(text, "GB", frozenset())
    assert (getattr(found, kind), found.personal_data) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "look at the dot on the map",
        "Stay at home dot your i and go",
        "Ask @jane.doe about it",
        "5 apples @ 2.50 each",
        "In 2019 Abbey Road was closed",
        "Der Umweg 3 Kilometer weiter",
        "Platz 3 ist auch schön",
        "das Ziel heißt Wachstum, der Weg 10 Jahre",
        "We took 9 cours d'anglais",
    ],
)
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert personal_data.measure(text, "GB", frozenset()).personal_data == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_cases(kind: str) -> None:
    assert sum(case.kind == kind for case in cases()) >= 15
