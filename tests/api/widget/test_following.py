"""The box in the form, and the pages behind an author's letters: opening them changes nothing, their button does."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from sqlalchemy import select

from api.widget import texts
from moderation.models import Follower, Following
from moderation.services import followers, logins, sites
from tests.api.conftest import ABUSIVE, ORIGIN, SECRET, Door, open_door, settings
from tests.api.console.conftest import Page


@pytest.fixture
def mailing(tmp_path: Path, database_url: str) -> Iterator[Door]:
    """An installation with a mail server."""
    yield from open_door(settings(tmp_path, database_url, smtp_url="smtp://localhost", mail_from="comments@blog.example"))


def found(door: Door) -> list[tuple[Follower, str]]:
    with door.runtime.database.reading() as session:
        rows = session.execute(select(Follower, Following.language).join(Following, Following.follower_id == Follower.id))
        return [(follower, language) for follower, language in rows]


def asked(door: Door, *, key: str = "secret", **headers: str) -> Any:
    body = {
        "post": {"url": f"{ORIGIN}/arms"},
        "author": {"name": "Ada", "email": "ada@reader.example"},
        "body": ABUSIVE,
        "notify": True,
    }
    return door.post("/v1/comments", body, key=key, headers={"Origin": ORIGIN, **headers})


def test_a_browser_asks_for_mail_in_its_readers_language(mailing: Door) -> None:
    answer = asked(mailing, key="publishable", **{"Accept-Language": "fr-CA"})
    assert answer.status_code == 202
    assert [language for _, language in found(mailing)] == ["fr"]
    assert "reader.example" not in answer.text


def test_a_reader_whose_address_the_blog_vouches_for_is_not_asked_by_mail(mailing: Door) -> None:
    now = int(time.time())
    said = {"iss": ORIGIN, "aud": "blog", "sub": "7", "email": "ann@reader.example", "email_verified": True, "exp": now + 600}
    with mailing.runtime.database.reading() as session:
        secret = logins.secret_of(SECRET, sites.find(session, "blog").id)
    body = {"post": {"url": f"{ORIGIN}/arms"}, "author": {}, "body": ABUSIVE, "notify": True}
    headers = {"Origin": ORIGIN, "Author-Login": jwt.encode(said, secret, "HS256")}
    assert mailing.post("/v1/comments", body, key="publishable", headers=headers).status_code == 202
    ((follower, _),) = found(mailing)
    assert (follower.confirmed_at is not None, follower.asked_at) == (True, None)


def test_a_blogs_server_asks_in_the_sites_language_alone_and_in_a_batch(mailing: Door) -> None:
    assert asked(mailing, **{"Accept-Language": "fr"}).status_code == 202
    item = mailing.comment(author={"name": "Bo", "email": "bo@reader.example"}, notify=True)
    assert mailing.post("/v1/comments/batch", {"items": [item]}).json["items"][0]["status"] == 202
    assert [language for _, language in found(mailing)] == ["en", "en"]


def test_without_a_mail_server_no_address_is_kept(sqlite_door: Door) -> None:
    assert asked(sqlite_door).status_code == 202
    assert found(sqlite_door) == []


def test_mail_without_an_address_is_a_422_that_says_so(mailing: Door) -> None:
    answer = mailing.post("/v1/comments", mailing.comment(notify=True))
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/author/email")
    assert mailing.post("/v1/comments", mailing.comment(notify="yes")).status_code == 422


def test_the_form_without_script_offers_it_where_there_is_a_mail_server(mailing: Door) -> None:
    page = Page(mailing.client.get(f"/s/blog/comments?url={ORIGIN}/arms&lang=es"))
    fields = {name: value for name, value in page.form("lang=es#write").fields.items() if name not in {"notify", ""}} | {
        "name": "Ada",
        "email": "ada@reader.example",
        "body": ABUSIVE,
    }
    assert ("input", "notify") in [(tag, given.get("name")) for tag, given in page.elements]
    answer = mailing.client.post("/s/blog/comments?lang=es", data={**fields, "notify": "true"})
    assert answer.status_code == 303
    assert [language for _, language in found(mailing)] == ["es"]


def test_the_script_has_the_words_where_there_is_a_mail_server(mailing: Door) -> None:
    assert mailing.get("/embed/texts/en.json", key=None).json["form"]["mail"] == texts.texts("en")["form"]["mail"]


def test_without_a_mail_server_nothing_is_offered(sqlite_door: Door) -> None:
    page = Page(sqlite_door.client.get(f"/s/blog/comments?url={ORIGIN}/arms"))
    assert "notify" not in [given.get("name") for _, given in page.elements]
    assert "mail" not in sqlite_door.get("/embed/texts/en.json", key=None).json["form"]


@pytest.fixture
def link(mailing: Door) -> str:
    asked(mailing)
    ((follower, _),) = found(mailing)
    return followers.address("", followers.token_of(SECRET, follower.id))


def test_yes_is_a_button_and_opening_the_page_is_none(mailing: Door, link: str) -> None:
    for _ in range(2):
        page = Page(mailing.client.get(link))
        assert (page.status, "Shall we mail you" in page.text) == (200, True)
    assert found(mailing)[0][0].confirmed_at is None
    page = Page(mailing.client.post(page.forms[0].action))
    assert "Thank you. We will mail you." in page.text
    assert found(mailing)[0][0].confirmed_at is not None
    assert "Thank you. We will mail you." in Page(mailing.client.get(link)).text


def test_stop_is_a_button_and_a_mail_programs_one_click(mailing: Door, link: str) -> None:
    mailing.client.post(link)
    assert "Shall we stop" in Page(mailing.client.get(f"{link}/stop")).text
    assert len(found(mailing)) == 1
    answer = mailing.client.post(
        f"{link}/stop",
        data={"List-Unsubscribe": "One-Click"},
        headers={"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert (answer.status_code, "Set-Cookie" in answer.headers) == (200, False)
    assert found(mailing) == []
    assert "have forgotten your address" in Page(mailing.client.get(link)).text
    assert mailing.client.post(f"{link}/stop").status_code == 200
    assert "have forgotten your address" in Page(mailing.client.post(link)).text


@pytest.mark.parametrize("token", ["x", "é", "%00", "a" * 43, "a" * 300])
@pytest.mark.parametrize("end", ["", "/stop"])
def test_a_token_that_is_none_opens_nothing(sqlite_door: Door, token: str, end: str) -> None:
    for answer in (sqlite_door.client.get(f"/f/{token}{end}"), sqlite_door.client.post(f"/f/{token}{end}")):
        assert answer.status_code == 404


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_pages_speak_each_language(mailing: Door, link: str, language: str) -> None:
    page = Page(mailing.client.get(f"{link}?lang={language}"))
    assert texts.texts(language)["mail"]["ask"].format(site="blog") in page.text
