"""The scorers under test: the real ones, loaded once."""

from contextlib import nullcontext
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
def fetched_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model's folder as `tidegate models fetch` makes it, of the bundled weights taken out of their int8 file."""
    for module in ("detoxify", "onnx", "torch"):
        pytest.importorskip(module, reason="needs the extra `detoxify`")
    import torch

    from moderation.services import fetching
    from training.dequantise import write_checkpoint

    torch.set_num_threads(1)  # several test processes share the cores
    folder = tmp_path_factory.mktemp("fetched")
    origin = write_checkpoint(BUNDLED, folder / "origin").parent
    asked = fetching.Request(name="original", origin=str(origin), unpinned=True)
    return fetching.fetch(
        asked, folder / "models", bar=lambda _: nullcontext(lambda _done, _total: None), say=lambda _: None
    ).folder


@pytest.fixture(scope="session")
def detoxify_scorer(fetched_folder: Path) -> Scorer:
    """Detoxify itself."""
    from moderation.scoring.detoxify import DetoxifyScorer

    return DetoxifyScorer(fetched_folder)


@pytest.fixture(scope="session")
def exported(fetched_folder: Path) -> OnnxScorer:
    """The same model as the fetching exported it."""
    return OnnxScorer(fetched_folder)


@pytest.fixture(
    scope="session",
    params=["bundled", *(pytest.param(name, marks=pytest.mark.detoxify) for name in ("detoxify_scorer", "exported"))],
)
def scorer(request: pytest.FixtureRequest) -> Scorer:
    found: Scorer = request.getfixturevalue(request.param)
    return found
