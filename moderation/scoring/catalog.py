"""Which scorers there are, by name, each made on first use and once a process.

On first use means after a server's fork and not at import: a process that never scores never pays for a model. A lock keeps a
server's threads from loading the same model side by side.
"""

from functools import cache
from pathlib import Path
from threading import Lock
from typing import Final

from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer
from moderation.scoring.spam import SpamScorer

ENGINES: Final = ("bundled", "detoxify")
"""Names that `scorer` knows."""

_FOLDER: Final = Path(__file__).parent / "bundled"
_loading: Final = Lock()


class UnknownEngine(ValueError):
    """No scorer has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown scorer {name!r}; there are {', '.join(ENGINES)}")


def bundled() -> Scorer:
    """Return the toxicity model that comes with the package."""
    return scorer("bundled")


def scorer(engine: str = "bundled") -> Scorer:
    """Return the scorer of this name; raises `UnknownEngine`, and `ModuleNotFoundError` where its extra is not installed."""
    with _loading:
        return _scorer(engine)


def spam() -> SpamScorer:
    """Return the spam model that comes with the package."""
    with _loading:
        return _spam()


@cache
def _scorer(engine: str) -> Scorer:
    if engine == "bundled":
        return OnnxScorer(_FOLDER)
    if engine == "detoxify":
        from moderation.scoring.detoxify import DetoxifyScorer  # noqa: PLC0415 - an extra, for those who chose it

        return DetoxifyScorer()
    raise UnknownEngine(engine)


@cache
def _spam() -> SpamScorer:
    return SpamScorer(_FOLDER / "spam.npz")
