"""``tidegate models``: what is there, what judges where, and what a fetch without its digest says."""

from pathlib import Path

import pytest

from moderation.database import Database
from moderation.scoring import catalog
from moderation.scoring.choice import Chosen, SiteModels
from moderation.services import choosing, sites
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.services import tiny


def chosen_at_the_blog(installed: Database) -> SiteModels:
    with installed.reading() as session:
        return choosing.models(session, sites.find(session, "blog").id)


def test_the_bundled_model_is_listed_with_its_version_before_there_is_a_database(cli: Cli) -> None:
    (listed,) = answer(cli("models", "list", "--json"))
    assert listed == {"model": "bundled", "version": catalog.bundled().version, "sha256": None, "used": ["default"]}


def test_a_site_is_pinned_to_what_is_installed_and_let_go_again(cli: Cli, installed: Database) -> None:
    cli("models", "use", "bundled", "--site", "blog", "--pin")
    assert chosen_at_the_blog(installed).live == Chosen(version=catalog.bundled().version)
    assert "blog" in cli("models", "list").stdout
    cli("models", "use", "default", "--site", "blog")
    assert chosen_at_the_blog(installed) == SiteModels()


def test_a_second_model_is_named_for_a_site_alone(cli: Cli, installed: Database) -> None:
    cli("models", "use", "bundled", "--site", "blog", "--beside")
    assert chosen_at_the_blog(installed) == SiteModels(beside=Chosen())
    assert "name it with --site" in cli("models", "use", "bundled", "--beside", code=2).stderr


def test_a_model_that_is_not_there_is_not_put_to_use(cli: Cli, installed: Database) -> None:
    for arguments in ((), ("--site", "blog")):
        assert "tidegate models fetch unbiased" in cli("models", "use", "unbiased", *arguments, code=4).stderr
    assert chosen_at_the_blog(installed) == SiteModels()
    assert "onnx only" in cli("models", "use", "bundled", "--engine", "detoxify", code=2).stderr


@pytest.mark.detoxify
@pytest.mark.slow
def test_a_model_is_fetched_put_to_use_for_all_and_listed(cli: Cli, installed: Database, tmp_path: Path) -> None:
    for module in ("detoxify", "onnx", "torch"):
        pytest.importorskip(module, reason="needs the extra `detoxify`")
    folder = tiny.write(tmp_path / "carried", "original").parent
    assert "--accept-unpinned" in cli("models", "fetch", "original", "--from", str(folder), code=1).stderr
    made = answer(cli("models", "fetch", "original", "--from", str(folder), "--accept-unpinned", "--json"))
    assert made["rank_correlation"] > 0.95
    cli("models", "use", "original")
    listed = {each["model"]: each for each in answer(cli("models", "list", "--json"))}
    assert listed["original"]["used"] == ["default"]
    assert listed["original"]["sha256"] == made["sha256"]
    assert listed["bundled"]["used"] == []
