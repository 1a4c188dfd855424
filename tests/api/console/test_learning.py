"""The page of what was learnt: everybody reads it, editors make it forget, after a second press."""

from typing import Any

import pytest

from moderation.models import Subject
from moderation.services import learning, sites
from tests.api.console.conftest import SignIn
from tests.moderation.services.lessons_of import taught


@pytest.fixture
def site_id(door: Any) -> Any:
    with door.runtime.database.reading() as session:
        return sites.find(session, "blog").id


def test_the_overview_leads_to_what_was_learnt(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("auditor")
    browser.open("/console/overview")
    assert "/console/learning" in browser.page.links  # type: ignore[union-attr]
    page = browser.open("/console/learning")
    assert "Nothing was learnt: no decision of a person says spam or no spam." in page.text
    assert "Forget it" not in page.text


def test_an_editor_makes_the_site_forget(door: Any, sign_in: SignIn, site_id: Any) -> None:
    taught(door.runtime.database, site_id)
    browser = sign_in("editor")
    page = browser.open("/console/learning")
    assert "Learnt from 24 decisions of people: 12 spam, 12 no spam (24 held by the policy)." in page.text
    assert "It is used" in page.text
    page = browser.send("/learning/reset")
    assert "It was reset, and begins anew with what is decided from now on." in page.text
    assert "Forgotten." in page.text
    with door.runtime.database.reading() as session:
        found = {each.subject: each for each in learning.standing(session, site_id)}
    assert not found[Subject.SPAM_LAYER].used


def test_a_moderator_sees_it_and_cannot_reset(door: Any, sign_in: SignIn, site_id: Any) -> None:
    taught(door.runtime.database, site_id)
    page = sign_in("moderator").open("/console/learning")
    assert "It is used" in page.text
    assert [form.action for form in page.forms if "reset" in form.action] == []


@pytest.mark.parametrize("layer", ["", "policy", "settings", "spam"])
def test_only_a_layer_can_be_reset(sqlite_door: Any, sqlite_sign_in: SignIn, layer: str) -> None:
    browser = sqlite_sign_in("editor")
    assert browser.page is not None
    token = browser.page.form("/logout").fields["csrf"]
    answer = browser.client.post("/console/learning/reset", data={"csrf": token, "layer": layer})
    assert answer.status_code == 422
