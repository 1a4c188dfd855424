"""The pages around the queue: overview, posts, words, thresholds, people, keys, deliveries, one's own account."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
import segno
from sqlalchemy import select, update

from moderation.models import Audit, Comment, ConsoleSession, Openness, Post, Role, Subject
from moderation.outbound.http import Guard
from moderation.services import passwords, policies, publishing, sites
from tests.api.conftest import ABUSIVE, CIVIL
from tests.api.console.conftest import Browser, Page, SignIn, link_for

GOOD = "tidal harbour lantern mosaic"
COPY = f"{ABUSIVE} And everything that you have written under this article is a lie."


def in_force(door: Any) -> str:
    with door.runtime.database.reading() as session:
        return policies.in_force(session, sites.find(session, "blog").id).policy_label


def watch(door: Any) -> None:
    with door.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        version = policies.find_version(session, site.id, Subject.POLICY, "watch")
        policies.activate(session, version, by="test", now=datetime.now(UTC))


def test_a_new_site_watches_and_switches_on_and_back(door: Any, sign_in: SignIn) -> None:
    watch(door)
    door.decided(ABUSIVE)
    door.decided(CIVIL)
    browser = sign_in("editor")
    for reason in (1, 7):
        # The form after the first decision that ends so: another one undoes it.
        form = next(form for form in browser.page.forms if form.action.endswith("/decision"))  # type: ignore[union-attr]
        browser.page = Page(browser.client.post(form.action, data={**form.fields, "reason": str(reason)}, follow_redirects=True))
    page = browser.open("/console/overview")
    for said in (
        "Of the last 2 decisions it would have agreed on 1 , published 1 you rejected , held 0 you approved",
        "After 200 decisions this says enough to rely on; 198 to go.",
        "Switch on standard@1",
    ):
        assert said in page.text, page.text
    behind = browser.open("/console/overview/comments?of=missed")
    assert (CIVIL in behind.text, ABUSIVE in behind.text) == (True, False)
    card = browser.open(next(link for link in behind.links if "case=" in link))
    assert "This is closed: it was rejected" in card.text
    browser.open("/console/overview")
    page = browser.send("/policy/activate")
    assert ("This policy decides from now on" in page.text, in_force(door)) == (True, "standard@1")
    assert "Go back to watch@1" in page.text
    browser.send("/policy/activate")
    assert in_force(door) == "watch@1"


def test_a_burst_of_newcomers_is_answered_with_one_press(door: Any, sign_in: SignIn) -> None:
    watch(door)
    for number in range(10):
        door.decided(f"{CIVIL} I am number {number}.")
    said = "10 comments by newcomers in ten minutes under Arms and the treaty"
    page = sign_in("moderator").open("/console/queue")
    assert (said in page.text, "Hold newcomers here" in page.text) == (True, False)
    browser = sign_in("editor")
    assert said in browser.open("/console/queue").text
    assert "It holds for comments from now on." in browser.send("/posts/post_").text
    with door.runtime.database.reading() as session:
        post = session.scalars(select(Post)).one()
    assert (post.openness, post.openness_at(datetime.now(UTC) + timedelta(hours=3), None)) == ("newcomers_held", "open")
    assert said not in browser.open("/console/queue").text


def test_who_is_no_editor_sees_the_numbers_and_no_switch(sqlite_door: Any, sqlite_sign_in: SignIn) -> None:
    watch(sqlite_door)
    page = sqlite_sign_in("moderator").open("/console/overview")
    assert ("Nobody has decided anything yet." in page.text, "Switch on" in page.text) == (True, False)
    assert "/console/people" not in page.html


@pytest.mark.parametrize("of", ["", "nothing", "rule:none", "post:" + "0" * 32, "reason:x"])
def test_a_number_that_is_none_has_nothing_behind_it(sqlite_sign_in: SignIn, of: str) -> None:
    assert sqlite_sign_in().open(f"/console/overview/comments?of={of}").status in {404, 422}


def test_a_post_is_closed_until_a_time(door: Any, sign_in: SignIn) -> None:
    door.decided(CIVIL)
    browser = sign_in("editor")
    browser.open("/console/posts?address=https://blog.example/arms")
    page = browser.send("/posts/post_", openness="closed", until="2100-01-01T10:00")
    assert page.status == 422
    until = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    page = browser.send("/posts/post_", openness="closed", until=until)
    assert ("Closed until" in page.text, door.decided(f"{CIVIL} Late.")["status"]) == (True, "rejected")
    with door.runtime.database.transaction() as session:
        post = session.scalars(select(Post)).one()
        assert (post.openness, post.openness_at(datetime.now(UTC) + timedelta(hours=3), None)) == (Openness.CLOSED, Openness.OPEN)
        post.openness_until = datetime.now(UTC) - timedelta(seconds=1)
    assert door.decided("The harbour is quiet in November, and I liked your photographs of it.")["status"] == "approved"
    assert door.get("/v1/posts/p1/comments").json["post"]["openness"] == "open"


def test_posts_close_by_themselves_unless_an_editor_says_otherwise(door: Any, sign_in: SignIn) -> None:
    door.decided(CIVIL)
    browser = sign_in("editor")
    assert browser.open("/console/posts").form("/posts/closing").fields["days"] == ""
    assert "It holds for every post that nobody set otherwise." in browser.send("/posts/closing", days="14").text
    assert "Open until" in browser.page.text  # type: ignore[union-attr]
    with door.runtime.database.transaction() as session:
        session.scalars(select(Post)).one().published_at = datetime.now(UTC) - timedelta(days=15)
    assert "Closed since" in browser.open("/console/posts").text
    assert door.decided(f"{CIVIL} Late.")["status"] == "rejected"
    assert door.get("/v1/posts/p1/comments").json["post"]["openness"] == "closed"
    until = (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    page = browser.send("/posts/post_", openness="open", until=until)
    assert ("Open until" in page.text, door.decided("The harbour is quiet in November.")["status"]) == (True, "approved")
    assert "Closed since" in browser.send("/posts/post_", openness="usual").text
    browser.send("/posts/closing", days="")
    assert door.get("/v1/posts/p1/comments").json["post"]["openness"] == "open"


@pytest.mark.parametrize("days", ["0", "3651", "soon", "1.5", "٣", "-1"])
def test_days_that_there_are_not_close_nothing(sqlite_door: Any, sqlite_sign_in: SignIn, days: str) -> None:
    browser = sqlite_sign_in("editor")
    browser.open("/console/posts")
    assert browser.send("/posts/closing", days=days).status == 422
    assert browser.open("/console/posts").form("/posts/closing").fields["days"] == ""


def test_words_are_lists_that_say_what_is_wrong_by_line(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("editor")
    browser.open("/console/words")
    page = browser.send("/words/banned", words="cheap watches = 5\n\n/(x+/ = 5")
    assert (page.status, "Line 3: RE2 cannot use this pattern" in page.text, "cheap watches = 5" in page.html) == (
        422,
        True,
        True,
    )
    page = browser.send("/words/banned", words="cheap watches = 5\r\n/trea[t]y/\r\nfoo = bar")
    assert ("The list is in force." in page.text, "/trea[t]y/\nfoo = bar" in page.html) == (True, True)
    held = door.decided(CIVIL)
    assert (held["status"], held["decision"]["reasons"][0]["rule"]) == ("flagged", "banned words")
    assert browser.client.post("/console/words/other", data=browser.page.forms[0].fields).status_code == 404  # type: ignore[union-attr]


def test_authors_read_reasons_in_the_sites_own_words_after_a_preview(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("editor")
    browser.open("/console/reasons")
    ours = "We did not publish this: it attacks a person rather than what they say. Decided by a moderator."
    assert ours in browser.page.text  # type: ignore[union-attr]
    mine = "We did not publish this: it goes for the player. Decided by a moderator."
    page = browser.send("/reasons", **{"reason-1": "goes for the player.", "act": "preview"})
    assert (mine in page.text, ours in browser.open("/console/reasons").text) == (True, True), "a preview changes nothing"
    page = browser.send("/reasons", **{"reason-1": "goes for the player.", "act": "save"})
    assert ("Authors read these words from now on." in page.text, mine in page.text) == (True, True)
    page = browser.send("/reasons", **{"reason-8_ground": "is against the law", "act": "save"})
    assert (page.status, "Say where the words of the moderator go: {ground} (reason 8)" in page.text) == (422, True)
    assert 'value="is against the law"' in page.html, "what was written is still there"
    assert "Wir haben das nicht veröffentlicht" in browser.open("/console/reasons?language=de").text
    assert browser.open("/console/reasons?language=xx").status == 422


def test_thresholds_are_tried_before_they_hold(door: Any, sign_in: SignIn) -> None:
    door.decided(ABUSIVE)
    browser = sign_in("editor")
    page = browser.open("/console/policy")
    everything = {name: "0.99" for name in page.form("/policy").fields if name.startswith("at-")}
    tried = browser.send("/policy", text=ABUSIVE, act="text", standing="regular")
    assert ("A person would read it first." in tried.text, "toxicity 0." in tried.text) == (True, True)
    tried = browser.send("/policy", text=ABUSIVE, act="text", standing="regular", **everything)
    assert "It would be published." in tried.text
    month = browser.send("/policy", act="month", **everything)
    assert "1 of 1 decisions of the machine would have been others" in month.text
    assert in_force(door) == "standard@1", "trying changes nothing"
    saved = browser.send("/policy", act="save", **everything)
    assert ("The new thresholds are in force." in saved.text, in_force(door)) == (True, "standard@2")
    assert door.decided(f"{ABUSIVE} Again.")["status"] == "approved"
    assert browser.send("/policy", **{next(iter(everything)): "7"}).status == 422
    page = browser.open("/console/policy")
    back = next(form for form in page.forms if form.fields.get("policy") == "standard@1")
    browser.client.post(back.action, data=back.fields)
    assert in_force(door) == "standard@1"


def test_an_admin_invites_and_the_last_one_stays(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("admin")
    browser.open("/console/people")
    add = next(form for form in browser.page.forms if form.action.endswith("/people") and not form.fields.get("email"))  # type: ignore[union-attr]
    new = {"email": "Eve@x.example", "name": "Eve", "role": "auditor"}
    invited = Page(browser.client.post(add.action, data={**add.fields, **new}))
    link = re.search(r"/console/login\?token=[\w-]+", invited.html)
    assert link is not None
    eve = Browser(door.app.test_client())
    eve.open(link[0])
    assert "Eve" in eve.send("/login").text
    assert eve.client.get("/console/people").status_code == 403
    mine = next(form for form in browser.page.forms if form.fields.get("email") == "admin@blog.example")  # type: ignore[union-attr]
    refused = Page(browser.client.post(mine.action, data={**mine.fields, "role": "auditor"}))
    assert (refused.status, "the only admin" in refused.text) == (422, True)
    with door.runtime.database.reading() as session:
        people = {user.email: role for user, role in sites.members(session, sites.find(session, "blog").id)}
    assert (people["admin@blog.example"], people["eve@x.example"]) == (Role.ADMIN, Role.AUDITOR)


def test_a_key_made_in_the_console_opens_the_api_until_it_is_revoked(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("admin")
    browser.open("/console/people")
    form = next(form for form in browser.page.forms if form.action.endswith("/keys"))  # type: ignore[union-attr]
    made = Page(browser.client.post(form.action, data={**form.fields, "kind": "secret", "name": "the blog"}))
    shown = re.search(r"tg_sk_\w+", made.html)
    assert shown is not None
    assert door.get("/v1/comments", key=shown[0]).status_code == 200
    assert shown[0] not in browser.open("/console/people").html
    with door.runtime.database.reading() as session:
        subject = session.scalars(select(Audit.subject).where(Audit.action == "key.created").order_by(Audit.id.desc())).first()
    browser.send(f"/keys/{subject}/revoke")
    assert door.get("/v1/comments", key=shown[0]).status_code == 401


def test_a_delivery_is_sent_again(door: Any, sign_in: SignIn) -> None:
    endpoint = door.post("/v1/endpoints", {"url": "http://127.0.0.1:9/x"}).json["id"]
    browser = sign_in("admin")
    assert "http://127.0.0.1:9/x" in browser.open("/console/deliveries").text
    said = {"test": "A test event is on its way", "pause": "Done.", "replay": "On its way again.", "resume": "Done."}
    for act, words in said.items():
        assert words in browser.send(f"/endpoints/{endpoint}", act=act).text
    browser.send(f"/endpoints/{endpoint}", act="pause")
    assert "paused" in browser.open("/console/deliveries?state=paused").text
    browser.send("/replay")
    assert door.get("/v1/deliveries").json["items"][0]["state"] == "paused"


def test_a_blog_is_paused_and_gets_what_it_missed(door: Any, sign_in: SignIn) -> None:
    def states() -> tuple[str, list[str]]:
        with door.runtime.database.reading() as session:
            (blog,) = publishing.page(session, sites.find(session, "blog").id)
            return blog.state, [each.state for each in publishing.publications(session, blog.site_id)]

    runtime = door.runtime
    with runtime.database.transaction() as session:
        publishing.create(
            session,
            sites.find(session, "blog").id,
            url="http://127.0.0.1:9/{id}",
            guard=Guard(("127.0.0.1:9",)),
            secret=runtime.settings.secret,
            by="test",
            now=datetime.now(UTC),
        )
    door.decided(CIVIL)
    browser = sign_in("admin")
    browser.open("/console/deliveries")
    assert "Send again, with all that it missed" in browser.send("/publishers/pub_", act="pause").text
    assert states() == ("paused", ["paused"])
    assert "On its way again." in browser.send("/publishers/pub_", act="resume").text
    assert states() == ("active", ["pending"])
    assert sign_in("editor").open("/console/deliveries").status == 403


def test_the_key_of_the_codes_is_drawn_for_a_phone(sqlite_sign_in: SignIn) -> None:
    page = sqlite_sign_in().open("/console/account")
    address = next(link for link in page.links if link.startswith("otpauth:"))
    drawn = next(given["d"] for tag, given in page.elements if tag == "path")
    qr = segno.make(address, error="m", micro=False)
    dark = {(x, y) for y, row in enumerate(qr.matrix_iter(border=4)) for x, is_dark in enumerate(row) if is_dark}
    assert {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawn or "")} == dark


def test_a_password_and_codes_open_the_console(door: Any, sign_in: SignIn) -> None:
    browser = sign_in("moderator")
    browser.open("/console/account")
    assert browser.send("/password", password="short", again="short").status == 422
    assert "Your password is set." in browser.send("/password", password=GOOD, again=GOOD).text
    page = browser.open("/console/account")
    salt = bytes.fromhex(page.form("/codes").fields["salt"])
    with door.runtime.database.reading() as session:
        user = next(user for user, role in sites.members(session, sites.find(session, "blog").id) if role is Role.MODERATOR)
    app = pyotp.TOTP(passwords.code_secret(door.runtime.settings.secret, user.id, salt))
    now = datetime.now(UTC)
    assert "Codes are on." in browser.send("/codes", code=app.at(now)).text
    fresh = Browser(door.app.test_client())
    fresh.open("/console/login")
    wrong = [
        fresh.send("/login", email=email, password=word, code=code)
        for email, word, code in (
            ("moderator@blog.example", "wrong", ""),
            ("moderator@blog.example", GOOD, ""),
            ("moderator@blog.example", GOOD, app.at(now)),
            ("nobody@blog.example", GOOD, ""),
        )
    ]
    assert {(page.status, "That did not match." in page.text) for page in wrong} == {(403, True)}
    code = app.at(now + timedelta(seconds=30))
    assert "Nothing is waiting." in fresh.send("/login", email="Moderator@blog.example", password=GOOD, code=code).text
    # A link asks for a code, too.
    other = Browser(door.app.test_client())
    assert "Code from your app" in other.open(link_for(door, "moderator")).text
    assert other.send("/login", code="000000").status == 403
    ended = fresh.open("/console/account")
    assert "End all others" in ended.text
    fresh.send("/sessions")
    assert browser.client.get("/console/queue").status_code == 303


def test_a_wave_is_rejected_and_taken_back_with_one_button_each(door: Any, sign_in: SignIn) -> None:
    ids = [door.decided(COPY)["id"] for _ in range(3)]
    browser = sign_in()
    page = browser.open("/console/queue?tab=flagged")
    assert "3 copies of this wait: decide them at once" in page.text
    picks = [given["value"] for tag, given in page.elements if tag == "input" and given.get("name") == "pick"]
    door.post(f"/v1/comments/{ids[0]}/decisions", {"verdict": "approve", "revision": 1}, key="editor")
    fields = {**page.form("/waves").fields, "pick": picks, "reason": "5"}
    page = Page(browser.client.post("/console/waves", data=fields, follow_redirects=True))
    assert "2 rejected, 1 left out (a colleague was faster)." in page.text
    browser.page = page
    assert "2 undone." in browser.send("/waves/undo").text
    assert [door.shown(comment_id)["status"] for comment_id in ids] == ["approved", "flagged", "flagged"]


def test_words_are_taken_out_on_the_card(door: Any, sign_in: SignIn) -> None:
    held = door.decided(f"{ABUSIVE} Ring me at +1 202 555 0143.")
    browser = sign_in()
    assert browser.send("/redaction", words="not there").status == 422
    page = browser.send("/redaction", words="+1 202 555 0143")
    assert ("The words are out." in page.text, "555 0143" in page.text) == (True, False)
    browser.decide()
    assert door.shown(held["id"])["body"] == f"{ABUSIVE} Ring me at […]."


def test_a_quiet_hour_reads_what_the_machine_let_through(door: Any, sign_in: SignIn) -> None:
    door.decided(CIVIL)
    browser = sign_in()
    assert "or check 5 the machine let through" in browser.open("/console/queue").text
    assert browser.page is not None
    assert [form.action for form in browser.page.forms] == ["/console/logout", "/console/audit"], browser.page.html
    page = browser.send("/audit")
    assert (CIVIL in page.text, "drawn by chance" in page.text) == (True, True)
    assert "Nothing is waiting." in browser.open("/console/queue").text, "the audit never stands before what waits"
    with door.runtime.database.reading() as session:
        assert session.scalars(select(Comment.status)).one() == "approved"


def test_a_page_that_asks_by_itself_keeps_no_session_alive(door: Any, sign_in: SignIn) -> None:
    browser = sign_in()
    earlier = datetime.now(UTC) - timedelta(minutes=10)
    with door.runtime.database.transaction() as session:
        session.execute(update(ConsoleSession).values(seen_at=earlier))
    browser.client.get("/console/queue/news", query_string={"since": earlier.isoformat()})
    with door.runtime.database.reading() as session:
        assert session.scalars(select(ConsoleSession.seen_at)).one() == earlier


@pytest.mark.parametrize(
    ("path", "end", "said", "wrong"),
    [
        ("/console/notices", "/plan", {"digest_hours": "8, noon", "waiting_hours": "7"}, "Give hours such as 8, 18."),
        ("/console/notices", "/plan", {"digest_hours": "8, 25", "waiting_hours": "7"}, ""),
        ("/console/notices", "/rooms", {"kind": "discord", "address": "nowhere", "name": "Our room"}, ""),
        ("/console/posts", "/posts/closing", {"days": "week"}, "Give a number of days, or nothing."),
        ("/console/people", "/people", {"email": "nobody", "name": "Nobody", "role": "auditor"}, ""),
    ],
)
def test_what_was_written_stays_on_the_page_that_says_what_is_wrong(
    sqlite_sign_in: SignIn, path: str, end: str, said: dict[str, str], wrong: str
) -> None:
    browser = sqlite_sign_in("admin")
    heading = browser.open(path).text.partition("Sign out")[2][:20]
    page = browser.send(end, **said)
    assert (page.status, wrong in page.text, heading in page.text) == (422, True, True)
    assert [given for tag, given in page.elements if tag == "p" and given.get("id") == "notice"] != []
    shown = {given.get("value") for tag, given in page.elements if tag == "input" or (tag == "option" and "selected" in given)}
    assert shown >= {value for name, value in said.items() if name != "address"}
    assert said.get("address", "-") not in shown


def test_a_time_for_a_post_that_is_none_stays_in_its_field(door: Any, sign_in: SignIn) -> None:
    door.decided(CIVIL)
    browser = sign_in("editor")
    browser.open("/console/posts")
    for until in ("2001-01-01T10:00", "tomorrow"):
        page = browser.send("/posts/post_", openness="closed", until=until)
        chosen = {given.get("value") for tag, given in page.elements if tag == "option" and "selected" in given}
        times = {given.get("value") for tag, given in page.elements if tag == "input" and given.get("name") == "until"}
        assert (page.status, chosen, until in times) == (422, {"closed"}, True)


def test_words_that_are_not_in_the_text_stay_in_their_field(door: Any, sign_in: SignIn, held: dict[str, Any]) -> None:
    page = sign_in().send("/redaction", words="nowhere in it")
    assert (page.status, "nowhere in it" in page.text) == (422, True)
    assert any(tag == "details" and given.get("id") == "redaction" and "open" in given for tag, given in page.elements)


def test_a_policy_says_how_its_thresholds_belong_together(sqlite_sign_in: SignIn) -> None:
    page = sqlite_sign_in("editor").open("/console/policy")
    assert (
        "It looks at: toxicity from 0.25 and (insult from 0.12 or identity attack from 0.12) or toxicity from 0.50." in page.text
    )


def test_deliveries_say_what_was_delivered_and_lead_to_its_card(door: Any, sign_in: SignIn) -> None:
    door.post("/v1/endpoints", {"url": "http://127.0.0.1:9/hook"})
    held = door.decided(ABUSIVE)
    page = sign_in("admin").open("/console/deliveries")
    assert f"comment.{held['status']}" in page.text
    assert any("/console/queue?case=" in link for link in page.links)
