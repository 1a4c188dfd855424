"""The box for mail in the comment section: for whoever types an address, and for readers whom the blog vouches for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from moderation.models import Follower
from moderation.services import logins, sites
from tests.api.conftest import SECRET, open_door, settings
from tests.browser.conftest import Blog, Installation, OpenContext, serving

pytestmark = pytest.mark.browser

BOX = "Mail me what becomes of it, and answers"
CIVIL = "I disagree with the treaty, but thank you for this clear article."


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str) -> Iterator[Installation]:
    """An installation with a mail server."""
    with serving() as server:
        url = f"http://localhost:{server.port}"
        given = settings(tmp_path, sqlite_url, public_url=url, smtp_url="smtp://localhost", mail_from="comments@blog.example")
        with contextmanager(open_door)(given) as door:
            server.begin(door.app)
            with door.working():
                yield Installation(door, url)
            server.end()


def open_as(page: Page, blog: Blog, **claims: object) -> None:
    """Open the article as the blog serves it to a reader who is signed in there."""
    with blog.installation.door.runtime.database.reading() as session:
        secret = logins.secret_of(SECRET, sites.find(session, blog.keys.site).id)
    said = {"iss": blog.url, "aud": blog.keys.site, "sub": "7", "name": "Ann", "exp": int(time.time()) + 600, **claims}
    token = jwt.encode(said, secret, "HS256")

    # The blog would write it into its page; here it is there before the script is.
    page.add_init_script(
        "new MutationObserver(() => { const script = document.querySelector('script[data-site]');"
        f" if (script) script.dataset.login = '{token}' }}).observe(document, {{ childList: true, subtree: true }})"
    )
    page.goto(blog.article)
    expect(page.get_by_text("You write as Ann.")).to_be_visible()


def asked(blog: Blog) -> list[bool]:
    """Return for each address that is to be mailed whether it is confirmed."""
    with blog.installation.door.runtime.database.reading() as session:
        return [each.confirmed_at is not None for each in session.scalars(select(Follower))]


def send(page: Page) -> None:
    page.get_by_role("textbox", name="Your comment").fill(CIVIL)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("Published. Thank you for joining in.")).to_be_visible()


def test_a_reader_whose_address_the_blog_vouches_for_ticks_the_box_and_that_is_all(blog: Blog, person: OpenContext) -> None:
    page = person().new_page()
    open_as(page, blog, email="ann@reader.example", email_verified=True)
    expect(page.get_by_text("We write to ann@reader.example.")).to_be_visible()
    page.get_by_label(BOX).check()
    send(page)
    assert asked(blog) == [True]


def test_a_reader_whose_address_the_blog_only_names_is_asked_at_that_address_first(blog: Blog, person: OpenContext) -> None:
    page = person().new_page()
    open_as(page, blog, email="ann@reader.example")
    expect(page.get_by_text("First we ask at the address whether it is yours.")).to_be_visible()
    page.get_by_label(BOX).check()
    send(page)
    assert asked(blog) == [False]


def test_a_reader_whose_address_nobody_knows_is_offered_no_mail(blog: Blog, person: OpenContext) -> None:
    page = person().new_page()
    open_as(page, blog)
    expect(page.get_by_label(BOX)).to_have_count(0)
    send(page)
    assert asked(blog) == []
