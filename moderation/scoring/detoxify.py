"""Detoxify itself behind the Scorer port, on torch: for its own five models and as the baseline to compare with.

It needs the extra `detoxify`; torch is imported when a scorer is made, never with this module. Its scores are the model's own
sigmoid outputs, not calibrated to our reference mix, and the version says so.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from moderation.scoring.scorer import ATTRIBUTES, ScoringFailed
from moderation.scoring.view import model_view

_OVERLAP_TOKENS = 64
_MS_PER_TOKEN = 2.5
_MS_PER_TEXT = 20.0
"""BERT-base in float32 on one core, about 1.5 times what was measured."""


class DetoxifyScorer:
    """`Detoxify.predict`, text by text.

    `model_type` is one of Detoxify's own names (fetched by Detoxify into torch's cache), or a label for `checkpoint`, a file
    in Detoxify's format that is trusted by whoever names it: it is unpickled. `config` is a folder with the checkpoint's
    Hugging Face config and tokenizer, for use without network. Raises `ModuleNotFoundError` where the extra is missing.
    """

    def __init__(self, model_type: str = "original", *, checkpoint: Path | None = None, config: Path | None = None) -> None:
        from detoxify import Detoxify  # noqa: PLC0415 - torch costs 200 MB and seconds; only who asks for it pays

        named = {} if checkpoint is None else {"checkpoint": str(checkpoint)}
        local = {} if config is None else {"huggingface_config_path": str(config)}
        self._model: Any = Detoxify(model_type, **named, **local)
        self._attributes = tuple(attribute for attribute in ATTRIBUTES if attribute in self._model.class_names)
        weights = "release" if checkpoint is None else hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:8]
        self._version = f"detoxify-{model_type}+{weights}-uncalibrated"
        self._window = min(512, int(self._model.tokenizer.model_max_length))

    @property
    def version(self) -> str:
        """Model type and the first 8 hex digits of the checkpoint's SHA-256."""
        return self._version

    @property
    def engine(self) -> str:
        """Detoxify itself."""
        return "detoxify"

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those of the model's classes that are ours; the identity classes of `unbiased` are not."""
        return self._attributes

    def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Score each text; see `Scorer.score`.

        A text beyond the model's window is read in overlapping pieces, and the highest score counts.
        """
        try:
            return [self._score_one(text) for text in texts]
        except Exception as failure:
            # torch and the tokenizers have no common class below this one.
            raise ScoringFailed(f"{self._version} could not score {len(texts)} texts: {type(failure).__name__}") from failure

    def estimate_ms(self, text: str) -> float:
        """Bound the cost by the length, for BERT-base; smaller models stay below."""
        tokens = 2 + (len(text) / 2.5 if text.isascii() else float(len(text)))
        return _MS_PER_TEXT + _MS_PER_TOKEN * tokens

    def _score_one(self, text: str) -> dict[str, float]:
        predictions = [self._model.predict(piece) for piece in self._pieces(model_view(text))]
        highest = {name: float(np.max([float(one[name]) for one in predictions])) for name in self._attributes}
        return {name: value for name, value in highest.items() if np.isfinite(value)}

    def _pieces(self, view: str) -> list[str]:
        # Cut the text where tokens begin and end, so that Detoxify's own truncation never bites.
        tokens = self._model.tokenizer(view, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans = tokens["offset_mapping"]
        room = self._window - 8  # a piece can split into a few more tokens than it had within the whole
        if len(spans) <= room:
            return [view]
        starts = [*range(0, len(spans) - room, room - _OVERLAP_TOKENS), len(spans) - room]
        return [view[spans[start][0] : spans[start + room - 1][1]] for start in starts]
