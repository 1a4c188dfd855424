"""The moderator's work in the console: reading a card, deciding, being slower than somebody, taking it back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from api.console import show
from moderation.ids import read
from moderation.models import Audit, Case, Comment, Decision, Note, Post, Revision
from moderation.policy.rules import Policy
from moderation.policy.shipped import REASONS, SHIPPED
from moderation.policy.thresholds import thresholds
from moderation.services import windows
from tests.api.conftest import ABUSIVE, CIVIL, Door
from tests.api.console.conftest import Page, SignIn

TRICKY = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% print 1 %}",
    "</textarea></form><form action=//evil.example>",
    "<hx-partial hx-target='body'>gone</hx-partial>",
    "' hx-get='/console/queue' x='",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; \\ ` ${1}",
)


def test_an_approval_puts_the_comment_on_the_blog(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    page = sign_in().decide()
    assert (page.status, "Approved." in page.text, "Nothing is waiting." in page.text) == (200, True, True)
    after = door.shown(held["id"])
    assert (after["status"], after["visible_revision"], after["decision"]["by"]) == ("approved", 1, "moderator")


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 5, 6, 7, 8])
def test_each_numbered_reason_rejects(sqlite_door: Any, sqlite_sign_in: SignIn, reason: int) -> None:
    held = sqlite_door.decided(ABUSIVE)
    page = sqlite_sign_in().decide(reason=reason)
    assert f"Rejected: {REASONS[reason].name}." in page.text
    after = sqlite_door.shown(held["id"])
    assert (after["status"], after["decision"]["reason"]) == ("rejected", reason)


def test_reason_nine_needs_a_sentence_and_keeps_the_card_open(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    page = browser.decide(reason=9)
    assert (page.status, "Reason 9 needs a sentence" in page.text) == (422, True)
    assert browser.decide(reason=9, note="It names a child.").status == 200
    with door.runtime.database.reading() as session:
        newest = session.scalars(select(Decision).order_by(Decision.seq.desc())).first()
    assert (newest.reason, newest.note) == (9, "It names a child.")
    assert door.shown(held["id"])["status"] == "rejected"


def test_a_form_sent_twice_decides_once(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    assert browser.page is not None
    form = browser.page.form("/decision")
    answers = [browser.client.post(form.action, data=form.fields).status_code for _ in range(2)]
    assert (answers, door.shown(held["id"])["decision_seq"]) == ([303, 303], 2)


def test_the_slower_of_two_is_told_by_whom_and_may_change_it(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    faster, slower = sign_in("editor"), sign_in("moderator")
    faster.decide(reason=1)
    page = slower.decide()
    assert page.status == 409
    assert "Editor rejected this just now (Personal attack). Your approval was not applied." in page.text
    assert "Keep it" in page.text
    assert door.shown(held["id"])["status"] == "rejected"
    assert page.headers["HX-Push-Url"] == "false"
    changed = slower.decide()
    assert "Change to approved" in page.text
    assert ("Approved." in changed.text, door.shown(held["id"])["status"]) == (True, "approved")


def test_an_author_who_was_faster_has_the_changes_marked(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    door.call("PATCH", f"/v1/comments/{held['id']}", json={"body": held["body"].replace("stupid", "clever")})
    page = browser.decide()
    assert (page.status, "The author changed this while you were reading." in page.text) == (409, True)
    assert ("<del>stupid,</del>" in page.html, "<ins>clever,</ins>" in page.html) == (True, True)
    assert door.shown(held["id"])["decision_seq"] == 1


def test_a_claim_tells_colleagues_and_keeps_them_from_deciding(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    first, second = sign_in("editor"), sign_in("moderator")
    assert first.page is not None
    claim = first.page.form("/decision").action.replace("/decision", "/claim")
    csrf = first.page.forms[0].fields["csrf"]
    assert first.client.post(claim, headers={"X-CSRF-Token": csrf}).text.strip() == ""
    assert second.page is not None
    told = second.client.post(claim, headers={"X-CSRF-Token": second.page.forms[0].fields["csrf"]})
    assert "Editor is at work on this case." in told.text
    page = second.decide()
    assert (page.status, "Your approval was not applied." in page.text) == (409, True)
    assert "Editor is at it" in second.open("/console/queue").text
    assert first.decide().status == 200
    assert door.shown(held["id"])["status"] == "approved"


def test_the_next_card_is_one_that_no_colleague_is_at(door: Any, sign_in: SignIn) -> None:
    bodies = [door.decided(f"{ABUSIVE} {word}")["body"] for word in ("One.", "Two.")]
    first, second = sign_in("editor"), sign_in("moderator")
    assert first.page is not None
    one = first.page.form("/decision").action
    first.client.post(one.replace("/decision", "/claim"), headers={"X-CSRF-Token": first.page.forms[0].fields["csrf"]})
    assert second.open("/console/queue").form("/decision").action != one
    # Whoever opens another card gives the first one back.
    two = second.page.form("/decision").action if second.page else ""
    first.client.post(two.replace("/decision", "/claim"), headers={"X-CSRF-Token": first.page.forms[0].fields["csrf"]})
    with door.runtime.database.reading() as session:
        claimed = session.scalars(select(Case.id).where(Case.claimed_by.is_not(None))).all()
    assert (len(bodies), [show.public_id("case", found) in two for found in claimed]) == (2, [True])


def test_undo_brings_a_comment_back_and_opens_its_card(door: Any, sign_in: SignIn) -> None:
    comment = door.decided(CIVIL)
    assert comment["status"] == "approved"
    door.post(f"/v1/comments/{comment['id']}/decisions", {"verdict": "reject", "revision": 1, "reason": 7}, key="moderator")
    browser = sign_in()
    page = browser.send("/undo")
    assert "Undone. It is public again on the blog." in page.text
    assert comment["body"] in page.text
    assert door.shown(comment["id"])["visible_revision"] == 1


def test_an_undone_rejection_of_a_held_comment_waits_again(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    browser.decide(reason=1)
    page = browser.send("/undo")
    assert "Undone. It waits for a decision again." in page.text
    assert (door.shown(held["id"])["status"], "asked a person about version 1" in page.text) == ("flagged", True)


def test_an_undo_that_comes_too_late_says_so(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    browser.decide(reason=1)
    door.post(
        f"/v1/comments/{held['id']}/decisions",
        {"verdict": "approve", "revision": 1, "decision_seq": 2},
        key="editor",
    )
    page = browser.send("/undo")
    assert (page.status, "Not undone. Another decision followed" in page.text) == (409, True)
    assert door.shown(held["id"])["status"] == "approved"


def test_an_escalated_case_moves_to_the_editors(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    page = sign_in().send("/decision", to="e")
    assert ("Handed to the editors." in page.text, "Nothing is waiting." in page.text) == (True, True)
    assert held["body"] in sign_in("editor").open("/console/queue?tab=escalated").text


def test_a_note_stays_beside_the_comment_and_out_of_the_audit(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    assert browser.page is not None
    form = browser.page.form("/decision")
    path = form.action.replace("/decision", "/notes")
    answer = browser.client.post(path, data={**form.fields, "note": "I know this author."}, follow_redirects=True)
    assert ("I know this author." in answer.text, "noted" in answer.text) == (True, True)
    assert "I know this author." in sign_in("editor").open("/console/queue").text
    assert browser.client.post(path, data={**form.fields, "note": " "}).status_code == 422
    with door.runtime.database.reading() as session:
        assert [note.body for note in session.scalars(select(Note))] == ["I know this author."]
        audited = session.scalars(select(Audit).where(Audit.action == "note.kept")).one()
    assert (audited.subject, audited.detail) == (held["id"], {})


def test_tabs_count_and_show_each_kind(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    browser = sign_in()
    assert "Flagged 1" in browser.open("/console/queue?tab=flagged").text
    assert "Nothing is waiting here." in browser.open("/console/queue?tab=reported").text
    with door.runtime.database.transaction() as session:
        session.execute(update(Case).values(kind="second_look"))
    page = browser.open("/console/queue?tab=second_look")
    assert ("Second looks 1" in page.text, "Its author asks for a second look." in page.text) == (True, True)
    assert browser.open("/console/queue?tab=nonsense").status == 422


def test_new_cases_are_announced(door: Any, sign_in: SignIn) -> None:
    browser = sign_in()
    before = datetime.now(UTC).isoformat()
    assert browser.client.get("/console/queue/news", query_string={"since": before}).text.strip() == ""
    door.decided(ABUSIVE)
    assert ">1 new</a>" in browser.client.get("/console/queue/news", query_string={"since": before}).text


def test_an_empty_queue_says_how_the_day_went(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    with door.runtime.database.transaction() as session:
        session.execute(update(Case).values(created_at=datetime.now(UTC) - timedelta(minutes=90)))
    page = sign_in().decide()
    assert "1 decided today; the longest wait was 1 hour. Take a break, or check 5 the machine let through." in page.text


def test_the_card_says_why_and_shows_what_stands_around(door: Any, sign_in: SignIn) -> None:
    author = {"id": "7", "name": "Ann"}
    parent = door.decided(CIVIL, author=author)
    door.decided(ABUSIVE, author=author, parent_id=parent["id"])
    with door.runtime.database.transaction() as session:
        session.execute(update(Post).values(excerpt="Three tons of missiles."))
    text = sign_in().open("/console/queue").text
    for said in (
        "Why it is here",
        "Personal attack Comments that may attack a person rather than what they say are read by a person first.",
        "A newcomer. 2 comments here",
        "1 approved",
        "1 flagged",
        "Three tons of missiles.",
        f"(approved) {CIVIL}",
        "standard@1 asked a person about version 1",
        "toxicity 0.",
        "from 0.50",
    ):
        assert said in text, said


def test_the_card_marks_the_words_behind_the_scores(door: Any, sign_in: SignIn) -> None:
    body = "Thank you. You are a st\u200bupid <b>idiot</b>, and nobody likes you."
    door.decided(body)
    browser = sign_in()
    assert "Words behind the scores" not in browser.open("/console/queue").html
    door.explain()
    page = browser.open("/console/queue")
    assert "Words behind the scores" in page.text
    assert "→" in page.text
    marks = [given["title"] or "" for tag, given in page.elements if tag == "mark" and given.get("class") == "driver"]
    assert any("toxicity 0." in mark and "→" in mark for mark in marks)
    assert '">idiot</mark>' in page.html
    assert "b" not in {tag for tag, given in page.elements if not given}
    assert "U+200B" in page.html, "what hides in a marked word is shown, too"


def test_the_card_names_the_parts_of_a_spam_score(door: Any, sign_in: SignIn) -> None:
    door.decided("Online pharmacy: cheap pills, no prescription, worldwide shipping www.pills.example.com")
    door.explain()
    page = sign_in().open("/console/queue")
    assert "What reads like advertising: " in page.text
    assert "its words" in page.text
    assert "Beside its words: a newcomer." in page.text


def test_copies_of_a_comment_stand_on_its_card(door: Any, sign_in: SignIn) -> None:
    for _ in range(2):
        door.decided(f"{ABUSIVE} And everything that you have written under this article is a lie.")
    page = sign_in().open("/console/queue")
    assert "Similar comments" in page.text


@pytest.mark.parametrize("text", TRICKY)
def test_a_strangers_words_stay_words(sqlite_door: Any, sqlite_sign_in: SignIn, text: str) -> None:
    post = {"id": "p1", "url": "https://blog.example/arms", "title": text[:90]}
    sqlite_door.decided(f"{ABUSIVE} {text}", post=post, author={"id": "7", "name": text[:60]})
    browser = sqlite_sign_in()
    page = browser.open("/console/queue")
    assert page.text.count(" ".join(f"{ABUSIVE} {text}".split())) == 2
    foreign = [tag for tag, given in page.elements if tag == "script" and "/console/static/" not in (given.get("src") or "")]
    assert (foreign, [name for _, given in page.elements for name in given if name.startswith("on")]) == ([], [])
    assert {form.action.split("/")[1] for form in page.forms} == {"console"}
    assert "img" not in {tag for tag, _ in page.elements}
    assert "style" not in {name for _, given in page.elements for name in given} | {tag for tag, _ in page.elements}


def test_characters_that_fake_or_hide_others_are_named() -> None:
    text = "safe\u202eevil\u2066 \u200bzero \u00ad می\u200cخواهم 👩\u200d💻"
    found = list(show.pieces(text))
    assert "".join(piece.text for piece in found) == text
    named = [piece.label.split()[0] for piece in found if piece.kind == "hidden"]
    assert named == ["U+202E", "U+2066", "U+200B", "U+00AD"]


def test_changes_give_both_texts_back() -> None:
    before, after = "you are a stupid person", "you are such a clever person  indeed"
    found = show.changes(before, after) or []
    assert "".join(piece.text for piece in found if piece.kind != "old") == after
    assert "".join(piece.text for piece in found if piece.kind != "new") == before
    assert show.changes("a " * 4000, after) is None


@pytest.mark.parametrize(
    ("span", "said"),
    [(-5, "less than a minute"), (59, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (90000, "1 day")],
)
def test_lengths_of_time_are_said_in_words(span: int, said: str) -> None:
    assert show.lasting(timedelta(seconds=span)) == said


def test_marks_are_those_of_rules_that_can_apply_to_the_author() -> None:
    policy = Policy.parse(SHIPPED["standard"])
    usual = [mark.at for mark in thresholds(policy, {})["toxicity"]]
    newcomer = [mark.at for mark in thresholds(policy, {"newcomer": True})["toxicity"]]
    trusted = [mark.at for mark in thresholds(policy, {"trusted": True})["toxicity"]]
    assert (usual, newcomer, trusted) == ([0.2, 0.25, 0.5], [0.2, 0.25, 0.5], [0.2, 0.55, 0.7])
    assert "letters" not in thresholds(policy, {})


def test_another_sites_cases_do_not_exist(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    stranger = sign_in("admin", site="other")
    case = door.get("/v1/cases").json["items"][0]["id"]
    assert stranger.open(f"/console/queue?case={case}").status == 404
    csrf = stranger.open("/console/queue").form("/logout").fields
    for act, more in (
        ("claim", {}),
        ("decision", {"once": "12345678", "revision": 1, "decision_seq": 1}),
        ("escalate", {"once": "12345678"}),
        ("notes", {"note": "x"}),
    ):
        assert stranger.client.post(f"/console/cases/{case}/{act}", data={**csrf, **more}).status_code == 404, act
    undo = stranger.client.post(f"/console/decisions/{held['decision']['id']}/undo", data={**csrf, "once": "12345678"})
    assert (undo.status_code, door.shown(held["id"])["decision_seq"]) == (404, 1)


@pytest.mark.parametrize("query", ["case=x", "case=case_" + "0" * 32, "done=x", "done=dec_" + "0" * 32, "undone=%00", "tab="])
def test_an_address_that_names_nothing_is_a_page_that_says_so(sqlite_sign_in: SignIn, query: str) -> None:
    page = sqlite_sign_in().open(f"/console/queue?{query}")
    assert page.status in {404, 422}
    assert "Back to the queue" in page.text


@pytest.mark.parametrize(
    "broken", [{"revision": "x"}, {"revision": 10**12}, {"decision_seq": -1}, {"reason": 10}, {"note": "\x00"}, {"once": ""}]
)
def test_a_form_that_nobody_was_shown_changes_nothing(sqlite_door: Any, sqlite_sign_in: SignIn, broken: dict[str, Any]) -> None:
    held = sqlite_door.decided(ABUSIVE)
    page = sqlite_sign_in().decide(**broken)
    assert (page.status, sqlite_door.shown(held["id"])["decision_seq"]) == (422, 1)


def test_an_erased_comment_shows_no_text(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    with door.runtime.database.transaction() as session:
        session.execute(update(Comment).where(Comment.id == read("comment", held["id"])).values(status="erased"))
        assert session.scalars(select(Revision.body)).one() == held["body"]
    page = sign_in().open("/console/queue")
    assert (held["body"] in page.text, "(erased)" in page.text) == (False, True)


def test_a_page_that_htmx_asks_for_brings_no_script_along(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    """Trusted Types keep htmx from making script elements: it would give up in the middle of putting the page in place."""
    browser = sqlite_sign_in()
    whole = browser.client.get("/console/queue")
    part = browser.client.get("/console/queue", headers={"HX-Request": "true"})
    assert (whole.status_code, part.status_code) == (200, 200)
    assert (whole.text.count("<script"), part.text.count("<script")) == (2, 0)


def seven(door: Door, *, shown: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hold seven comments, where the list shows fewer; returns their cases, the first of the queue first."""
    for number in range(7):
        door.decided(f"{ABUSIVE} Number {number}.")
    monkeypatch.setattr(windows, "SHOWN", shown)
    monkeypatch.setattr(windows, "BEFORE", 1)
    return [case["id"] for case in door.get("/v1/cases").json["items"]]


