"""py3langid's identifier with the same answers, and its table of transitions in a sixth of the memory.

The model walks over a text's bytes from state to state. For each of 38,000 kinds of state the library keeps where each of the 256
bytes leads: 40 MB, in which most stretches are the same. Here a kind of state is sixteen stretches of sixteen bytes, and equal
stretches are kept once: 56,000 of 600,000. A step takes one look-up more, and finds what it needs in the processor's cache more
often.
"""

from array import array
from collections import Counter
from typing import Any, Final

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

_STRETCH: Final = 16
# Which stretch of a state's a byte falls into, and its place there.
_HIGH: Final = bytes(byte // _STRETCH for byte in range(256))
_LOW: Final = bytes(byte % _STRETCH for byte in range(256))


class Identifier(LanguageIdentifier):  # type: ignore[misc]  # the library has no types
    """The library's identifier but for how it keeps its transitions; see `py3langid.langid.LanguageIdentifier`."""

    __slots__ = ("_moves", "_states", "_stretches")

    def __init__(
        self,
        nb_ptc: Any,
        nb_pc: Any,
        nb_classes: list[str],
        tk_nextmove: Any,
        tk_output: list[int],
        *args: Any,
        tk_row: Any,
        **named: Any,
    ) -> None:
        super().__init__(nb_ptc, nb_pc, nb_classes, array("I"), array("i", tk_output), *args, tk_row=array("I"), **named)
        every = np.ascontiguousarray(tk_nextmove, np.uint32).reshape(-1, _STRETCH)
        kept, which = np.unique(every.view(f"V{_STRETCH * every.itemsize}").ravel(), return_inverse=True)
        self._moves = _packed(kept.view(np.uint32))
        self._stretches = _packed(which * _STRETCH)
        self._states = _packed(np.asarray(tk_row, np.uint32) * (256 // _STRETCH))

    def _raw_score(self, text: bytes) -> Any:
        state, found = 0, []
        moves, stretches, states, output = self._moves, self._stretches, self._states, self.tk_output
        for high, low in zip(text.translate(_HIGH), text.translate(_LOW), strict=True):
            state = moves[stretches[states[state] + high] + low]
            feature = output[state]
            if feature >= 0:
                found.append(feature)
        # Without a feature it is for the library to say what that means.
        return self._sparse_score(Counter(found), self.nb_ptc) if found else super()._raw_score(b"")


def load() -> Identifier:
    """Return the identifier with the library's model and probabilities from 0 to 1; takes most of a second."""
    found: Identifier = Identifier.from_model_file(MODEL_FILE, norm_probs=True)
    return found


def _packed(numbers: Any) -> "array[int]":
    # An array gives out plain integers, and sooner than numpy does.
    packed = array("I")
    packed.frombytes(np.ascontiguousarray(numbers, np.uint32).tobytes())
    return packed
