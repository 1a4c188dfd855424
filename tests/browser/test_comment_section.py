"""The comment section in a real browser: two origins, the demo blog's own policy, and readers of every kind."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from api.demo_blog.articles import ARTICLES
from tests.api.conftest import ABUSIVE, CIVIL
from tests.browser.conftest import PHONE, Blog, OpenContext, Watch, check_for_everybody, fits

pytestmark = pytest.mark.browser

ARTICLE = ARTICLES[0]
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"


def write(page: Page, body: str, name: str = "Ada") -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("textbox", name="Your comment").fill(body)
    page.get_by_role("button", name="Send").click()


def status(page: Page) -> Any:
    return page.locator("[part=status]")


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def reader(blog: Blog, page: Page) -> Page:
    """A reader on the article's page."""
    page.goto(blog.article)
    expect(page.get_by_role("heading", name="No comments")).to_be_visible()
    return page


def test_a_civil_comment_is_public_within_a_second_or_so(blog: Blog, reader: Page) -> None:
    write(reader, CIVIL)
    expect(status(reader)).to_have_text("Published. Thank you for joining in.")
    expect(reader.locator("[part=body]")).to_have_text(CIVIL)
    expect(reader.get_by_role("heading", name="1 comment")).to_be_visible()
    check_for_everybody(reader)
    index = reader.context.new_page()
    index.goto(blog.url)
    expect(index.locator(f"[data-tidegate-count={ARTICLE.slug}]")).to_have_text("1 comment")


def test_a_held_comment_is_its_authors_alone_until_a_person_approves_it(blog: Blog, reader: Page, person: OpenContext) -> None:
    held(reader)
    card = reader.get_by_role("article", name="Your comment")
    expect(card).to_contain_text(ABUSIVE)
    reader.reload()
    expect(card).to_contain_text(ABUSIVE)
    check_for_everybody(reader)
    other = person().new_page()
    other.goto(blog.article)
    expect(other.get_by_role("heading", name="No comments")).to_be_visible()
    assert ABUSIVE not in other.locator("tidegate-comments").inner_text()
    blog.decide("approve")
    reader.reload()
    expect(reader.locator("[part=body]")).to_have_text(ABUSIVE)


def held(page: Page) -> None:
    write(page, ABUSIVE)
    nudge = page.get_by_role("group", name="Before you post")
    expect(nudge).to_contain_text(ABUSIVE)
    expect(nudge.get_by_role("button", name="Change it")).to_be_focused()
    nudge.get_by_role("button", name="Post it; a moderator reads it first").click()
    expect(status(page)).to_contain_text("A person will read this before it appears.")


