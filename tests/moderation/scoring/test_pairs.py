"""The linear model beside the network: pairs of tokens in order, and arrays that must fit."""

from io import BytesIO

import numpy as np
import pytest

from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.pairs import PairsModel, features

BUCKETS = 1 << 12


def stored(weights: np.ndarray, scale: np.ndarray, bias: np.ndarray) -> bytes:
    out = BytesIO()
    np.savez(out, weights=weights, scale=scale, bias=bias)
    return out.getvalue()


def model(weights: np.ndarray) -> PairsModel:
    outputs = weights.shape[1]
    return PairsModel(stored(weights=weights, scale=np.full(outputs, 0.5), bias=np.arange(outputs, dtype=np.float64)))


def test_features_have_length_one_and_rising_buckets() -> None:
    buckets, values = features([5, 9, 5, 9, 700], BUCKETS)
    assert (np.diff(buckets) > 0).all()
    assert buckets.min() >= 0
    assert buckets.max() < BUCKETS
    assert np.linalg.norm(values) == pytest.approx(1)


def test_the_order_of_two_tokens_matters() -> None:
    forth, back = (set(features(ids, BUCKETS)[0]) for ids in ([17, 31], [31, 17]))
    assert len(forth & back) == 2
    assert forth != back


@pytest.mark.parametrize("tokens", [[], [42]])
def test_a_text_without_pairs_is_taken(tokens: list[int]) -> None:
    added = model(np.ones((BUCKETS, 3), np.int8)).logits(tokens)
    assert added == pytest.approx(np.arange(3) + 0.5 * len(tokens))


def test_a_token_moves_the_outputs_that_it_has_weights_for() -> None:
    (bucket,), _ = features([42], BUCKETS)
    weights = np.zeros((BUCKETS, 2), np.int8)
    weights[bucket] = (100, -100)
    assert model(weights).logits([42]) == pytest.approx([50, -49])


@pytest.mark.parametrize("shape", [(BUCKETS,), (BUCKETS, 4)])
def test_arrays_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        PairsModel(stored(weights=np.zeros(shape, np.int8), scale=np.ones(3), bias=np.zeros(3)))


def test_the_linear_model_sees_a_whole_long_text_and_not_a_window(bundled: OnnxScorer) -> None:
    text = "The library opens at nine and the garden is quiet. " * 40
    whole, network = bundled.logits([text], early=False)[0], bundled.logits([text], early=False, pairs=False)[0]
    assert bundled._pairs is not None
    assert whole - network == pytest.approx(bundled._pairs.logits(bundled._tokens(text)), abs=0.02)
