"""A site's choice of models: what decides, what runs beside, what a pin to a version does."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from moderation.errors import Refused
from moderation.models import Mode, Score, Status, Subject
from moderation.scoring.catalog import ModelMissing, Shelf
from moderation.scoring.choice import Chosen, SiteModels
from moderation.services import admission, choosing, policies
from moderation.services.asking import Models, Scored
from moderation.services.authors import AuthorClaim
from moderation.services.posts import PostReference
from moderation.services.submission import Submission
from tests.moderation.services.conftest import CIVIL, SECRET


def use(blog: Any, chosen: Chosen | None) -> None:
    with blog.database.transaction() as session:
        choosing.use(session, blog.site_id, chosen, by="test", now=datetime.now(UTC))


def test_a_site_pinned_to_the_installed_version_is_scored_by_it(blog: Any, models: Any) -> None:
    use(blog, Chosen(version=models.toxicity.version))
    assert blog.judged(CIVIL).status == "approved"


def test_a_site_pinned_to_a_version_that_is_gone_asks_a_human(blog: Any) -> None:
    use(blog, Chosen(version="bundled-1+00000000"))
    view = blog.judged(CIVIL)
    assert view.status == "flagged"
    assert "not_scored" in {reason["reason"] for reason in view.decision["reasons"]}


def test_a_site_can_go_back_to_what_the_installation_uses(blog: Any) -> None:
    use(blog, Chosen("unbiased"))
    use(blog, None)
    assert blog.judged(CIVIL).status == "approved"
    with blog.database.reading() as session:
        assert policies.in_force(session, blog.site_id).settings == {}


def test_the_second_model_is_written_down_and_decides_nothing(blog: Any, models: Any) -> None:
    with blog.database.transaction() as session:
        choosing.run_beside(session, blog.site_id, Chosen(), by="test", now=datetime.now(UTC))
    view = blog.judged(CIVIL)
    assert view.status == "approved"
    assert view.model == models.version
    with blog.database.reading() as session:
        stored = {score.mode: score for score in session.scalars(select(Score))}
    assert stored.keys() == {Mode.LIVE, Mode.SHADOW}
    assert stored[Mode.SHADOW].model_version == models.toxicity.version
    for score in stored.values():
        assert (score.model, score.engine) == (models.toxicity.version.partition("+")[0], "onnx")
    assert "spam" not in stored[Mode.SHADOW].values


def test_a_second_model_that_is_missing_holds_no_comment_up(blog: Any) -> None:
    with blog.database.transaction() as session:
        choosing.run_beside(session, blog.site_id, Chosen("unbiased"), by="test", now=datetime.now(UTC))
    assert blog.judged(CIVIL).status == "approved"


def test_a_worker_starts_and_asks_a_human_where_the_installations_model_is_missing(
    blog: Any, models: Any, tmp_path: Path
) -> None:
    (tmp_path / "use.json").write_text('{"name": "unbiased"}')
    receipt = blog.submit(CIVIL)
    blog.worker(score=Models.on(Shelf(tmp_path), models.spam)).drain()
    assert blog.view(receipt.comment_id).status == "flagged"


def test_a_damaged_model_is_a_missing_one(blog: Any, models: Any, tmp_path: Path) -> None:
    (tmp_path / "unbiased").mkdir()
    (tmp_path / "unbiased" / "model.json").write_text("{}")
    (tmp_path / "use.json").write_text('{"name": "unbiased"}')
    with pytest.raises(ModelMissing, match="does not load"):
        Shelf(tmp_path).scorer()
    assert Models.on(Shelf(tmp_path), models.spam)(CIVIL).values is None


def test_choosing_a_model_keeps_the_other_settings(blog: Any) -> None:
    with blog.database.transaction() as session:
        choosing.change_settings(session, blog.site_id, {"region": "DE"}, by="test", now=datetime.now(UTC))
        choosing.use(session, blog.site_id, Chosen("multilingual"), by="test", now=datetime.now(UTC))
        settings = policies.in_force(session, blog.site_id).settings
    assert settings == {"region": "DE", "models": {"live": {"name": "multilingual", "engine": "onnx"}}}


def test_settings_that_name_no_model_are_never_stored(blog: Any) -> None:
    with blog.database.transaction() as session, pytest.raises(Refused):
        policies.add_version(
            session, blog.site_id, Subject.SETTINGS, "settings", {"models": {"live": 1}}, by="test", now=datetime.now(UTC)
        )


def test_a_pinned_version_that_is_gone_gives_not_even_the_spam_score(models: Any) -> None:
    gone = models(CIVIL, SiteModels(Chosen(version="bundled-1+00000000")))
    assert (gone.values, gone.spam) == (None, None)
    assert models(CIVIL, SiteModels(Chosen("unbiased"))).spam is not None


def test_a_pin_keeps_the_model_and_taking_it_back_does_too(blog: Any, models: Any) -> None:
    now = datetime.now(UTC)
    present = Chosen(version=models.toxicity.version)
    with blog.database.transaction() as session:
        with pytest.raises(Refused, match="bundled-9 is not installed"):
            choosing.pin(session, blog.site_id, "bundled-9", installed=present, by="test", now=now)
        choosing.pin(session, blog.site_id, models.toxicity.version, installed=present, by="test", now=now)
        choosing.run_beside(session, blog.site_id, Chosen("unbiased"), by="test", now=now)
        assert choosing.models(session, blog.site_id) == SiteModels(present, Chosen("unbiased"))
        choosing.unpin(session, blog.site_id, by="test", now=now)
        assert choosing.models(session, blog.site_id) == SiteModels(Chosen(), Chosen("unbiased"))


@pytest.mark.parametrize(("then", "status"), [(None, Status.APPROVED), (Chosen("unbiased"), Status.FLAGGED)])
def test_a_model_that_the_site_chose_away_while_it_was_asked_decides_nothing(
    blog: Any, models: Any, then: Chosen | None, status: Status
) -> None:
    def score(text: str, chosen: SiteModels) -> Scored:
        scored: Scored = models(text, chosen)
        if then is not None:
            use(blog, then)
        return scored

    asked = Submission(
        post=PostReference(id="p-1", url="https://blog.example/p-1"),
        author=AuthorClaim(id="u-1", name="Ada"),
        body=CIVIL,
    )
    found = admission.admit(blog.database, score, blog.site_id, asked, door="test", secret=SECRET, now=datetime.now(UTC))
    assert found.status is status
