"""Authors who asked are mailed what a person decided and who answered; strangers whose address was typed are not."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from moderation.errors import NotFound, Refused
from moderation.ids import read
from moderation.models import Comment, Follower, Following
from moderation.policy.verdict import Verdict
from moderation.services import followers, housekeeping, tokens
from moderation.services.authors import AuthorClaim
from moderation.services.comments import CommentView
from tests.moderation.outbound.mailserver import Got
from tests.moderation.services.conftest import ABUSIVE, CIVIL, SECRET
from tests.moderation.services.office import Office

ADA = AuthorClaim(name="Ada", email="ada@reader.example")
SPAM = "Buy cheap pills http://bit.ly/x http://bit.ly/y http://bit.ly/z now!!! best price http://bit.ly/q"


def written(at: Office, body: str = ABUSIVE, *, author: AuthorClaim = ADA, language: str = "en", **changes: Any) -> CommentView:
    """Send a comment whose author wants mail, and let the machine decide."""
    now = at.clock.now()
    return at.blog.judged(body, author=author, vouched=False, notify=True, notify_language=language, now=now, **changes)


def to(at: Office, address: str = "ada@reader.example") -> list[Got]:
    return [letter for letter in at.work() if letter.to == [address]]


def token(letter: Got) -> str:
    return str(letter.message["List-Unsubscribe"]).partition("/f/")[2].partition("/")[0]


def confirmed(at: Office) -> str:
    """Confirm the address, and return its token."""
    (letter,) = to(at)
    found = token(letter)
    at.blog.database.transact(lambda session: followers.confirm(session, found, secret=SECRET, now=at.clock.now()))
    at.host.got.clear()
    return found


def follower(at: Office) -> Follower:
    with at.blog.database.reading() as session:
        return session.scalars(select(Follower)).one()


def test_an_address_is_asked_first_and_told_nothing_before_it_says_yes(at: Office) -> None:
    view = written(at)
    (letter,) = to(at)
    assert letter.message["Subject"] == "Please confirm your address for A blog"
    assert f"https://tidegate.example/f/{token(letter)}" in letter.text
    assert ABUSIVE not in letter.text
    assert "Ada" not in letter.text
    at.blog.decide(view)
    assert len(to(at)) == 1, "not confirmed, not told"
    confirm = at.blog.database.transact(
        lambda session: followers.confirm(session, token(letter), secret=SECRET, now=at.clock.now()).confirmed_at
    )
    assert confirm is not None
    assert [each.message["Subject"] for each in to(at)][1:] == ["Your comment on A blog"], "what was decided meanwhile is told"


def test_the_verdict_of_a_person_is_told_with_its_reason_and_the_authors_link(at: Office) -> None:
    view = written(at)
    confirmed(at)
    at.blog.decide(view, Verdict.REJECT, reason=1)
    (letter,) = to(at)
    said = "We did not publish this: it attacks a person rather than what they say. Decided by a moderator."
    assert said in " ".join(letter.text.split())
    assert "https://tidegate.example/c/" in letter.text
    assert "?lang=en" in letter.text
    assert letter.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert str(letter.message["List-Unsubscribe"]).endswith("/stop>")
    assert to(at) == [letter]


KNOWN = AuthorClaim(id="7", name="Ada", email="ada@reader.example", email_verified=True)


def signed_in(at: Office, body: str = ABUSIVE, **changes: Any) -> CommentView:
    """Send a comment of somebody whose address the blog knows to be theirs."""
    return at.blog.judged(body, author=KNOWN, vouched=True, notify=True, notify_language="en", **changes)


def test_whose_address_the_blog_vouches_for_is_told_without_being_asked_by_mail(at: Office) -> None:
    view = signed_in(at)
    assert to(at) == []
    at.blog.decide(view, Verdict.REJECT, reason=1)
    assert [letter.message["Subject"] for letter in to(at)] == ["Your comment on A blog"]


def test_whose_address_the_blog_vouches_for_is_told_of_an_answer(at: Office) -> None:
    view = signed_in(at, CIVIL)
    at.blog.judged("I had not thought of that, thank you.", parent_id=view.id)
    assert [letter.message["Subject"] for letter in to(at)] == ["An answer to your comment on A blog"]


def test_a_box_that_is_ticked_by_the_owner_ends_a_stop(at: Office) -> None:
    written(at)
    found = confirmed(at)
    at.blog.database.transact(lambda session: followers.stop(session, found, secret=SECRET, now=at.clock.now()))
    view = signed_in(at, f"{ABUSIVE} Really.")
    at.blog.decide(view)
    assert len(to(at)) == 1
    assert follower(at).stopped_at is None


def test_a_decision_that_was_changed_before_the_letter_went_out_is_told_as_it_is(at: Office) -> None:
    view = written(at)
    confirmed(at)
    undone = at.blog.decide(view, Verdict.REJECT, reason=1)
    at.blog.undo(undone)
    assert to(at) == [], "it waits again: nothing to tell"
    at.blog.decide(view, Verdict.APPROVE)
    (letter,) = to(at)
    assert "Published. Thank you for joining in." in letter.text


def test_what_the_machine_decided_at_once_was_on_the_screen_and_is_not_mailed(at: Office) -> None:
    written(at)
    confirmed(at)
    written(at, CIVIL)
    assert to(at) == []


def test_robots_whose_comments_the_machine_rejects_make_us_mail_nobody(sqlite_at: Office) -> None:
    at = sqlite_at
    view = written(at, SPAM, honeypot="http://spam.example", seconds_to_submit=0.1)
    if view.status != "rejected":
        pytest.fail(f"the machine was to reject this: {view.status} {view.signals}")
    assert to(at) == []


def test_the_letter_is_in_the_language_of_the_form(at: Office) -> None:
    view = written(at, language="de-AT")
    (letter,) = to(at)
    assert letter.message["Subject"] == "Bitte bestätigen Sie Ihre Adresse für A blog"
    confirmed(at)
    at.blog.decide(view)
    (letter,) = to(at)
    assert "?lang=de" in letter.text


def test_an_answer_is_told_to_the_author_of_what_it_answers_once_and_without_its_text(at: Office) -> None:
    first = written(at, CIVIL)
    confirmed(at)
    at.blog.judged("I agree, and the article on grain says the same.", parent_id=first.id)
    (letter,) = to(at)
    assert letter.message["Subject"] == "An answer to your comment on A blog"
    assert "https://blog.example/arms#cmt_" in letter.text
    assert "grain" not in letter.text
    held = at.blog.judged(ABUSIVE, parent_id=first.id)
    assert len(to(at)) == 1, "not public, not told"
    at.blog.decide(held)
    assert len(to(at)) == 2
    at.blog.undo(at.blog.decide(at.blog.view(held.id), Verdict.REJECT, reason=1, decision_seq=2))
    assert len(to(at)) == 2, "an answer comes once"


def test_nobody_is_told_of_their_own_answer(sqlite_at: Office) -> None:
    first = written(sqlite_at, CIVIL)
    confirmed(sqlite_at)
    sqlite_at.blog.judged("And another thing.", author=ADA, vouched=False, parent_id=first.id)
    assert to(sqlite_at) == []


def test_one_word_stops_all_and_the_address_is_forgotten(at: Office) -> None:
    view = written(at)
    found = confirmed(at)
    for _ in range(2):
        at.blog.database.transact(lambda session: followers.stop(session, found, secret=SECRET, now=at.clock.now()))
    at.blog.decide(view)
    assert to(at) == []
    assert (follower(at).sealed, follower(at).confirmed_at) == ("", None)
    written(at)
    assert to(at) == [], "not even asked for a month"
    at.clock.move(followers.LEFT_ALONE.total_seconds() + 1)
    written(at)
    assert [letter.message["Subject"] for letter in to(at)] == ["Please confirm your address for A blog"]


def test_an_address_that_is_typed_again_after_its_owner_said_stop_is_not_kept(at: Office) -> None:
    written(at)
    found = confirmed(at)
    at.blog.database.transact(lambda session: followers.stop(session, found, secret=SECRET, now=at.clock.now()))
    written(at, f"{ABUSIVE} Again.")
    assert follower(at).sealed == ""
    with at.blog.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Following)) == 0


def test_an_address_typed_again_a_month_after_a_stop_is_asked_and_goes_unless_it_is_confirmed(at: Office) -> None:
    written(at)
    found = confirmed(at)
    at.blog.database.transact(lambda session: followers.stop(session, found, secret=SECRET, now=at.clock.now()))
    at.clock.move(followers.LEFT_ALONE.total_seconds() + 1)
    written(at, f"{ABUSIVE} Again.")
    assert len(to(at)) == 1
    for _ in range(2):
        with at.blog.database.transaction() as session:
            housekeeping.tidy(session, now=at.clock.now() + followers.UNCONFIRMED_KEPT + timedelta(hours=2))
    with at.blog.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Follower)) == 0


def test_that_somebody_said_stop_is_forgotten_after_a_month(at: Office) -> None:
    written(at)
    found = confirmed(at)
    at.blog.database.transact(lambda session: followers.stop(session, found, secret=SECRET, now=at.clock.now()))
    for wait, left in ((followers.LEFT_ALONE, 1), (followers.LEFT_ALONE + timedelta(seconds=1), 0)):
        with at.blog.database.transaction() as session:
            housekeeping.tidy(session, now=at.clock.now() + wait)
        with at.blog.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(Follower)) == left


def test_an_address_that_somebody_types_again_and_again_is_asked_once_a_day(at: Office) -> None:
    for number in range(5):
        written(at, f"{ABUSIVE} {number}")
    assert len(to(at)) == 1
    at.clock.move(followers.ASK_AGAIN.total_seconds() + 1)
    written(at, f"{ABUSIVE} again")
    assert len(to(at)) == 2


def test_a_site_asks_so_many_addresses_an_hour(sqlite_at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "ASKED_AN_HOUR", 2)
    for number in range(4):
        written(sqlite_at, f"{ABUSIVE} {number}", author=AuthorClaim(name="Eve", email=f"victim{number}@elsewhere.example"))
    assert len(sqlite_at.work()) == 2


def test_an_address_gets_so_many_letters_a_day(sqlite_at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    at = sqlite_at
    first = written(at, CIVIL)
    confirmed(at)
    monkeypatch.setattr(followers, "TOLD_A_DAY", 2)
    for number in range(4):
        at.blog.judged(f"I agree with you on the treaty, for reason number {number}.", parent_id=first.id)
        at.work()
    assert len(to(at)) == 2
    at.clock.move(timedelta(days=1).total_seconds() + 1)
    at.blog.judged("I agree with you on the treaty, for the last of all reasons.", parent_id=first.id)
    assert len(to(at)) == 3


def test_who_takes_the_comment_back_is_told_nothing_and_forgotten(at: Office) -> None:
    view = written(at)
    confirmed(at)
    at.blog.withdraw(view)
    assert to(at) == []
    assert (follower(at).sealed, follower(at).confirmed_at) == ("", None)


def test_an_address_that_nobody_confirms_is_forgotten_in_a_week(at: Office) -> None:
    written(at)
    to(at)
    for _ in range(2):
        with at.blog.database.transaction() as session:
            housekeeping.tidy(session, now=at.clock.now() + followers.UNCONFIRMED_KEPT + timedelta(hours=2))
    with at.blog.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Following)) == 0
        assert session.scalar(select(func.count()).select_from(Follower)) == 0


def test_the_address_is_stored_sealed_and_hashed_only(sqlite_at: Office, tmp_path: Path) -> None:
    written(sqlite_at)
    to(sqlite_at)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.db*") if path.is_file())
    assert b"Arms and the treaty" in kept
    assert b"ada@reader" not in kept


def test_another_master_secret_reads_no_address_and_mails_nobody(sqlite_at: Office) -> None:
    at = sqlite_at
    view = written(at)
    confirmed(at)
    at.blog.decide(view)
    other = at.another(secret=b"another secret of the installation")
    while other.drain(lambda: False):
        pass
    other.close()
    assert at.host.got == []


def test_mail_without_an_address_is_refused(sqlite_at: Office) -> None:
    with pytest.raises(Refused, match="give an e-mail address"):
        written(sqlite_at, author=AuthorClaim(name="Ada"))


def test_no_other_token_opens_a_followers_page(sqlite_at: Office) -> None:
    view = written(sqlite_at)
    to(sqlite_at)
    foreign = (
        tokens.make(SECRET, b"author's token", follower(sqlite_at).id),
        followers.token_of(SECRET, read("comment", view.id)),
        "x",
    )
    for each in foreign:
        with sqlite_at.blog.database.transaction() as session, pytest.raises(NotFound):
            followers.confirm(session, each, secret=SECRET, now=sqlite_at.clock.now())


def test_an_erased_comment_is_no_news(sqlite_at: Office) -> None:
    at = sqlite_at
    view = written(at)
    confirmed(at)
    at.blog.decide(view)
    with at.blog.database.transaction() as session:
        session.execute(update(Comment).where(Comment.id == read("comment", view.id)).values(status="erased"))
    assert to(at) == []
