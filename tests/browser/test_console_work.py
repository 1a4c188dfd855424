"""A moderator at work in a real browser: by mouse, by keys alone, on a phone, and beside a colleague."""

import time
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import update

from moderation.models import Case
from moderation.services import windows
from tests.api.conftest import ABUSIVE, Door
from tests.api.console.conftest import link_for
from tests.browser.conftest import PHONE, Installation, OpenContext, Watch, fits

pytestmark = pytest.mark.browser

TURNED_DOWN = r"answered 4(09|22)|status of 4(09|22)"
"""What a browser says of an answer that tells a moderator that somebody was faster."""


def come_in(installation: Installation, page: Page, role: str = "moderator") -> Page:
    page.goto(installation.url + link_for(installation.door, role))
    page.get_by_role("button").click()
    expect(page.locator("#card-title")).to_be_visible()
    return page


def decided(door: Door, body: str, **changes: Any) -> Any:
    """Send a comment and wait until the installation's own worker has judged it."""
    answer = door.post("/v1/comments", door.comment(body, **changes), headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json["status"] != "pending") == (200, True), answer.text
    return answer.json


def hold(door: Door, count: int) -> list[str]:
    return [decided(door, f"{ABUSIVE} {word}")["id"] for word in ("One.", "Two.", "Three.", "Four.")[:count]]


def said(page: Page, words: str) -> None:
    expect(page.locator("#notice")).to_contain_text(words)
    expect(page.locator("#work")).not_to_have_attribute("aria-busy", "true")


def test_a_moderator_decides_by_mouse(installation: Installation, page: Page) -> None:
    first, second = hold(installation.door, 2)
    come_in(installation, page)
    page.get_by_role("button", name="Approve a").click()
    said(page, "Approved.")
    page.locator("summary", has_text="Reject").click()
    page.get_by_role("button", name="1 Personal attack").click()
    said(page, "Rejected: Personal attack.")
    assert {installation.door.shown(each)["status"] for each in (first, second)} == {"approved", "rejected"}
    page.get_by_role("button", name="Undo").click()
    said(page, "Undone.")


def test_keys_that_are_turned_off_do_nothing_until_they_are_turned_on_again(installation: Installation, page: Page) -> None:
    (comment,) = hold(installation.door, 1)
    come_in(installation, page)
    page.keyboard.press("?")
    page.get_by_label("Keys work").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    expect(page.locator("[data-key=a] kbd")).to_be_hidden()
    for key in ("a", "r", "1", "?"):
        page.keyboard.press(key)
    expect(page.locator("#reasons")).not_to_have_attribute("open", "")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert installation.door.shown(comment)["status"] == "flagged"
    page.get_by_role("button", name="Keys").click()
    page.get_by_label("Keys work").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("a")
    said(page, "Approved.")