def opened(page: Page) -> str:
    return page.form("/decision").action.split("/")[-2]


def steps(page: Page) -> dict[str, str]:
    """Return where the keys lead that go from card to card."""
    links = {given["data-key"]: given["href"] for tag, given in page.elements if tag == "a" and given.get("data-key")}
    return {key or "": (href or "").rpartition("case=")[2] for key, href in links.items()}


def test_the_list_goes_on_as_far_as_there_are_cases(door: Any, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = seven(door, shown=3, monkeypatch=monkeypatch)
    browser = sign_in()
    page = browser.open("/console/queue")
    assert ("4 more after these" in page.text, "More before these" in page.text) == (True, False)
    seen = [opened(page)]
    while "j" in steps(page):
        page = browser.open(f"/console/queue?case={steps(page)['j']}")
        seen.append(opened(page))
        listed = [given for tag, given in page.elements if tag == "a" and "data-case" in given]
        assert (len(listed) <= 3, ["aria-current" in given for given in listed].count(True)) == (True, 1)
    assert seen == cases
    assert ("after these" in page.text, "More before these" in page.text) == (False, True)
    while "k" in steps(page):
        page = browser.open(f"/console/queue?case={steps(page)['k']}")
        seen.pop()
        assert opened(page) == seen[-1]
    assert seen == cases[:1]


def test_who_passes_a_case_over_keeps_their_place(door: Any, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = seven(door, shown=3, monkeypatch=monkeypatch)
    browser = sign_in()
    browser.open(f"/console/queue?case={cases[2]}")
    assert opened(browser.decide(reason=1)) == cases[3]
    assert opened(browser.send("/decision", to="e")) == cases[4]
    page = browser.open(f"/console/queue?case={cases[6]}")
    assert opened(browser.decide()) == cases[0], "what was passed over comes again after the last"
    assert opened(browser.decide()) == cases[1], "from the top, the first comes next"
    door.decided(f"{ABUSIVE} I will kill you.")
    urgent = door.get("/v1/cases").json["items"][0]["id"]
    assert urgent not in cases
    page = browser.decide()
    assert opened(page) == urgent, "whoever works from the top gets what is urgent"


def test_a_card_of_another_queue_leads_to_the_first_of_this_one(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    door.decided(f"{ABUSIVE} Two.")
    browser = sign_in()
    done = opened(browser.open("/console/queue"))
    page = browser.decide()
    rest = opened(page)
    page = browser.open(f"/console/queue?case={done}")
    assert ("This is closed" in page.text, steps(page)) == (True, {"j": rest})
