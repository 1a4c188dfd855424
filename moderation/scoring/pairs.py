"""A linear opinion beside the network: what the word pieces of a text and their neighbouring pairs say by themselves.

A small network and a linear model err differently: the one misses rare words that the other has simply counted, and the sum of
both ranks comments better than either. It reads the tokens that the network reads anyway, so it costs some fifty
microseconds. How much it counts is part of the file, see `training/pairs.py`.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

_FACTOR: Final = 1_000_003
_SPREAD: Final = 2_654_435_761


def features(tokens: Sequence[int], buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Buckets of the tokens (each 0 or more) and of their pairs, in rising order, and values of Euclidean length 1, or none."""
    ids = np.asarray(tokens, np.int64) + 1
    pairs = ids[:-1] * _FACTOR + ids[1:]
    hashed = np.concatenate([ids, pairs]) * _SPREAD % (1 << 40) // 64 % buckets
    found, times = np.unique(hashed, return_counts=True)
    values = np.sqrt(times.astype(np.float64))
    return found, values / max(float(np.linalg.norm(values)), 1e-12)


class PairsModel:
    """Linear models over `features`, one for each output of the network, read from the bytes of an npz file.

    The file holds `weights` (buckets, outputs) in 8 bits, their `scale` (outputs,) and `bias` (outputs,), all already
    multiplied by how much the linear opinion counts. Raises `ValueError` for arrays of other shapes.
    """

    def __init__(self, content: bytes) -> None:
        with np.load(BytesIO(content), allow_pickle=False) as arrays:
            self._weights: NDArray[np.int8] = arrays["weights"]
            self._scale: NDArray[np.float64] = arrays["scale"].astype(np.float64)
            self._bias: NDArray[np.float64] = arrays["bias"].astype(np.float64)
        if self._weights.ndim != 2 or {self._scale.shape, self._bias.shape} != {self._weights.shape[1:]}:
            raise ValueError("the linear model's arrays do not fit together")

    @property
    def outputs(self) -> int:
        """How many outputs it has an opinion on."""
        return len(self._bias)

    def logits(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Compute what is to be added to the network's logits, of shape (outputs,), for a whole text's tokens."""
        buckets, values = features(tokens, len(self._weights))
        added: NDArray[np.float64] = values @ self._weights[buckets].astype(np.float64) * self._scale + self._bias
        return added
