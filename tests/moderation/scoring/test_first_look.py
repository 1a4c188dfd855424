"""What the linear model spares the network, and that nothing is spared where it matters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring import catalog
from moderation.scoring.first_look import FirstLook
from moderation.scoring.onnx import OnnxScorer

LOOK = FirstLook(40, -0.8, 0.0, np.array([2.0, 0.5]), np.array([-2.0, -4.0]))
CALM = (
    "The article is now much better referenced, and I have added the two sources that were asked for on the talk page. "
    "The section on the history of the river and its bridges still needs a citation, and the table should be sorted by year. "
    "Could somebody with access to the journal check the page numbers? I will move the image to the right place after that. "
)
ABUSE = "You are a worthless fucking idiot and everybody here hates you."


def test_the_loudest_window_is_read_and_another_only_from_the_limit_on() -> None:
    assert LOOK.worth_reading([-0.5, -0.3, -0.6], 300) == [1]
    assert LOOK.worth_reading([0.0, -0.3, 2.0, -0.1], 400) == [0, 2]
    assert LOOK.worth_reading([-0.79], 40) == [0]


def test_a_text_whose_every_window_is_calm_is_left_to_its_words() -> None:
    assert LOOK.worth_reading([-0.9, -1.2], 200) == []
    assert LOOK.worth_reading([-0.9], 40) == []
    assert LOOK.stand_in([-1.0, -1.5]) == pytest.approx([-4.0, -4.5])
    assert LOOK.worth_reading([-0.9, -0.8], 200) == [1]


def test_a_text_of_few_words_is_read_however_calm_they_are() -> None:
    assert LOOK.worth_reading([-2.0], 39) == [0]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20))
def test_what_is_read_holds_the_loudest_and_leaves_out_only_what_is_quieter_than_the_limit(said: list[float]) -> None:
    chosen = LOOK.worth_reading(said, 100)
    if max(said) < LOOK.calm_below:
        assert chosen == []
    else:
        assert said.index(max(said)) in chosen
        assert all(said[place] < LOOK.skip_below for place in set(range(len(said))) - set(chosen))


@pytest.mark.parametrize(
    "settings",
    [
        {"calm_below": 0.5, "skip_below": 0.0, "slope": [1.0], "intercept": [1.0]},
        {"calm_below": float("-inf"), "skip_below": 0.0, "slope": [1.0], "intercept": [1.0]},
        {"calm_below": -1.0, "skip_below": float("nan"), "slope": [1.0], "intercept": [1.0]},
        {"calm_below": -1.0, "skip_below": 0.0, "slope": [1.0, 2.0], "intercept": [1.0]},
        {"calm_below": -1.0, "skip_below": 0.0, "slope": [float("nan")], "intercept": [1.0]},
    ],
)
def test_settings_that_are_no_first_look_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"first look|calmer"):
        FirstLook.read({"fewest_tokens": 40} | settings)


class Counting:
    """The real runtime, and how many windows it was asked about."""

    def __init__(self, session: object) -> None:
        self.session = session
        self.windows = 0

    def run(self, *arguments: object) -> object:
        self.windows += 1
        return self.session.run(*arguments)  # type: ignore[attr-defined]


@pytest.fixture
def counting(bundled: OnnxScorer, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counter = Counting(bundled._session)
    monkeypatch.setattr(bundled, "_session", counter)
    return counter


def test_a_long_calm_text_costs_no_network_at_all(bundled: OnnxScorer, counting: Counting) -> None:
    (scores,) = bundled.score([CALM])
    assert counting.windows == 0
    assert max(scores.values()) < 0.05


def test_a_short_text_is_read_however_calm_its_words_are(bundled: OnnxScorer, counting: Counting) -> None:
    texts = ["I know where your children go to school.", "Thank you for this article, I know where you live.", "Thank you.", ""]
    bundled.score(texts)
    assert counting.windows == len(texts)


def test_abuse_in_a_long_calm_text_is_read_wherever_it_stands(bundled: OnnxScorer, counting: Counting) -> None:
    texts = [CALM * before + ABUSE + " " + CALM * (6 - before) for before in (0, 3, 6)]
    windows = [len(bundled._windows(bundled._tokens(text))) for text in texts]
    for text, every in zip(texts, windows, strict=True):
        counting.windows = 0
        found = bundled.logits([text])
        read = counting.windows
        assert 1 <= read < every
        whole = bundled.logits([text], early=False)
        assert found[0, 0] == pytest.approx(whole[0, 0])


def test_without_the_early_end_every_window_is_read(bundled: OnnxScorer, counting: Counting) -> None:
    bundled.logits([CALM * 4], early=False)
    assert counting.windows == len(bundled._windows(bundled._tokens(CALM * 4)))


def test_the_version_before_reads_every_window_and_agrees_on_every_short_text(bundled: OnnxScorer) -> None:
    earlier = catalog.bundled("bundled-2+c51718bf")
    assert isinstance(earlier, OnnxScorer)
    texts = [ABUSE, "I know where you live.", "Thank you, I had not seen it that way.", "", CALM + ABUSE]
    assert np.array_equal(earlier.logits(texts[:4]), bundled.logits(texts[:4]))
    assert not np.array_equal(earlier.logits([CALM]), bundled.logits([CALM]))
