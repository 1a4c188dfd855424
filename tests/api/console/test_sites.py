"""Several sites with one password: going on in another one."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from moderation.models import ConsoleSession, Role
from moderation.services import signing_in, sites
from tests.api.console.conftest import SignIn

EMAIL = "moderator@blog.example"


def invite(door: Any, role: Role = Role.EDITOR) -> None:
    """Give the moderator of one site a role in the other."""
    with door.runtime.database.transaction() as session:
        other = sites.find(session, "other")
        sites.add_member(session, other.id, email=EMAIL, name="Moderator", role=role, by="test", now=datetime.now(UTC))


def test_one_goes_on_in_another_site_and_back_without_signing_in_anew(door: Any, sign_in: SignIn) -> None:
    invite(door)
    browser = sign_in()
    assert "Go on in other" in browser.open("/console/queue").text
    page = browser.send("/site", site="other")
    assert (page.status, "Moderator moderator@blog.example, editor" in page.text) == (200, True)
    assert "Go on in blog" in page.text
    page = browser.send("/site", site="blog")
    assert "Moderator moderator@blog.example, moderator" in page.text


def test_the_session_that_was_left_has_ended_and_the_new_one_ends_when_it_would_have(door: Any, sign_in: SignIn) -> None:
    invite(door)
    browser = sign_in()
    cookie = browser.client.get_cookie("__Host-tidegate")
    assert cookie is not None
    hours_ago = datetime.now(UTC) - signing_in.LONGEST + timedelta(minutes=5)
    with door.runtime.database.transaction() as session:
        session.execute(update(ConsoleSession).values(created_at=hours_ago))
    browser.open("/console/queue")
    browser.send("/site", site="other")
    left = door.app.test_client().get("/console/queue", headers={"Cookie": f"__Host-tidegate={cookie.value}"})
    assert (left.status_code, left.location) == (303, "/console/login")
    with door.runtime.database.reading() as session:
        begun = session.scalars(select(ConsoleSession.created_at).where(ConsoleSession.ended_at.is_(None))).all()
    assert begun == [hours_ago]


def test_who_has_no_role_there_stays_here(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    browser = sqlite_sign_in()
    page = browser.open("/console/queue")
    assert "Go on in" not in page.text
    csrf = page.forms[0].fields["csrf"]
    for site in ("other", "nowhere"):
        assert browser.client.post("/console/site", data={"csrf": csrf, "site": site}).status_code == 404
    assert browser.open("/console/queue").status == 200