def test_a_moderator_decides_by_keys_alone(installation: Installation, page: Page) -> None:
    ids = hold(installation.door, 4)
    come_in(installation, page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    current = page.locator("a[data-case][aria-current]")
    at_first = current.get_attribute("href")
    page.keyboard.press("j")
    expect(current).not_to_have_attribute("href", at_first or "")
    expect(page.locator("#card-title")).to_be_focused()
    page.keyboard.press("k")
    expect(current).to_have_attribute("href", at_first or "")
    expect(page.locator("#card-title")).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.type("j a r 1")
    expect(page.locator("#note")).to_have_value("j a r 1")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    said(page, "Approved.")
    page.keyboard.press("r")
    page.keyboard.press("1")
    said(page, "Rejected: Personal attack.")
    page.keyboard.press("e")
    said(page, "Handed to the editors.")
    page.keyboard.press("u")
    said(page, "Undone.")
    statuses = sorted(installation.door.shown(each)["status"] for each in ids)
    assert statuses == ["approved", "flagged", "flagged", "flagged"]


def test_reason_nine_asks_for_its_sentence(installation: Installation, page: Page) -> None:
    (held,) = hold(installation.door, 1)
    come_in(installation, page)
    page.keyboard.press("r")
    page.keyboard.press("9")
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#live")).to_contain_text("Reason 9 needs a sentence")
    page.keyboard.type("It names a child.")
    page.keyboard.press("Escape")
    page.keyboard.press("9")
    said(page, "Rejected: Other.")
    assert installation.door.shown(held)["status"] == "rejected"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_moderator_decides_on_a_phone(installation: Installation, person: OpenContext, scheme: Any) -> None:
    hold(installation.door, 2)
    page = person(viewport=PHONE, color_scheme=scheme, has_touch=True, is_mobile=True).new_page()
    come_in(installation, page)
    fits(page)
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_be_in_viewport()
    page.locator("summary", has_text="Reject").tap()
    expect(page.get_by_role("button", name="Personal attack")).to_be_in_viewport()
    page.get_by_role("button", name="Personal attack").tap()
    said(page, "Rejected: Personal attack.")
    approve.tap()
    said(page, "Approved.")
    fits(page)


def test_the_slower_of_two_moderators_is_told(installation: Installation, person: OpenContext, watch: Watch) -> None:
    (held,) = hold(installation.door, 1)
    watch.expects(TURNED_DOWN)
    slower = come_in(installation, person().new_page(), "moderator")
    expect(slower.locator("#work")).not_to_have_attribute("aria-busy", "true")
    # The claim ran out, as on a laptop that slept, and a colleague took the case.
    slower.wait_for_load_state("networkidle")
    with installation.door.runtime.database.transaction() as session:
        session.execute(update(Case).values(claimed_by=None, claimed_until=None))
    faster = installation.door.post(
        f"/v1/comments/{held}/decisions",
        {"verdict": "reject", "revision": 1, "reason": 1, "decision_seq": 1},
        key="editor",
    )
    assert faster.status_code < 300, faster.text
    slower.keyboard.press("a")
    said(slower, "Editor rejected this just now (Personal attack). Your approval was not applied.")
    assert installation.door.shown(held)["status"] == "rejected"
    slower.get_by_role("button", name="Change to approved").click()
    said(slower, "Approved.")
    assert installation.door.shown(held)["status"] == "approved"


def test_two_moderators_see_who_is_at_what(installation: Installation, person: OpenContext) -> None:
    hold(installation.door, 1)
    first = come_in(installation, person().new_page(), "editor")
    expect(first.locator(".card")).to_be_visible()
    second = come_in(installation, person().new_page(), "moderator")
    expect(second.locator(".card")).to_contain_text("Editor is at work on this case.", timeout=20_000)


def test_selected_words_are_taken_out(installation: Installation, page: Page) -> None:
    held = decided(installation.door, f"{ABUSIVE} Ring me at +1 202 555 0143.")
    come_in(installation, page)
    page.locator("summary", has_text="Take words out").click()
    page.evaluate(
        """() => {
          const node = document.querySelector(".card > .body").firstChild;
          const start = node.data.indexOf("+1 202");
          document.getSelection().setBaseAndExtent(node, start, node, start + 15);
        }"""
    )
    expect(page.locator("#words")).to_have_value("+1 202 555 0143")
    page.get_by_role("button", name="Take them out").click()
    said(page, "The words are out.")
    expect(page.locator(".card > .body")).to_have_text(f"{ABUSIVE} Ring me at […].")
    assert installation.door.shown(held["id"])["revision"] == 2


def test_the_list_keeps_its_place_beside_the_card(
    installation: Installation, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "SHOWN", 8)
    monkeypatch.setattr(windows, "BEFORE", 2)
    for number in range(10):
        decided(installation.door, f"{ABUSIVE} Number {number}.")
    with page.expect_response("**/claim"):
        come_in(installation, page)
    current = page.locator("a[data-case][aria-current]")
    following = page.get_by_role("link", name="Next")
    seen = 1
    while following.count():
        before = current.get_attribute("href") or ""
        seen += 1
        page.keyboard.press("j")
        expect(current).not_to_have_attribute("href", before)
        expect(page.locator("#card-title")).to_be_focused()
        expect(current).to_be_in_viewport(ratio=0.99)
    assert (seen, page.evaluate("scrollY")) == (10, 0)
    expect(page.get_by_role("link", name="More before these")).to_have_count(1)
    page.keyboard.press("k")
    expect(following).to_be_visible()
    expect(page.locator("#card-title")).to_be_focused()
    behind = following.get_attribute("href") or ""
    page.keyboard.press("a")
    said(page, "Approved.")
    expect(current).to_have_attribute("href", behind)


def test_no_key_acts_on_a_card_whose_decision_is_on_its_way(installation: Installation, page: Page) -> None:
    hold(installation.door, 2)
    with page.expect_response("**/claim"):
        come_in(installation, page)
    waiting: list[Route] = []

    def keep(route: Route) -> None:
        waiting.append(route)

    page.route("**/claim", keep)
    page.route("**/decision", keep)
    with page.expect_request("**/claim"):
        page.keyboard.press("j")
    # The claim may be on its way before the card's own request counts as ended, and until then no key acts.
    expect(page.locator("#work")).not_to_have_attribute("aria-busy", "true")
    with page.expect_request("**/decision"):
        page.keyboard.press("a")
    # That a request was seen does not mean that it was held already.
    deadline = time.monotonic() + 10
    while len(waiting) < 2 and time.monotonic() < deadline:
        page.wait_for_timeout(20)
    claim, decision = waiting
    claim.fulfill(body='<p class="notice">Ann is at work on this case.</p>', content_type="text/html")
    expect(page.locator(".card")).to_contain_text("Ann is at work on this case.")
    expect(page.locator("#work")).to_have_attribute("aria-busy", "true")
    page.keyboard.press("k")
    decision.continue_()
    said(page, "Approved.")


def test_all_by_an_author_are_rejected_and_taken_back_by_keys(installation: Installation, page: Page) -> None:
    troll = {"id": "troll", "name": "Kurt"}
    held = [decided(installation.door, f"{ABUSIVE} Number {number}.", author=troll)["id"] for number in range(3)]
    decided(installation.door, f"{ABUSIVE} By somebody else.")
    with page.expect_response("**/claim"):
        come_in(installation, page)
    page.keyboard.press("/")
    page.keyboard.type("kurt")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Card").first.click()
    expect(page.locator("#card-title")).to_contain_text("Kurt")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("b")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(3)
    page.locator("summary", has_text="Reject").click()
    page.get_by_role("button", name="1 Personal attack").click()
    said(page, "3 rejected.")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("u")
    said(page, "3 undone.")
    assert {installation.door.shown(each)["status"] for each in held} == {"flagged"}
