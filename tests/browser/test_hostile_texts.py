"""Texts made to run something stay texts: each of ``VECTORS`` in every field that a stranger fills, on every page that shows it.

The watch of every page fails a test for a dialog, a violated policy, and a request that nobody expected; here each text is also
compared, letter by letter, with what was sent. Of an author's own page, which readers may not ask for so often, all are parsed
and some are opened.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from api.demo_blog.articles import ARTICLES
from moderation.ids import read, show
from moderation.models import Case, Role
from moderation.policy.verdict import Verdict
from moderation.services import authorship, desk, reports, review, sites
from tests.api.conftest import SECRET
from tests.browser.conftest import Blog, OpenContext, Watch
from tests.browser.vectors import VECTORS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

HARMLESS = "A harmless text of the same page."
TEXTS = """(selector) => [...document.querySelectorAll(selector)].map((found) => found.textContent)"""
HOMES = """() => [...document.querySelectorAll(".comment .who > a:has(bdi)")].map((found) => found.getAttribute("href"))"""
SECTION = """() => [...document.querySelector("tidegate-comments").shadowRoot.querySelectorAll("[part=comment]")].map((found) => [
  found.querySelector("bdi").textContent,
  found.querySelector("[part=body]").textContent,
  found.querySelector(".who a").getAttribute("href"),
])"""
CARD = """() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((found) => found.textContent);
  return {
    name: document.querySelector("#card-title bdi").textContent,
    body: document.querySelector(".card > .body").textContent,
    parent: texts(".parent bdi:not(.hidden), .parent .words"),
    post: texts(".card header .meta bdi, .around > p > bdi:not(.hidden)"),
    excerpt: document.querySelector(".around > .words").textContent,
    report: texts(".why li").at(-1),
    note: document.querySelector(".history q").textContent,
  };
}"""


def home_of(vector: str) -> str:
    """Return the address of a home page, which may hold no space."""
    return f"https://reader.example/?{vector.replace(' ', '/')}"


def slices(whole: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Cut a sequence into pieces of a size."""
    return (whole[place : place + size] for place in range(0, len(whole), size))


def sent(blog: Blog, comments: Sequence[dict[str, Any]]) -> list[UUID]:
    """Send comments as the blog's server does, let them be judged, and approve them all; returns their ids."""
    door = blog.installation.door
    ids: list[UUID] = []
    for some in slices(comments, 100):
        answer = door.post("/v1/comments/batch", {"items": some}, key=blog.keys.secret_key)
        assert answer.status_code in {200, 202, 207}, answer.text
        ids += [read("comment", each["comment"]["id"]) for each in answer.json["items"]]
    while door.get("/v1/comments?status=pending&limit=1", key=blog.keys.secret_key).json["items"]:
        time.sleep(0.05)
    runtime = door.runtime
    with runtime.database.transaction() as session:
        site = sites.find(session, blog.keys.site)
        editor = sites.add_member(
            session, site.id, email="e@x.example", name="Editor", role=Role.EDITOR, by="test", now=runtime.clock.now()
        )
        for comment_id in ids:
            review.decide(
                session,
                site.id,
                comment_id,
                verdict=Verdict.APPROVE,
                revision=1,
                decision_seq=1,
                user_id=editor.id,
                cause=f"test {comment_id}",
                note="",
                now=runtime.clock.now(),
            )
    return ids


def quarters() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return the demo blog's articles with the texts below each."""
    return ((article.slug, VECTORS[place :: len(ARTICLES)]) for place, article in enumerate(ARTICLES))


@pytest.fixture
def discussed(blog: Blog) -> Blog:
    """A blog with every text in a comment below one of its articles: as body, name and home page."""
    discuss(blog)
    return blog


