"""Detoxify itself behind the Scorer port, on torch: for its own five models, and as what the exported ones are held against.

It needs the extra `detoxify`; torch is imported when a model is opened, never with this module. Its scores are the model's own
sigmoid outputs, not calibrated to our reference mix.

A checkpoint of somebody else's is a pickle, and a pickle can run code; Detoxify opens it as one. So a foreign file is opened here
first, as weights and plain values only, and what was read is saved anew: only that file meets Detoxify. In it the name of the
base model is replaced by the folder with its config and tokenizer, because Detoxify asks the network for a name.
"""

import json
import pickle
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from moderation.scoring.scorer import ATTRIBUTES, ScoringFailed
from moderation.scoring.view import model_view

CHECKPOINT: Final = "model.ckpt"
"""Name, in a model's folder, of the checkpoint that was saved anew."""
BASE: Final = "base"
"""Name of the folder in it that holds the Hugging Face config and tokenizer."""
MANIFEST: Final = "model.json"
"""Name of the file in it that says what the model is; written last."""

BATCH_TOKENS: Final = 16_384
"""Tokens, padding included, in one batch on a GPU."""
LONGEST_WINDOW: Final = 512

_OVERLAP: Final = 64
_MS_PER_TOKEN: Final = 2.5
_MS_PER_TEXT: Final = 20.0
"""BERT-base in float32 on one core, about 1.5 times what was measured."""


class CheckpointRefused(Exception):
    """The file is no checkpoint of Detoxify's, or holds more than weights and plain values; the message says which."""


def open_foreign(path: Path) -> dict[str, Any]:
    """Return what a checkpoint holds, read without running anything in it; raises `CheckpointRefused`."""
    import torch  # noqa: PLC0415 - an extra, and seconds to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that is older or newer than its own: it is refused, if it has to be
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointRefused(f"{path.name} is not opened: it holds more than weights, or is damaged ({reason})") from error
    try:
        arguments, classes = content["config"]["arch"]["args"], content["config"]["dataset"]["args"]["classes"]
        named = [arguments[key] for key in ("model_type", "model_name", "tokenizer_name")]
        sound = all(isinstance(name, str) for name in (*named, *classes)) and len(classes) <= int(arguments["num_classes"])
        # Detoxify takes these two as names of classes of transformers; no other attribute of that module is meant.
        fit = named[1].endswith("ForSequenceClassification") and named[2].removesuffix("Fast").endswith("Tokenizer")
        tensors = bool(content["state_dict"]) and all(isinstance(value, torch.Tensor) for value in content["state_dict"].values())
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CheckpointRefused(f"{path.name} is no checkpoint in Detoxify's format: {type(error).__name__} {error}") from error
    if not (sound and fit and tensors):
        raise CheckpointRefused(f"{path.name} is no checkpoint in Detoxify's format")
    return dict(content)


def save_anew(content: dict[str, Any], folder: Path) -> None:
    """Write a checkpoint for Detoxify into a model's folder, pointing at the base model that lies there."""
    import torch  # noqa: PLC0415 - as above

    config = content["config"]
    arguments = {**config["arch"]["args"], "model_type": str(folder / BASE)}
    kept = {"arch": {**config["arch"], "args": arguments}, "dataset": {"args": {"classes": config["dataset"]["args"]["classes"]}}}
    draft = folder / f"{CHECKPOINT}.draft"
    torch.save({"state_dict": content["state_dict"], "config": kept}, draft)
    draft.replace(folder / CHECKPOINT)


def load(folder: Path, device: str = "cpu") -> Any:
    """Return the `Detoxify` of a model's folder; a folder that was moved is put right first."""
    from detoxify import Detoxify  # noqa: PLC0415 - as above

    content = open_foreign(folder / CHECKPOINT)
    if content["config"]["arch"]["args"]["model_type"] != str(folder / BASE):
        save_anew(content, folder)
    return Detoxify(checkpoint=str(folder / CHECKPOINT), device=device)


def window_of(detoxify: Any) -> int:
    """Return how many tokens the model reads at once, its special tokens included."""
    config = detoxify.model.config
    # RoBERTa counts positions from behind its padding.
    behind = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return int(min(LONGEST_WINDOW, detoxify.tokenizer.model_max_length, config.max_position_embeddings - behind))


class DetoxifyScorer:
    """`Detoxify.predict` on the model in a folder that `moderation.services.fetching` filled.

    On a CPU text by text; on a GPU, which is used where torch finds one, texts of like length together. ``batch_tokens`` bounds
    a batch (0: one by one). Raises `ModuleNotFoundError` where the extra is missing, `OSError` where a file is, and
    `CheckpointRefused` for one that was tampered with.
    """

    def __init__(self, folder: Path, *, device: str | None = None, batch_tokens: int | None = None) -> None:
        import torch  # noqa: PLC0415 - as above

        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._batch_tokens = batch_tokens if batch_tokens is not None else (BATCH_TOKENS if self._device != "cpu" else 0)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        self._version = f"{manifest['name']}+{manifest['sha256'][:8]}-detoxify"
        self._model: Any = load(folder, self._device)
        self._attributes = tuple(attribute for attribute in ATTRIBUTES if attribute in self._model.class_names)
        self._window = window_of(self._model)

    @property
    def version(self) -> str:
        """Name of the model and the first 8 hex digits of the SHA-256 of the checkpoint that was fetched."""
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
            pieces = [(place, piece, size) for place, text in enumerate(texts) for piece, size in self._pieces(model_view(text))]
            highest = np.full((len(texts), len(self._attributes)), -np.inf)
            for batch in self._batches(pieces):
                predicted = self._model.predict([piece for _, piece, _ in batch])
                rows = np.stack([np.atleast_1d(predicted[name]) for name in self._attributes], axis=1)
                for (place, _, _), row in zip(batch, rows, strict=True):
                    highest[place] = np.maximum(highest[place], row)  # NaN wins, so that it is seen
        except Exception as failure:
            # torch and the tokenizers have no common class below this one.
            raise ScoringFailed(f"{self._version} could not score {len(texts)} texts: {type(failure).__name__}") from failure
        return [
            {name: float(value) for name, value in zip(self._attributes, row, strict=True) if np.isfinite(value)}
            for row in highest
        ]

    def estimate_ms(self, text: str) -> float:
        """Bound the cost by the length, for BERT-base on a CPU; smaller models and GPUs stay below."""
        tokens = 2 + (len(text) / 2.5 if text.isascii() else float(len(text)))
        return _MS_PER_TEXT + _MS_PER_TOKEN * tokens

    def _batches(self, pieces: list[tuple[int, str, int]]) -> Iterator[list[tuple[int, str, int]]]:
        batch: list[tuple[int, str, int]] = []
        for piece in sorted(pieces, key=lambda each: each[2]):
            # Sorted, so the newest is the longest, and all are padded to it.
            if batch and (len(batch) + 1) * piece[2] > self._batch_tokens:
                yield batch
                batch = []
            batch.append(piece)
        if batch:
            yield batch

    def _pieces(self, view: str) -> list[tuple[str, int]]:
        # Cut the text where tokens begin and end, so that Detoxify's own truncation never bites.
        tokens = self._model.tokenizer(view, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        spans = tokens["offset_mapping"]
        room = self._window - 8  # a piece can split into a few more tokens than it had within the whole
        if len(spans) <= room:
            return [(view, len(spans) + 2)]
        step = room - min(_OVERLAP, room // 4)
        starts = [*range(0, len(spans) - room, step), len(spans) - room]
        return [(view[spans[start][0] : spans[start + room - 1][1]], room + 2) for start in starts]