def test_what_a_page_says_of_everything_on_it_does_not_bend_the_section(blog: Blog, reader: Page) -> None:
    reader.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync("* { text-transform: uppercase; text-indent: 3em; text-align: right; color: rebeccapurple }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    write(reader, CIVIL)
    body = reader.locator("[part=body]")
    expect(body).to_have_text(CIVIL)
    for name, value in (("text-transform", "none"), ("text-indent", "0px"), ("text-align", "start")):
        expect(body).to_have_css(name, value)
    expect(body).to_have_css("color", "rgb(102, 51, 153)")  # a page's colours are the section's


def test_the_nudge_comes_once_and_shows_no_score(blog: Blog, reader: Page) -> None:
    write(reader, f"The treaty is nine pages long. {ABUSIVE}")
    nudge = reader.get_by_role("group", name="Before you post")
    expect(nudge.locator("blockquote")).to_have_text(ABUSIVE)
    assert not any(char.isdigit() for char in nudge.inner_text())
    check_for_everybody(reader)
    shot(reader, "nudge")
    nudge.get_by_role("button", name="Change it").click()
    expect(reader.get_by_role("textbox", name="Your comment")).to_be_focused()
    reader.get_by_role("textbox", name="Your comment").fill(CIVIL)
    reader.get_by_role("button", name="Send").click()
    expect(status(reader)).to_have_text("Published. Thank you for joining in.")


def test_an_author_changes_a_comment_and_takes_it_back(blog: Blog, reader: Page) -> None:
    write(reader, CIVIL)
    reader.get_by_role("button", name="Change it").click()
    reader.locator("[part=comment] textarea").fill(f"{CIVIL} I have read it twice.")
    reader.get_by_role("button", name="Send the new text").click()
    expect(reader.locator("[part=body]")).to_have_text(f"{CIVIL} I have read it twice.")
    expect(reader.get_by_text("edited", exact=True)).to_be_visible()
    reader.get_by_role("button", name="Take it back").click()
    reader.get_by_role("button", name="Yes, take it back").click()
    expect(status(reader)).to_have_text("You took this comment back.")
    expect(reader.get_by_role("heading", name="No comments")).to_be_visible()
    assert [comment["status"] for comment in blog.comments()] == ["withdrawn"]


def test_a_rejection_says_why_and_offers_a_second_look(blog: Blog, reader: Page) -> None:
    held(reader)
    blog.decide("reject", reason=1)
    reader.reload()
    card = reader.get_by_role("article", name="Your comment")
    expect(card).to_contain_text(
        "We did not publish this: it attacks a person rather than what they say. Decided by a moderator."
    )
    check_for_everybody(reader)
    shot(reader, "rejected")
    card.get_by_role("button", name="Ask for a second look").click()
    expect(status(reader)).to_contain_text("Another person will read it again.")
    cases = blog.installation.door.get("/v1/cases?kind=second_look", key=blog.keys.secret_key).json["items"]
    assert [case["comment"]["body"] for case in cases] == [ABUSIVE]
    blog.decide("approve")
    reader.reload()
    card.wait_for(state="hidden")
    expect(reader.locator("[part=body]")).to_have_text(ABUSIVE)


def test_the_status_page_says_the_same_to_who_has_the_link(blog: Blog, reader: Page) -> None:
    held(reader)
    reader.get_by_role("link", name="Follow it on a page of its own").click()
    expect(reader.get_by_role("status")).to_contain_text("A person will read this before it appears.")
    expect(reader.locator("blockquote")).to_have_text(ABUSIVE)
    check_for_everybody(reader)
    shot(reader, "own-page")
    reader.get_by_text("Take it back", exact=True).click()
    reader.get_by_role("button", name="Yes, take it back").click()
    expect(reader.get_by_role("status")).to_have_text("You took this comment back.")


def test_a_reply_stands_below_what_it_answers(blog: Blog, reader: Page) -> None:
    write(reader, CIVIL)
    reader.get_by_role("button", name="Reply to Ada").click()
    expect(reader.get_by_text("You are replying to Ada.")).to_be_visible()
    write(reader, "I had not thought of the fishing grounds before.", "Bea")
    expect(reader.locator("ol ol [part=body]")).to_have_text("I had not thought of the fishing grounds before.")


def test_a_reader_reports_a_comment(blog: Blog, reader: Page, person: OpenContext) -> None:
    write(reader, CIVIL)
    expect(reader.locator("[part=body]")).to_have_text(CIVIL)
    other = person().new_page()
    other.goto(blog.article)
    other.get_by_role("button", name="Report the comment by Ada").click()
    expect(other.get_by_role("radio").first).to_be_focused()
    check_for_everybody(other)
    other.get_by_role("button", name="Report it").click()
    expect(other.get_by_role("alert")).to_have_text("Please say what is wrong.")
    other.get_by_label("It is spam").check()
    shot(other, "report")
    other.get_by_role("button", name="Report it").click()
    expect(other.get_by_text("Thank you. A moderator will look.")).to_be_focused()
    cases = blog.installation.door.get("/v1/cases?kind=reported", key=blog.keys.secret_key).json["items"]
    assert [case["comment"]["body"] for case in cases] == [CIVIL]


def test_offline_keeps_the_text_and_sends_it_once(blog: Blog, reader: Page, watch: Watch) -> None:
    watch.expects("ERR_INTERNET_DISCONNECTED")
    reader.context.set_offline(True)
    write(reader, CIVIL)
    expect(status(reader)).to_contain_text("We could not reach the comments. Your text is kept here.")
    expect(reader.get_by_role("textbox", name="Your comment")).to_have_value(CIVIL)
    reader.context.set_offline(False)
    reader.get_by_role("button", name="Try again").click()
    expect(status(reader)).to_have_text("Published. Thank you for joining in.")
    assert len(blog.comments()) == 1


def test_a_draft_survives_a_reload(reader: Page) -> None:
    reader.get_by_role("textbox", name="Your comment").fill("Half a thought")
    reader.reload()
    expect(reader.get_by_role("textbox", name="Your comment")).to_have_value("Half a thought")


def test_everything_can_be_done_with_keys_alone(blog: Blog, reader: Page) -> None:
    press_until(reader, lambda: focused(reader) == "name")
    reader.keyboard.type("Ada")
    press_until(reader, lambda: focused(reader) == "body")
    reader.keyboard.type(CIVIL)
    reader.keyboard.press("Tab")
    reader.keyboard.press("Enter")
    expect(status(reader)).to_have_text("Published. Thank you for joining in.")
    press_until(reader, lambda: (focused(reader) or "").startswith("withdraw"), key="Shift+Tab")
    reader.keyboard.press("Enter")
    reader.keyboard.press("Enter")
    expect(status(reader)).to_have_text("You took this comment back.")
    # Where the same is to be seen.
    expect(reader.locator("article.own")).to_be_focused()


def focused(page: Page) -> str | None:
    found: str | None = page.evaluate(
        "(() => { const at = document.querySelector('tidegate-comments').shadowRoot.activeElement;"
        " return at && (at.dataset.k || at.id) })()"
    )
    return found


def press_until(page: Page, reached: Callable[[], bool], key: str = "Tab") -> None:
    for _ in range(40):
        if reached():
            return
        page.keyboard.press(key)
    raise AssertionError("the keyboard does not get there")


def test_a_permalink_leads_to_the_comment(blog: Blog, reader: Page, person: OpenContext) -> None:
    write(reader, CIVIL)
    link = reader.get_by_role("link", name="Link to this comment by Ada")
    address = link.get_attribute("href")
    assert address is not None
    other = person().new_page()
    other.goto(address)
    expect(other.locator("[part=comment]")).to_be_focused()
    # A browser takes the focus away again when a page's styles are late.
    late = person().new_page()
    late.route("**/static/demo.css", partial(answer_after, 0.3))
    late.goto(address)
    expect(late.locator("[part=comment]")).to_be_focused()


def answer_after(seconds: float, route: Route) -> None:
    """Answer so late that the comments are there before: nothing tells when a browser has taken a focus away again."""
    time.sleep(seconds)
    route.continue_()


def test_closed_comments_can_be_read_and_not_written(blog: Blog, reader: Page) -> None:
    write(reader, CIVIL)
    expect(reader.locator("[part=body]")).to_have_text(CIVIL)
    close(blog)
    reader.reload()
    expect(reader.get_by_text("Comments here are closed. You can still read them.")).to_be_visible()
    expect(reader.get_by_label("Your name")).to_have_count(0)


def close(blog: Blog) -> None:
    from moderation.services import openness, sites

    runtime = blog.installation.door.runtime
    with runtime.database.transaction() as session:
        # Longer ago than a day: this is how the demonstration's articles are dated.
        openness.close_after(session, sites.find(session, "demo").id, 1, by="test", now=runtime.clock.now())


@pytest.mark.parametrize(
    ("language", "none"), [("de", "Keine Kommentare"), ("fr", "Aucun commentaire"), ("es", "Sin comentarios")]
)
def test_the_section_speaks_the_pages_language(blog: Blog, page: Page, language: str, none: str) -> None:
    page.add_init_script(
        f"document.addEventListener('readystatechange', () => {{ document.documentElement.lang = '{language}' }})"
    )
    page.goto(blog.article)
    expect(page.get_by_role("heading", name=none)).to_be_visible()
    fits(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE], ids=["wide", "phone"])
def test_it_fits_every_window_and_can_be_read_in_it(
    blog: Blog, person: OpenContext, viewport: dict[str, int], scheme: str
) -> None:
    page = person(viewport=viewport, color_scheme=scheme).new_page()
    page.goto(blog.article)
    write(page, CIVIL)
    expect(page.locator("[part=body]")).to_have_text(CIVIL)
    page.get_by_role("button", name="Reply to Ada").click()
    write(page, "\u05e9\u05dc\u05d5\u05dd " + "Donaudampfschifffahrtsgesellschaft" * 4, "\u05d0\u05d3\u05d4")
    expect(page.get_by_role("article", name="Your comment")).to_be_visible()
    held(page)
    fits(page)
    check_for_everybody(page)
    shot(page, f"section-{viewport['width']}-{scheme}")
