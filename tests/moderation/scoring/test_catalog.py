"""Scorers by name."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from moderation.scoring import catalog
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer


def test_the_bundled_scorers_are_made_once_a_process() -> None:
    assert catalog.bundled() is catalog.bundled() is catalog.scorer("bundled")
    assert catalog.spam() is catalog.spam()
    assert isinstance(catalog.bundled(), Scorer)


def test_threads_that_ask_at_once_share_one_model_and_get_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[OnnxScorer] = []

    class Counted(OnnxScorer):
        """The real scorer, counted."""

        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            made.append(self)

    monkeypatch.setattr(catalog, "OnnxScorer", Counted)
    catalog._scorer.cache_clear()
    together = Barrier(8)

    def ask(_: int) -> list[dict[str, float]]:
        together.wait(timeout=30)
        return catalog.bundled().score(["You are a worthless idiot.", "Thank you."])

    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
    finally:
        catalog._scorer.cache_clear()
    assert len(made) == 1
    assert all(answer == answers[0] for answer in answers)


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(catalog.UnknownEngine, match="bundled, detoxify"):
        catalog.scorer("perspective")
