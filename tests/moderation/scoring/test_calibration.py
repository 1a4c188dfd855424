"""Curves from logits to probabilities."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.calibration import Curve
from moderation.scoring.scorer import ATTRIBUTES


def curve(logits: list[float], probabilities: list[float]) -> Curve:
    return Curve(np.array(logits), np.array(probabilities))


@pytest.fixture(scope="module")
def shipped(bundled_folder: Path) -> dict[str, Curve]:
    settings = json.loads((bundled_folder / "calibration.json").read_text())
    return {name: Curve.from_points(points) for name, points in settings["attributes"].items()}


def test_the_shipped_calibration_covers_attributes_of_ours(shipped: dict[str, Curve]) -> None:
    assert "toxicity" in shipped
    assert set(shipped) <= set(ATTRIBUTES)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=40))
def test_a_higher_logit_never_gives_a_lower_probability(shipped: dict[str, Curve], logits: list[float]) -> None:
    for one in shipped.values():
        probabilities = one(np.array(sorted(logits)))
        assert (np.diff(probabilities) >= 0).all()
        assert probabilities.min() >= 0
        assert probabilities.max() <= 1


def test_between_two_points_it_is_linear_and_beyond_them_level() -> None:
    one = curve([-1, 1], [0.2, 0.6])
    assert one(np.array([-9.0, -1.0, 0.0, 1.0, np.inf])).tolist() == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.6])


def test_not_a_number_stays_not_a_number() -> None:
    assert np.isnan(curve([-1, 1], [0.2, 0.6])(np.array([np.nan]))).all()


def test_another_share_of_abuse_moves_probabilities_by_the_odds() -> None:
    one = curve([-1, 0, 1], [0.0, 0.5, 1.0]).rebased(0.08, 0.15)
    expected_odds = (0.15 / 0.85) / (0.08 / 0.92)
    assert one(np.array([-1.0, 0.0, 1.0])).tolist() == pytest.approx([0.0, expected_odds / (1 + expected_odds), 1.0])


@pytest.mark.parametrize(
    ("logits", "probabilities"),
    [
        ([0], [0.5]),
        ([0, 1], [0.5]),
        ([1, 0], [0.1, 0.2]),
        ([0, 0], [0.1, 0.2]),
        ([0, 1], [0.3, 0.2]),
        ([0, 1], [-0.1, 0.2]),
        ([0, 1], [0.1, 1.2]),
        ([0, float("nan")], [0.1, 0.2]),
    ],
)
def test_points_that_are_no_rising_curve_are_refused(logits: list[float], probabilities: list[float]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        curve(logits, probabilities)
