"""Coming in by a link that opens once, staying in by a session, going out; and what another site's page cannot make us do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from api.auth import PERMISSIONS, permission_of
from api.console.door import HEADERS
from moderation.models import ConsoleSession, Role, SignInLink
from moderation.services import housekeeping, signing_in, sites
from moderation.services.signing_in import BadLink
from tests.api.console.conftest import Browser, Page, SignIn, link_for
from tests.api.test_permissions import IDS, path_of, routes

CONSOLE_IDS = {
    **IDS,
    "name": "console.css",
    "post_id": "post_" + "0" * 32,
    "user_id": "usr_" + "0" * 32,
    "key_id": "key_" + "0" * 32,
    "batch": "0" * 32,
    "message_id": "msg_" + "0" * 32,
    "chat_id": "chat_" + "0" * 32,
}


def test_the_bare_address_leads_to_the_console(sqlite_door: Any) -> None:
    answer = sqlite_door.client.get("/")
    assert (answer.status_code, answer.location) == (303, "/console")


def test_a_link_signs_in_once(door: Any) -> None:
    link = link_for(door, "moderator")
    browser = Browser(door.app.test_client())
    assert "as Moderator of blog" in browser.open(link).text
    assert "as Moderator of blog" in browser.open(link).text, "looking at the link does not spend it"
    assert "Nothing is waiting." in browser.send("/login").text
    second = Browser(door.app.test_client())
    page = second.open(link)
    assert (page.status, [form for form in page.forms if form.fields.get("token")]) == (403, [])
    assert "used already" in page.text
    assert "Sign in" in second.open("/console/queue").text


def test_of_many_who_spend_a_link_at_once_one_comes_in(door: Any) -> None:
    token = link_for(door, "moderator").rpartition("token=")[2]

    def attempt(_: int) -> bool:
        try:
            door.runtime.database.transact(lambda session: signing_in.redeem(session, token, now=datetime.now(UTC)))
        except BadLink:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


@pytest.mark.parametrize("token", ["", "x", "é", "%00", "a" * 300])
def test_a_token_that_is_none_opens_nothing(sqlite_door: Any, token: str) -> None:
    page = Page(sqlite_door.client.get(f"/console/login?token={token}"))
    assert page.status in {200, 403, 422}
    assert [form for form in page.forms if form.fields.get("token")] == []


def test_an_old_link_opens_nothing(sqlite_door: Any) -> None:
    link = link_for(sqlite_door, "admin", now=datetime.now(UTC) - signing_in.LINK - timedelta(seconds=1))
    assert sqlite_door.client.get(link).status_code == 403


def test_guessing_links_is_slowed_down(sqlite_door: Any) -> None:
    codes = {sqlite_door.client.get(f"/console/login?token=guess{number}").status_code for number in range(40)}
    assert codes == {403, 429}


def test_a_session_ends_with_its_role_its_time_and_its_owner(door: Any, sign_in: SignIn) -> None:
    leaving, idle, fired = sign_in(), sign_in("editor"), sign_in("auditor")
    leaving.send("/logout")
    with door.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        people = {role: user.id for user, role in sites.members(session, site.id)}
        sites.remove_member(session, site.id, people[Role.AUDITOR], by="test", now=datetime.now(UTC))
        session.execute(
            update(ConsoleSession)
            .where(ConsoleSession.user_id == people[Role.EDITOR])
            .values(seen_at=datetime.now(UTC) - signing_in.IDLE)
        )
    for browser in (leaving, idle, fired):
        answer = browser.client.get("/console/queue")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login")
    scripted = idle.client.get("/console/queue", headers={"HX-Request": "true"})
    assert (scripted.status_code, scripted.headers["HX-Redirect"]) == (401, "/console/login")


def test_a_used_session_lives_on(door: Any, sign_in: SignIn) -> None:
    browser = sign_in()
    earlier = datetime.now(UTC) - timedelta(minutes=10)
    with door.runtime.database.transaction() as session:
        session.execute(update(ConsoleSession).values(seen_at=earlier))
    browser.open("/console/queue")
    with door.runtime.database.reading() as session:
        assert session.scalars(select(ConsoleSession.seen_at)).one() > earlier + timedelta(minutes=9)


def test_what_is_over_is_tidied_away(door: Any, sign_in: SignIn) -> None:
    sign_in()
    with door.runtime.database.transaction() as session:
        housekeeping.tidy(session, now=datetime.now(UTC) + timedelta(days=2))
    with door.runtime.database.reading() as session:
        assert session.scalars(select(SignInLink)).all() == []
        assert session.scalars(select(ConsoleSession)).all() == []


def test_only_hashes_are_kept(door: Any, sign_in: SignIn) -> None:
    cookie = sign_in().client.get_cookie("tidegate", path="/") or None
    with door.runtime.database.reading() as session:
        stored = [*session.scalars(select(ConsoleSession.digest)), *session.scalars(select(SignInLink.digest))]
    assert {len(digest) for digest in stored} == {32}
    assert cookie is None, "over https the cookie has the prefix that keeps other hosts from setting it"


def test_the_cookie_is_for_the_browser_alone(sqlite_door: Any) -> None:
    browser = Browser(sqlite_door.app.test_client())
    fields = browser.open(link_for(sqlite_door, "moderator")).form("/login").fields
    set_cookie = browser.client.post("/console/login", data=fields).headers["Set-Cookie"]
    assert set_cookie.startswith("__Host-tidegate=")
    assert all(part in set_cookie for part in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"))


# ------------------------------------------------------------------------------------------------ forged requests


def posts(door: Any) -> list[str]:
    return [path_of(rule, CONSOLE_IDS) for rule, method in routes(door.app, console=True) if method == "POST"]


def test_no_form_is_taken_without_the_sessions_token(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    mine, other = sqlite_sign_in(), sqlite_sign_in("editor")
    assert other.page is not None
    foreign = other.page.form("/logout").fields["csrf"]
    for path in posts(sqlite_door):
        if path in {"/console/login", "/console/letter"}:
            continue
        for token in ({}, {"csrf": ""}, {"csrf": "é"}, {"csrf": foreign}):
            page = Page(mine.client.post(path, data=token))
            assert page.status == 403, path
            assert "out of date" in page.text
        assert mine.client.post(path, headers={"X-CSRF-Token": foreign}).status_code == 403
    assert mine.client.get("/console/queue").status_code == 200, "none of them signed anybody out"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_no_form_is_taken_from_another_origin(sqlite_door: Any, sqlite_sign_in: SignIn, headers: dict[str, str]) -> None:
    browser = sqlite_sign_in()
    assert browser.page is not None
    fields = browser.page.form("/logout").fields
    for path in posts(sqlite_door):
        page = Page(browser.client.post(path, data=fields, headers=headers))
        assert (page.status, "another site" in page.text) == (403, True), path


def test_a_form_from_our_own_page_is_taken(sqlite_sign_in: SignIn) -> None:
    for headers in ({"Origin": "https://tidegate.example"}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
        browser = sqlite_sign_in()
        assert browser.page is not None
        answer = browser.client.post("/console/logout", data=browser.page.form("/logout").fields, headers=headers)
        assert answer.status_code == 303


# ---------------------------------------------------------------------------------------------------- permissions


def test_each_role_may_do_in_the_console_what_the_table_says(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    seen = 0
    for role in Role:
        browser = sqlite_sign_in(role)
        assert browser.page is not None
        token = browser.page.form("/logout").fields["csrf"]
        for rule, method in routes(sqlite_door.app, console=True):
            permission = permission_of(sqlite_door.app, rule.endpoint, method)
            if permission not in PERMISSIONS or rule.rule == "/console/logout":
                continue
            answer = browser.client.open(path_of(rule, CONSOLE_IDS), method=method, headers={"X-CSRF-Token": token})
            assert (answer.status_code != 403) == (role in PERMISSIONS[permission]), f"{method} {rule.rule} as {role}"
            assert answer.status_code < 500
            seen += 1
    assert seen >= 4 * 7


def test_keys_open_no_page_of_the_console(sqlite_door: Any) -> None:
    for rule, method in routes(sqlite_door.app, console=True):
        if permission_of(sqlite_door.app, rule.endpoint, method) in PERMISSIONS:
            for holder in ("secret", "admin"):
                answer = sqlite_door.call(method, path_of(rule, CONSOLE_IDS), key=holder)
                assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login")


def test_who_only_reads_sees_no_button(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    page = sign_in("auditor").open("/console/queue")
    assert held["body"] in page.text
    assert [form.action for form in page.forms] == ["/console/logout"]


# -------------------------------------------------------------------------------------------------------- headers


def test_every_page_forbids_what_it_does_not_need(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    browser = sqlite_sign_in()
    for path in ("/console/queue", "/console/login", "/console/queue?tab=x", "/console/static/console.js"):
        answer = browser.client.get(path)
        answer.close()
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert browser.client.get("/console/queue").headers["Cache-Control"] == "no-store"


def test_files_are_named_by_their_contents_and_kept_for_good(sqlite_sign_in: SignIn) -> None:
    browser = sqlite_sign_in()
    page = browser.open("/console/queue")
    named = [value for tag, given in page.elements for name, value in given.items() if name in {"src", "href"} and tag != "a"]
    assert len(named) == 4
    for address in named:
        answer = browser.client.get(address)
        answer.close()
        assert (answer.status_code, "immutable" in answer.headers["Cache-Control"]) == (200, True)
    assert browser.client.get("/console/static/../door.py").status_code == 404