def discuss(blog: Blog, *, every: int = 1) -> None:
    """Send every text, or each so many, as a comment below one of the articles."""
    sent(
        blog,
        [
            {
                "post": {"id": slug, "url": f"{blog.url}/{slug}"},
                "author": {"id": f"{slug}-{number}", "name": vector, "url": home_of(vector)},
                "body": vector,
            }
            for slug, vectors in quarters()
            for number, vector in enumerate(vectors[::every])
        ],
    )


def test_in_the_comment_section_and_the_demo_blog(discussed: Blog, person: OpenContext) -> None:
    reader, without_script = person().new_page(), person(java_script_enabled=False).new_page()
    for slug, vectors in quarters():
        reader.goto(f"{discussed.url}/{slug}")
        more = reader.get_by_role("button", name="Show more comments")
        for seen in (50, 100):
            expect(reader.locator("[part=comment]")).to_have_count(min(seen, len(vectors)))
            if seen < len(vectors):
                more.click()
        assert Counter(map(tuple, reader.evaluate(SECTION))) == Counter((each, each, home_of(each)) for each in vectors)
        without_script.goto(f"{discussed.url}/{slug}")
        shown = without_script.locator("tidegate-comments .comment")
        assert shown.locator(".body").all_text_contents() == list(vectors[:50])
        assert shown.locator("bdi").all_text_contents() == list(vectors[:50])


def test_on_the_page_without_script_and_in_feeds(discussed: Blog, page: Page, watch: Watch) -> None:
    # A feed names no icon, so the browser asks where there is none.
    watch.expects("favicon.ico|status of 404")
    client = discussed.installation.door.client
    for slug, vectors in quarters():
        place = f"/s/{discussed.keys.site}"
        query = urlencode({"post": slug, "url": f"{discussed.url}/{slug}"})
        page.goto(f"{discussed.installation.url}{place}/comments?{query}")
        bodies, names, homes = [], [], []
        while True:
            bodies += page.evaluate(TEXTS, ".comment .body")
            names += page.evaluate(TEXTS, ".comment .who bdi")
            homes += page.eval_on_selector_all(
                ".comment .who > a:has(bdi)", "(all) => all.map((each) => each.getAttribute('href'))"
            )
            onward = page.get_by_role("link", name="Show more comments")
            if not onward.count():
                break
            onward.click()
        assert (bodies, names, homes) == (list(vectors), list(vectors), [home_of(each) for each in vectors])
        newest = list(reversed(vectors))[:50]
        feed = json.loads(client.get(f"{place}/feed.json?{query}").data)
        assert [each["content_text"] for each in feed["items"]] == newest
        atom = "{http://www.w3.org/2005/Atom}"
        entries = ET.fromstring(client.get(f"{place}/feed.atom?{query}").data).findall(f"{atom}entry")
        assert [each.findtext(f"{atom}content") for each in entries] == newest
        assert [each.findtext(f"{atom}author/{atom}name") for each in entries] == newest
        page.goto(f"{discussed.installation.url}{place}/feed.atom?{query}")


@pytest.fixture
def reported(blog: Blog) -> list[str]:
    """Open cases, by their addresses, with every text as a post, its comment, a reply to that, a report and a note."""
    door = blog.installation.door
    posts = [
        {"id": f"p{number}", "url": f"{blog.url}/{number}", "title": vector, "excerpt": vector, "author_names": [vector]}
        for number, vector in enumerate(VECTORS)
    ]
    authors = [{"id": vector, "name": vector, "url": home_of(vector)} for vector in VECTORS]
    written = list(zip(posts, authors, VECTORS, strict=True))
    parents = sent(blog, [{"post": post, "author": author, "body": body} for post, author, body in written])
    replies = sent(
        blog,
        [
            {"post": post, "author": author, "body": body, "parent_id": show("comment", parent)}
            for (post, author, body), parent in zip(written, parents, strict=True)
        ],
    )
    now = door.runtime.clock.now()
    with door.runtime.database.transaction() as session:
        site = sites.find(session, blog.keys.site)
        for number, (vector, reply) in enumerate(zip(VECTORS, replies, strict=True)):
            reports.report(session, site.id, reply, reason=1, note=vector, reporter=(number.to_bytes(16),), now=now)
        session.flush()
        editor = sites.members(session, site.id)[0][0]
        cases = {case.comment_id: case.id for case in session.scalars(select(Case).where(Case.closed_at.is_(None)))}
        for vector, reply in zip(VECTORS, replies, strict=True):
            desk.keep_note(session, site.id, cases[reply], body=vector, user_id=editor.id, now=now)
    return [f"{blog.installation.url}/console/queue?case={show('case', cases[reply])}" for reply in replies]


