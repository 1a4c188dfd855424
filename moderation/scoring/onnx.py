"""The bundled kind of scorer: an int8 BERT classifier on ONNX Runtime, one core, no torch.

Texts are scored one by one: padding a batch costs more on a CPU than it saves, and batches of one length save two per cent
and cost thirty megabytes that the runtime never gives back (measured). One thread, and no spinning while idle, so that a
small machine's other processes keep their core.

A text longer than the window that the model was trained on is cut into overlapping windows of that length, and each attribute
takes its highest value over them: one abusive paragraph makes a comment abusive, however long the rest. A long text therefore
has more chances to score high; nothing is ever cut off silently. The sentence of a text that alarms most may be read once more by
itself, see `moderation.scoring.closer_look`.

Most comments are plainly harmless. The model says after half of its layers whether a window is one of those, and only the others
go through the rest; below which values that is so was fitted with the calibration. A linear model over the same tokens has its
say as well, see `moderation.scoring.pairs`, and what its opinion spares the network is in `moderation.scoring.first_look`.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from moderation.scoring.calibration import Curve
from moderation.scoring.closer_look import LONGEST, CloserLook, sentences
from moderation.scoring.first_look import FirstLook
from moderation.scoring.pairs import PairsModel
from moderation.scoring.scorer import ATTRIBUTES, ScoringFailed
from moderation.scoring.spelling import WORDS_FILE
from moderation.scoring.view import model_view

_MS_PER_TOKEN: Final = 0.11
_MS_PER_TEXT: Final = 1.5
"""Cost of a token and of a text on a slow core (2.0 GHz); about twice what was measured on a 2023 server."""


class OnnxScorer:
    """A BERT classifier exported to ONNX with its tokenizer and calibration, all read from one folder.

    The folder holds `toxicity.onnx` (inputs `input_ids` of shape (texts, tokens) and `limits` (outputs,), output `logits` of
    shape (texts, outputs); see `training.graph`), `tokenizer.json`, `calibration.json` and `pairs.npz`. Where the calibration
    has no `settled_below`, as with an export of `moderation.scoring.export`, there are neither `limits` nor `pairs.npz`; where it
    has no `first_look`, every window is read; where it has no `closer_look`, no sentence alone. ``calibration_file`` names
    another file than `calibration.json`: the same weights under an earlier version. Loading takes well under a second. Scoring is
    thread-safe. Raises `OSError` for a missing file and `ValueError` for files that do not fit together.
    """

    def __init__(self, folder: Path, calibration_file: str = "calibration.json") -> None:
        model = (folder / "toxicity.onnx").read_bytes()
        tokenizer = (folder / "tokenizer.json").read_bytes()
        calibration = (folder / calibration_file).read_bytes()
        words = WORDS_FILE.read_bytes()  # part of what the model reads, see `moderation.scoring.spelling`
        settings = json.loads(calibration)
        # Detoxify's own models have neither an early end nor a linear model beside them.
        self._early: bool = "settled_below" in settings
        pairs = (folder / "pairs.npz").read_bytes() if self._early else b""
        self._attributes: tuple[str, ...] = tuple(settings["attributes"])
        if any(attribute not in ATTRIBUTES for attribute in self._attributes):
            raise ValueError("the calibration names an attribute that is none of ours")
        self._outputs: list[int] = [settings["outputs"].index(attribute) for attribute in self._attributes]
        self._curves = [Curve.from_points(settings["attributes"][attribute]) for attribute in self._attributes]
        self._window: int = settings["window_tokens"]
        self._stride: int = self._window - settings["overlap_tokens"]
        digest = hashlib.sha256(model + tokenizer + calibration + words + pairs).hexdigest()[:8]
        self._version = f"{settings['model']}+{digest}{settings.get('suffix', '')}"
        self._tokenizer = Tokenizer.from_buffer(tokenizer)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._start, self._end = (
            _special(self._tokenizer, token) for token in settings.get("special_tokens", ("[CLS]", "[SEP]"))
        )
        self._session = _session(model)
        self._pairs = PairsModel(pairs) if self._early else None
        listed = len(settings["outputs"])
        self._settled: NDArray[np.float64] = np.array(settings.get("settled_below", [-np.inf] * listed), np.float64)
        self._first_look = FirstLook.read(settings["first_look"]) if "first_look" in settings else None
        self._closer_look = CloserLook.read(settings["closer_look"]) if "closer_look" in settings else None
        beside = self._pairs.outputs if self._pairs is not None else listed
        spared = len(self._first_look.slope) if self._first_look is not None else listed
        if {self._session.get_outputs()[0].shape[-1], beside, len(self._settled), spared} != {listed}:
            raise ValueError("the calibration lists another number of outputs than the models have")

    @property
    def version(self) -> str:
        """Model name and the first 8 hex digits of the SHA-256 over models, tokenizer, calibration and word list."""
        return self._version

    @property
    def engine(self) -> str:
        """ONNX Runtime."""
        return "onnx"

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes that the calibration covers."""
        return self._attributes

    def score(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Score each text as its author wrote it; see `Scorer.score`."""
        scores: list[dict[str, float]] = []
        for row in self.logits(texts)[:, self._outputs]:
            values = ((name, float(curve(value))) for name, curve, value in zip(self._attributes, self._curves, row, strict=True))
            scores.append({name: value for name, value in values if np.isfinite(value)})
        return scores

    def logits(self, texts: Sequence[str], *, early: bool = True, pairs: bool = True) -> NDArray[np.float64]:
        """Compute the raw outputs, highest over a text's windows, of shape (texts, model outputs).

        A text whose output is not a number has NaN there. Without `early` every window is read and goes through all layers;
        without `pairs` the linear model has no say: that is the network as Detoxify would run it. Raises `ScoringFailed` when the
        runtime or the tokenizer fails.
        """
        try:
            rows = [self._read(text, early=early, pairs=pairs) for text in texts]
        except Exception as failure:
            # The runtime raises classes of its own that share only this one. Their messages name operators, never text.
            raise ScoringFailed(f"{self._version} could not score {len(texts)} texts: {type(failure).__name__}") from failure
        return np.array(rows).reshape(len(texts), len(self._settled))

    def _read(self, text: str, *, early: bool, pairs: bool) -> NDArray[np.float64]:
        view = model_view(text)
        encoded = self._tokenizer.encode(view, add_special_tokens=False)
        tokens: list[int] = encoded.ids
        whole = self._whole(tokens, early=early, pairs=pairs)
        if pairs and self._pairs is not None and self._closer_look is not None:
            loudest = self._loudest(tokens, sentences(view, encoded.offsets), self._closer_look, self._pairs)
            if loudest is not None:
                whole = self._closer_look.with_sentence(whole, self._whole(tokens[loudest], early=early, pairs=pairs))
        return whole

    @staticmethod
    def _loudest(tokens: list[int], parts: Sequence[slice], look: CloserLook, pairs: PairsModel) -> slice | None:
        """Return the sentence whose words alarm most, and none where none does or the text is short."""
        if len(tokens) < look.fewest_tokens or not parts:
            return None
        said = [float(pairs.logits(tokens[part])[0]) for part in parts]
        loudest = max(range(len(parts)), key=said.__getitem__)
        return parts[loudest] if said[loudest] >= look.alarming_from else None

    def _whole(self, tokens: list[int], *, early: bool, pairs: bool) -> NDArray[np.float64]:
        windows = self._windows(tokens)
        added = self._pairs.logits(tokens) if pairs and self._pairs is not None else np.zeros(len(self._settled))
        if early and pairs and self._pairs is not None and self._first_look is not None:
            said = [float(added[0])] if len(windows) == 1 else self._said(windows)
            chosen = self._first_look.worth_reading(said, len(tokens))
            if not chosen:
                return self._first_look.stand_in(said)
            windows = [windows[place] for place in chosen]
        # What the words alone say counts here, too: the more they alarm, the calmer the network must be to be believed early.
        limits = self._settled - added if early else np.full(len(added), -np.inf)
        best = np.full(len(added), -np.inf)
        for window in windows:
            best = np.maximum(best, self._run(window, limits))  # NaN wins, so that it is seen
        return best + added

    def _said(self, windows: Sequence[Sequence[int]]) -> list[float]:
        """Return the linear model's toxicity logit of each window."""
        return [float(self._pairs.logits(window[1:-1])[0]) for window in windows] if self._pairs is not None else []

    def _run(self, window: Sequence[int], limits: NDArray[np.float64]) -> NDArray[np.float32]:
        """Let the network read one window, as far as the limits ask for."""
        ids = {"input_ids": np.array([window], np.int64)}
        (outputs,) = self._session.run(None, ids | {"limits": limits.astype(np.float32)} if self._early else ids)
        found: NDArray[np.float32] = outputs[0]
        return found

    def estimate_ms(self, text: str) -> float:
        """Bound the cost from above by the length: a token seldom has less than 2.5 ASCII characters, of others one each."""
        tokens = 2 + (len(text) / 2.5 if text.isascii() else float(len(text)))
        if tokens > self._window:
            tokens *= self._window / self._stride
            tokens += self._window
        if self._closer_look is not None:
            tokens += min(tokens, LONGEST)
        return _MS_PER_TEXT + _MS_PER_TOKEN * tokens

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(model_view(text), add_special_tokens=False).ids
        return ids

    def _windows(self, ids: list[int]) -> list[list[int]]:
        room, step = self._window - 2, self._stride
        if len(ids) <= room:
            return [[self._start, *ids, self._end]]
        # The last window is moved back to full length: it shows the model as much around the end as anywhere.
        starts = [*range(0, len(ids) - room, step), len(ids) - room]
        return [[self._start, *ids[start : start + room], self._end] for start in starts]


def _special(tokenizer: Tokenizer, token: str) -> int:
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no {token}")
    return number


def _session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    # The one fusion that makes this slower: the graph has it taken apart, the runtime would put it back together.
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
    )
