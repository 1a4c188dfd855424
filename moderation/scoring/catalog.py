"""Which scorers there are, and which of them judges a site's comments: each made on first use and once a process.

On first use means after a server's fork and not at import: a process that never scores never pays for a model. A lock keeps a
server's threads from loading the same model side by side.

The models that an operator fetched lie in one folder each below the installation's home (`moderation.scoring.fetched`); the file
`use.json` beside them says which one judges where a site does not choose for itself. It is looked at again for each comment, so
that a change needs no restart. A model that is not there, or not in the version that a site is pinned to, gives no scores, and a
comment without scores goes to a human: another model never takes its place in silence.
"""

import json
import os
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from moderation.scoring.choice import BUNDLED, Chosen
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer, ScoringFailed
from moderation.scoring.spam import BUNDLED as BUNDLED_SPAM
from moderation.scoring.spam import SpamScorer

USE_FILE: Final = "use.json"
"""Name of the file that holds the installation's choice."""

NEWEST: Final = "calibration.json"
EARLIER: Final = {"bundled-2": "bundled-2.json", "bundled-3": "bundled-3.json"}
"""Calibrations of the bundled weights by the name of the version: the same weights, read as they were then, to the last bit."""

_FOLDER: Final = Path(__file__).parent / "bundled"
_loading: Final = Lock()


class ModelMissing(ScoringFailed):
    """The model that was chosen is not installed, or not in the version that was asked for."""


class Shelf:
    """The models of one installation: the bundled one, and those in ``folder``, which need not exist. Thread-safe.

    ``torch=False`` is for a process that has no room for torch: it runs the exported form of whatever is chosen.
    """

    def __init__(self, folder: Path, *, torch: bool = True) -> None:
        self.folder = folder
        self._torch = torch
        self._used: tuple[tuple[int, int] | None, Chosen] = (None, Chosen())

    def scorer(self, chosen: Chosen | None = None) -> Scorer:
        """Return the scorer that was chosen, or the installation's choice.

        Raises `ModelMissing` where it, or the extra that its engine needs, is not installed, or in another version.
        """
        wanted = self.used() if chosen is None else chosen
        if wanted.name == BUNDLED:
            return in_version(bundled(wanted.version), wanted.version)
        return in_version(self._load(wanted.name, wanted.engine if self._torch else "onnx"), wanted.version)

    def used(self) -> Chosen:
        """Return the installation's choice, the bundled model until `use` named another; raises `ModelMissing` for a bad file."""
        path = self.folder / USE_FILE
        try:
            seen = path.stat()
        except FileNotFoundError:
            return Chosen()
        mark = (seen.st_mtime_ns, seen.st_ino)
        if self._used[0] != mark:
            try:
                self._used = (mark, Chosen.read(json.loads(path.read_bytes())))
            except ValueError as error:
                raise ModelMissing(f"{USE_FILE} names no model: {error}") from error
        return self._used[1]

    def use(self, chosen: Chosen) -> None:
        """Make this the installation's choice; raises what `scorer` raises where it cannot be used."""
        self.scorer(chosen)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / f"{USE_FILE}.{os.getpid()}"
        draft.write_text(json.dumps(chosen.as_json()) + "\n", encoding="utf-8")
        draft.replace(self.folder / USE_FILE)

    def _load(self, name: str, engine: str) -> Scorer:
        folder = self.folder / name
        try:
            # A model that is fetched again is another one: its manifest is written last, and anew.
            written = (folder / "model.json").stat().st_mtime_ns
        except FileNotFoundError:
            raise ModelMissing(f"the model {name} is not installed here; `tidegate models fetch {name}` brings it") from None
        try:
            with _loading:
                return _fetched(folder, engine, written)
        except ModuleNotFoundError as missing:
            raise ModelMissing(f"the engine {engine} needs the extra `detoxify` ({missing.name} is not installed)") from missing
        except Exception as failure:
            # The runtimes have no common class below this one for a file that is damaged.
            raise ModelMissing(f"the model {name} does not load on the engine {engine}: {type(failure).__name__}") from failure


def in_version(found: Scorer, version: str | None) -> Scorer:
    """Return the scorer if it has the version (None: any); raises `ModelMissing`."""
    if version is not None and found.version != version:
        raise ModelMissing(f"the version {version} was asked for, and {found.version} is what is installed")
    return found


def bundled(version: str | None = None) -> Scorer:
    """Return the toxicity model that comes with the package: the newest, or an earlier one where its version is asked for."""
    name = (version or "").partition("+")[0]
    with _loading:
        return _bundled(EARLIER.get(name, NEWEST))


def spam() -> SpamScorer:
    """Return the spam model that comes with the package."""
    with _loading:
        return _spam()


@cache
def _bundled(calibration_file: str) -> Scorer:
    return OnnxScorer(_FOLDER, calibration_file)


@cache
def _spam() -> SpamScorer:
    return SpamScorer(BUNDLED_SPAM)


@cache
def _fetched(folder: Path, engine: str, written: int) -> Scorer:  # noqa: ARG001 (a part of the key)
    if engine == "onnx":
        return OnnxScorer(folder)
    from moderation.scoring.detoxify import DetoxifyScorer  # noqa: PLC0415 - an extra, for those who chose it

    return DetoxifyScorer(folder)