@pytest.mark.slow
def test_in_the_console(blog: Blog, reported: list[str], page: Page) -> None:
    page.goto(blog.keys.login_url)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#card-title")).to_be_visible()
    # One page is answered while the browser is still at work on the others.
    pages = [page, *(page.context.new_page() for _ in range(3))]
    for some in slices(list(zip(VECTORS, reported, strict=True)), len(pages)):
        for each, (_, address) in zip(pages, some, strict=False):
            each.goto(address, wait_until="commit")
        for each, (vector, _) in zip(pages, some, strict=False):
            each.wait_for_load_state("load")
            look_at_the_card(each, vector)
    page.goto(f"{blog.installation.url}/console/posts")
    assert page.evaluate(TEXTS, ".found h2 bdi") == list(reversed(VECTORS))[:30]
    for vector in [each for each in VECTORS if len(each) <= 200 and each.isprintable()][::25]:
        page.goto(f"{blog.installation.url}/console/sweep?{urlencode({'words': vector})}")
        assert page.evaluate(TEXTS, ".hint bdi") == [vector]
        assert vector in page.evaluate(TEXTS, ".tick .words")
        assert vector in page.evaluate(TEXTS, ".tick strong bdi")


def look_at_the_card(page: Page, vector: str) -> None:
    """Compare what a card shows with what was sent."""
    card = page.evaluate(CARD)
    report = card.pop("report")
    assert card == {
        "name": vector,
        "body": vector,
        "parent": [vector, vector],
        "post": [vector, vector],
        "excerpt": vector,
        "note": vector,
    }
    assert report.endswith(f"“{vector}”")


class Skeleton(HTMLParser):
    """A page as its elements with the names of their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_on_the_authors_own_page(blog: Blog, page: Page) -> None:
    discuss(blog, every=3)
    client = blog.installation.door.client
    comments = blog.comments(limit="100")
    assert len(comments) == 100
    (harmless,) = sent(blog, [{"post": {"id": "x", "url": f"{blog.url}/x"}, "author": {"name": "Ada"}, "body": HARMLESS}])

    def address(comment_id: UUID) -> str:
        return f"/c/{authorship.token_of(SECRET, comment_id)}?lang=en"

    expected = Skeleton(client.get(address(harmless)).text).elements
    for number, comment in enumerate(comments):
        where = address(read("comment", comment["id"]))
        found = Skeleton(client.get(where, environ_overrides={"REMOTE_ADDR": f"198.51.100.{number}"}).text)
        assert found.elements == expected
        assert found.text.count(comment["body"]) == 2
        if number % 10 == 0:
            page.goto(blog.installation.url + where)
            assert page.evaluate(TEXTS, "blockquote") == [comment["body"]]
            assert page.locator("textarea").input_value() == comment["body"]


def test_in_what_the_demo_blog_was_told(blog: Blog, page: Page) -> None:
    for some in slices(VECTORS, 50):
        for vector in some:
            blog.told(VECTORS.index(vector), type=vector, timestamp=vector, comment=vector, post=vector, seq=vector)
        page.goto(f"{blog.url}/received")
        assert page.evaluate(TEXTS, "tbody td")[: 5 * len(some)] == [vector for vector in reversed(some) for _ in range(5)]
