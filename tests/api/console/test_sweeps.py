"""Sweeps in the console: what waits with the same words or by one author, read together, decided and taken back at once."""

from typing import Any

import pytest

from tests.api.conftest import ABUSIVE, CIVIL
from tests.api.console.conftest import Browser, Page, SignIn

TROLL = {"id": "troll", "name": "Bjørn Ärger"}


def picks(page: Page, *, ticked: bool | None = None) -> list[str]:
    boxes = [given for tag, given in page.elements if tag == "input" and given.get("name") == "pick"]
    return [box["value"] or "" for box in boxes if ticked is None or ("checked" in box) is ticked]


def decide(browser: Browser, pick: list[str], **said: Any) -> Page:
    assert browser.page is not None
    fields = {**browser.page.form("/sweep").fields, "pick": pick, **said}
    browser.page = Page(browser.client.post("/console/sweep", data=fields, follow_redirects=True))
    return browser.page


def test_all_that_waits_by_an_author_is_rejected_and_taken_back(door: Any, sign_in: SignIn) -> None:
    held = [door.decided(f"{ABUSIVE} Number {number}.", author=TROLL)["id"] for number in range(3)]
    other = door.decided(f"{ABUSIVE} I am somebody else.")["id"]
    door.decided(CIVIL, author=TROLL)
    browser = sign_in()
    cases = door.get("/v1/cases").json["items"]
    page = browser.open(f"/console/queue?case={next(case['id'] for case in cases if case['comment']['id'] == held[0])}")
    assert "2 more by this author wait: decide all at once" in page.text
    page = browser.open(next(link for link in page.links if "/sweep?" in link))
    assert "3 by this author wait." in page.text
    assert (len(picks(page)), len(picks(page, ticked=True))) == (3, 3)
    page = decide(browser, picks(page)[:2], reason="1")
    assert "2 rejected." in page.text
    statuses = sorted(door.shown(each)["status"] for each in held)
    assert (statuses, door.shown(other)["status"]) == (["flagged", "rejected", "rejected"], "flagged")
    assert "2 undone." in browser.send("/waves/undo").text
    assert {door.shown(each)["status"] for each in held} == {"flagged"}


def test_words_are_found_in_texts_and_names_and_ticked_by_a_press_of_its_own(door: Any, sign_in: SignIn) -> None:
    door.decided(f"{ABUSIVE} Go to the CASINÓ, then.")
    door.decided(ABUSIVE, author=TROLL)
    door.decided(f"{CIVIL} A casino stood there once.")
    browser = sign_in()
    page = browser.open("/console/sweep?words=casino")
    assert (len(picks(page)), picks(page, ticked=True), "Tick all 1" in page.text) == (1, [], True)
    page = browser.open(next(link for link in page.links if "all=true" in link))
    assert len(picks(page, ticked=True)) == 1
    assert len(picks(browser.open("/console/sweep?words=ärger"))) == 1
    page = browser.open("/console/sweep?words=%25")
    assert (picks(page), "Nothing that waits has" in page.text) == ([], True)
    assert picks(browser.open("/console/sweep")) == []


def test_what_was_ticked_and_written_stays_where_a_reason_lacks_its_sentence(door: Any, sign_in: SignIn) -> None:
    held = [door.decided(f"{ABUSIVE} Number {number}.")["id"] for number in range(2)]
    browser = sign_in()
    page = browser.open("/console/sweep?words=number")
    assert (decide(browser, []).status, "Nothing is ticked." in browser.page.text) == (422, True)  # type: ignore[union-attr]
    chosen = picks(page)[:1]
    page = decide(browser, chosen, reason="9")
    assert (page.status, "Reason 9 needs a sentence" in page.text, picks(page, ticked=True)) == (422, True, chosen)
    assert {door.shown(each)["status"] for each in held} == {"flagged"}
    assert "1 rejected." in decide(browser, chosen, reason="9", note="They name a child.").text
    assert "1 more" not in browser.open("/console/queue").text


def test_what_somebody_was_faster_with_is_left_out(door: Any, sign_in: SignIn) -> None:
    held = [door.decided(f"{ABUSIVE} Number {number}.") for number in range(2)]
    browser = sign_in()
    page = browser.open("/console/sweep?words=number&all=true")
    door.post(f"/v1/comments/{held[0]['id']}/decisions", {"verdict": "approve", "revision": 1, "decision_seq": 1}, key="editor")
    page = decide(browser, picks(page), reason="5")
    assert "1 rejected, 1 left out (a colleague was faster)." in page.text


def test_a_sweep_is_of_ones_own_site_and_an_auditor_only_reads(door: Any, sign_in: SignIn) -> None:
    door.decided(ABUSIVE)
    case = door.get("/v1/cases").json["items"][0]["id"]
    stranger = sign_in("admin", site="other")
    assert picks(stranger.open("/console/sweep?words=stupid")) == []
    assert picks(stranger.open(f"/console/sweep?case={case}")) == []
    auditor = sign_in("auditor")
    page = auditor.open("/console/sweep?words=stupid")
    assert (len(picks(page)), "Reject" in page.text) == (1, False)
    assert decide(auditor, picks(page), reason="1").status == 403


@pytest.mark.parametrize("query", ["case=x", "case=", "words=" + "x" * 201, "all=perhaps", "words=%00"])
def test_a_question_that_nobody_could_ask_is_answered_in_words(sqlite_sign_in: SignIn, query: str) -> None:
    page = sqlite_sign_in().open(f"/console/sweep?{query}")
    assert page.status in {200, 404, 422}
    assert "Traceback" not in page.text
