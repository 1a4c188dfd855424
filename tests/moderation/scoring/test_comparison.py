"""Comparing two scorers: counts at a threshold, and the threshold that keeps the rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.comparison import Comparison

SCORES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=60, unique_by=lambda pair: pair[1])


def test_what_changes_is_counted_in_both_directions() -> None:
    found = Comparison([0.9, 0.8, 0.3, 0.2], [0.5, 0.1, 0.4, 0.05])
    same = found.at(0.8, 0.8)
    assert (same.old_flagged, same.new_flagged, same.newly_flagged, same.no_longer_flagged, same.changed) == (2, 0, 0, 2, 2)
    kept = found.at(0.8, found.keeping(0.8))
    assert kept.new_threshold == pytest.approx(0.25)
    assert (kept.new_flagged, kept.newly_flagged, kept.no_longer_flagged) == (2, 1, 1)


@given(SCORES, st.floats(0, 1))
def test_the_kept_threshold_flags_as_many_as_before(pairs: list[tuple[float, float]], threshold: float) -> None:
    old, new = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = Comparison(old, new)
    wanted = sum(score >= threshold for score in old)
    flagged = found.at(threshold, found.keeping(threshold)).new_flagged
    # Neighbours may be so close that nothing lies between them, and then the pair stays together.
    assert wanted <= flagged <= wanted + 1


def test_order_is_told_whatever_the_scale() -> None:
    assert Comparison([0.1, 0.5, 0.9], [0.01, 0.02, 0.03]).rank_correlation() == pytest.approx(1)
    assert Comparison([0.1, 0.5, 0.9], [0.3, 0.2, 0.1]).rank_correlation() == pytest.approx(-1)
    assert Comparison([0.1, 0.5], [0.3, 0.3]).rank_correlation() is None
    with pytest.raises(ValueError, match="as many"):
        Comparison([0.1], [])
