"""The scorers under test: the real ones, loaded once."""

from pathlib import Path

import pytest

from moderation.scoring import catalog
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer
from moderation.scoring.spam import SpamScorer

BUNDLED = Path(catalog.__file__).parent / "bundled"


@pytest.fixture(scope="session")
def bundled_folder() -> Path:
    return BUNDLED


@pytest.fixture(scope="session")
def bundled() -> OnnxScorer:
    return OnnxScorer(BUNDLED)


@pytest.fixture(scope="session")
def spam_scorer() -> SpamScorer:
    return SpamScorer(BUNDLED / "spam.npz")


@pytest.fixture(scope="session")
def detoxify_scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    """Detoxify itself, on the bundled weights taken out of their int8 file."""
    for module in ("detoxify", "onnx", "torch"):
        pytest.importorskip(module, reason="needs the extra `detoxify`")
    import torch

    from moderation.scoring.detoxify import DetoxifyScorer
    from training.dequantise import write_checkpoint

    torch.set_num_threads(1)  # several test processes share the cores
    folder = tmp_path_factory.mktemp("detoxify")
    return DetoxifyScorer("bundled", checkpoint=write_checkpoint(BUNDLED, folder), config=folder / "base")


@pytest.fixture(scope="session", params=["bundled", pytest.param("detoxify", marks=pytest.mark.detoxify)])
def scorer(request: pytest.FixtureRequest) -> Scorer:
    found: Scorer = request.getfixturevalue({"bundled": "bundled", "detoxify": "detoxify_scorer"}[request.param])
    return found
