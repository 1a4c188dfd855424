"""Scorers by name."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from moderation.scoring import catalog
from moderation.scoring.choice import BadChoice, Chosen, SiteModels
from moderation.scoring.onnx import OnnxScorer
from moderation.scoring.scorer import Scorer


def test_the_bundled_scorers_are_made_once_a_process() -> None:
    assert catalog.bundled() is catalog.bundled()
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
    catalog._bundled.cache_clear()
    together = Barrier(8)

    def ask(_: int) -> list[dict[str, float]]:
        together.wait(timeout=30)
        return catalog.bundled().score(["You are a worthless idiot.", "Thank you."])

    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(8)))
    finally:
        catalog._bundled.cache_clear()
    assert len(made) == 1
    assert all(answer == answers[0] for answer in answers)


def test_who_chose_nothing_gets_the_bundled_model(tmp_path: Path) -> None:
    shelf = catalog.Shelf(tmp_path / "models")
    assert shelf.used() == Chosen()
    assert shelf.scorer() is catalog.bundled()


def test_a_model_that_is_not_installed_gives_no_scores_and_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(catalog.ModelMissing, match="tidegate models fetch unbiased"):
        catalog.Shelf(tmp_path).scorer(Chosen("unbiased"))


def test_a_pinned_version_is_never_replaced_by_another_in_silence(tmp_path: Path) -> None:
    shelf = catalog.Shelf(tmp_path)
    present = catalog.bundled().version
    assert shelf.scorer(Chosen(version=present)).version == present
    with pytest.raises(catalog.ModelMissing, match=r"bundled-1\+00000000 was asked for"):
        shelf.scorer(Chosen(version="bundled-1+00000000"))


@pytest.mark.parametrize("version", ["bundled-2+c51718bf", "bundled-3+c617e7ed"])
def test_the_versions_before_stay_for_who_is_pinned_to_them(tmp_path: Path, version: str) -> None:
    shelf = catalog.Shelf(tmp_path)
    earlier = shelf.scorer(Chosen(version=version))
    assert earlier.version == version
    assert catalog.bundled().version.startswith("bundled-4+")
    assert shelf.scorer(Chosen(version=version)) is earlier
    name = version.partition("+")[0]
    with pytest.raises(catalog.ModelMissing, match=rf"{name}\+00000000 was asked for"):
        shelf.scorer(Chosen(version=f"{name}+00000000"))


def test_a_damaged_choice_of_the_installation_is_no_choice_of_the_bundled_model(tmp_path: Path) -> None:
    (tmp_path / catalog.USE_FILE).write_text('{"name": "../etc"}')
    with pytest.raises(catalog.ModelMissing, match="names no model"):
        catalog.Shelf(tmp_path).scorer()


@pytest.mark.parametrize(
    "stored",
    [
        {"live": {"name": "../../x"}},
        {"live": {"name": "unbiased", "engine": "pickle"}},
        {"live": {"name": "bundled", "engine": "detoxify"}},
        {"live": {"name": "unbiased", "version": "latest"}},
        {"live": {"name": 3}},
        {"third": {"name": "unbiased"}},
        {"live": {"name": "unbiased", "path": "x"}},
        ["unbiased"],
    ],
)
def test_settings_that_name_no_model_are_refused(stored: object) -> None:
    with pytest.raises(BadChoice):
        SiteModels.of({"models": stored})


def test_a_choice_reads_back_as_it_was_stored() -> None:
    chosen = SiteModels(Chosen("unbiased", "detoxify", "unbiased+0123abcd-detoxify"), Chosen("original"))
    assert SiteModels.of({"models": chosen.as_json()}) == chosen
    assert SiteModels.of({}) == SiteModels()
