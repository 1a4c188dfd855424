"""A site's own layer: what it may and may not do to a shared score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring.layer import LEAST_GAIN, SHAPES, SPAM, TOXICITY, BadLayer, Layer, Shape
from moderation.scoring.spam import features

scores = st.floats(0, 1)
shapes = st.sampled_from(list(SHAPES.values()))
weights = st.floats(-8, 8, width=16)


def layer(shape: Shape, constant: float = 0.0, gain: float = 0.0, folded: float = 0.0) -> Layer:
    made = np.full(shape.size, folded, np.float32)
    made[-2:] = constant, gain
    return Layer(shape, "bundled-spam-1+00000000", made)


layers = st.builds(layer, shapes, weights, st.floats(LEAST_GAIN, 8), weights)


@given(shapes, scores, st.text(max_size=200))
def test_a_layer_that_learnt_nothing_gives_the_shared_score_to_the_last_bit(shape: Shape, score: float, text: str) -> None:
    found = features(text) if shape is SPAM else None
    untaught = layer(shape)
    assert (untaught(score, found) if found else untaught(score)) == score


@given(shapes, scores, scores, weights, st.floats(LEAST_GAIN, 8))
def test_a_higher_shared_score_never_becomes_a_lower_one(
    shape: Shape, one: float, other: float, constant: float, gain: float
) -> None:
    low, high = sorted((one, other))
    own = layer(shape, constant, gain)
    assert own(low) <= own(high) + 1e-12


@given(layers, scores, st.text(max_size=100))
def test_what_comes_out_is_a_probability(own: Layer, score: float, text: str) -> None:
    assert 0 <= own(score, *([features(text)] if own.shape is SPAM else [])) <= 1


@given(shapes, weights, weights.filter(lambda gain: gain >= LEAST_GAIN))
def test_a_layer_is_read_as_it_was_stored(shape: Shape, constant: float, gain: float) -> None:
    own = layer(shape, constant, gain)
    again = Layer.read(own.as_json())
    assert again.shape is shape
    assert again.base == own.base
    assert again.weights.tolist() == own.weights.tolist()
    assert again.as_json() == own.as_json()


def test_a_layer_fits_twelve_kilobytes() -> None:
    assert len(layer(SPAM, 1.0, 1.0, 1.0).as_json()["weights"]) < 12_000


def test_a_words_weight_moves_the_texts_that_have_it() -> None:
    text = "buy my cheap watches"
    columns, _ = features(text)
    made = np.zeros(SPAM.size, np.float32)
    made[SPAM.places(columns[:1])] = 4
    own = Layer(SPAM, "base", made)
    assert own(0.3, features(text)) > 0.3
    assert own(0.3, features("")) == 0.3


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"shape": "anger", "base": "b", "weights": ""},
        {"shape": "toxicity", "base": "b", "weights": "AAAA!"},
        {"shape": "toxicity", "base": "b", "weights": "AAAAAAAA"},
        {"shape": "toxicity", "base": "b", "weights": "AHwAAA=="},
        {"shape": "toxicity", "base": "b", "weights": "AADAxg=="},
        {"shape": "toxicity", "base": "b", "weights": None},
    ],
    ids=["empty", "no such shape", "no base64", "too many", "infinite", "turns round", "no weights"],
)
def test_what_is_no_layer_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(BadLayer):
        Layer.read(stored)


def test_toxicity_is_set_right_by_two_numbers() -> None:
    assert TOXICITY.size == 2
