"""Which scorers there are, by name, each made on first use and once a process.

On first use means after a server's fork and not at import: a process that never scores never pays for a model.
"""

from functools import cache
from importlib.resources import as_file, files
from typing import Final

from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer
from moderation.scoring.spam import SpamScorer

ENGINES: Final = ("bundled", "detoxify")
"""Names that `scorer` knows."""


class UnknownEngine(ValueError):
    """No scorer has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown scorer {name!r}; there are {', '.join(ENGINES)}")


@cache
def bundled() -> Scorer:
    """Return the toxicity model that comes with the package."""
    with as_file(files("moderation.scoring") / "bundled") as folder:
        return OnnxScorer(folder)


@cache
def spam() -> SpamScorer:
    """Return the spam model that comes with the package."""
    with as_file(files("moderation.scoring") / "bundled") as folder:
        return SpamScorer(folder / "spam.npz")


@cache
def scorer(engine: str = "bundled") -> Scorer:
    """Return the scorer of this name; raises `UnknownEngine`, and `ModuleNotFoundError` where its extra is not installed."""
    if engine == "bundled":
        return bundled()
    if engine == "detoxify":
        from moderation.scoring.detoxify import DetoxifyScorer  # noqa: PLC0415 - an extra, for those who chose it

        return DetoxifyScorer()
    raise UnknownEngine(engine)
