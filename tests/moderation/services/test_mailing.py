"""Those who look after a site are told by mail: at once, when it waits too long, by the hour; never about what is settled."""

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, func, select

from moderation import queue
from moderation.config import DEFAULT_SCHEDULE
from moderation.database import Database
from moderation.errors import NotFound, Refused
from moderation.ids import read
from moderation.models import CaseKind, JobKind, Membership, Message, MessageKind, NoticeChoice, Role, User
from moderation.policy.verdict import Verdict
from moderation.services import decisions, housekeeping, mailing, messages, notices, review
from moderation.services.decisions import NewCase
from moderation.services.delivery import LEASE
from moderation.services.notices import Choice
from tests.moderation.outbound.mailserver import DIES
from tests.moderation.services.conftest import ABUSIVE, CIVIL, THREAT
from tests.moderation.services.office import Office

PRIVATE = "She lives alone, call her on +49 30 901820 at night, all of you."


# ------------------------------------------------------------------------------------------------------- at once


def test_of_a_threat_everybody_who_decides_is_told_at_once_without_its_text(at: Office) -> None:
    view = at.blog.judged(THREAT)
    got = at.work()
    assert sorted(address for letter in got for address in letter.to) == ["edith@blog.example", "mona@blog.example"]
    letter = got[0]
    assert str(letter.message["Subject"]).startswith("[A blog] Urgent: Threat or call to violence")
    assert "“Arms and the treaty”" in letter.text
    assert "It is not public." in letter.text
    assert "https://tidegate.example/console/letter?token=" in letter.text
    assert "kill" not in letter.text
    assert "Reader" not in letter.text
    assert at.states() == [("delivered", None)]
    assert at.jobs() == []
    assert view.status == "flagged"


def test_of_personal_data_people_are_told_at_once_and_of_other_flags_not(at: Office) -> None:
    at.blog.judged(ABUSIVE)
    at.blog.judged(CIVIL)
    assert at.work() == []
    at.blog.judged(PRIVATE)
    assert {str(letter.message["Subject"]) for letter in at.work()} == {"[A blog] Urgent: Private information, stalking"}


def test_a_flood_of_threats_fills_no_inbox_and_the_last_letter_says_so(at: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailing, "URGENT_AN_HOUR", 2)
    for number in range(4):
        at.blog.judged(f"{THREAT} {number}")
    letters = [letter.text for letter in at.work() if letter.to == ["edith@blog.example"]]
    # Which of them is the last is nobody's business: all came in the same moment, and several are sent at once.
    assert sorted("no letter about another one within the hour" in " ".join(text.split()) for text in letters) == [False, True]
    announced = [message for message in at.everything() if message.user_id is None]
    assert Counter(message.last_error for message in announced) == {None: 2, "too_many": 2}
    assert at.jobs() == []
    at.clock.move(3601)
    at.blog.judged(f"{THREAT} And again.")
    assert len(at.work()) == 2 * 3, "an hour later people are told again"


def test_one_case_is_told_once_however_often_it_is_renewed_and_a_new_revision_again(at: Office) -> None:
    view = at.blog.judged(THREAT)
    assert len(at.work()) == 2
    with at.blog.database.transaction() as session:
        comment = decisions.lock(session, at.blog.site_id, read("comment", view.id))
        assert comment is not None
        renewed = NewCase(kind=CaseKind.REPORTED, reasons=({"reason": 3, "verdict": "flag"},))
        decisions.open_case(session, comment, renewed, now=at.clock.now())
    assert len(at.work()) == 2
    at.blog.revise(view, THREAT + " I know your street.")
    at.blog.worker().drain()
    assert len(at.work()) == 4


def test_what_a_colleague_settled_before_the_letter_went_out_is_not_told(at: Office) -> None:
    view = at.blog.judged(THREAT)
    at.blog.decide(view, Verdict.REJECT, reason=3)
    assert at.work() == []
    assert at.states() == [("cancelled", "settled")]
    assert at.jobs() == []


def test_what_its_author_took_back_is_not_told(at: Office) -> None:
    view = at.blog.judged(THREAT)
    at.blog.withdraw(view)
    assert at.work() == []


def test_an_escalation_tells_the_editors_alone(at: Office) -> None:
    at.blog.judged(ABUSIVE)
    case = at.blog.queue()[0]
    at.blog.database.transact(
        lambda session: review.escalate(session, at.blog.site_id, case.id, user_id=at.blog.moderator_id, now=datetime.now(UTC))
    )
    (letter,) = at.work()
    assert letter.to == ["edith@blog.example"]
    assert letter.message["Subject"] == "[A blog] Handed to the editors: Personal attack"


def test_who_wants_nothing_has_no_role_any_more_or_is_disabled_is_not_told(at: Office) -> None:
    at.blog.judged(THREAT)
    at.blog.database.transact(
        lambda session: notices.choose(
            session, at.blog.site_id, at.blog.moderator_id, Choice(urgent=False, waiting=True, digest=True), by="test",
            now=at.clock.now(),
        )
    )  # fmt: skip
    with at.blog.database.transaction() as session:
        session.get_one(User, at.blog.editor_id).disabled_at = at.clock.now()
    assert at.work() == []
    assert at.messages() == []


def test_who_loses_the_role_between_announcement_and_letter_is_not_told(at: Office) -> None:
    at.host.to_letter = "451 4.3.0 later"
    at.blog.judged(THREAT)
    at.work()
    with at.blog.database.transaction() as session:
        session.delete(session.get_one(Membership, (at.blog.site_id, at.blog.moderator_id)))
    at.host.to_letter = "250 OK"
    at.clock.move(60)
    assert [letter.to for letter in at.work()] == [["edith@blog.example"]]
    assert at.states() == [("cancelled", "not_wanted"), ("delivered", None)]


# ------------------------------------------------------------------------------------------- when the server fails


def test_without_a_mail_server_nobody_is_told_and_nothing_stays_behind(at: Office) -> None:
    at.blog.judged(THREAT)
    without = at.another(smtp_url=None, mail_from=None)
    without.drain(lambda: False)
    without.close()
    assert at.jobs() == []
    assert at.work() == []


@pytest.mark.parametrize("answer", ["451 4.3.0 later", DIES])
def test_a_server_that_fails_is_asked_again_by_the_schedule_and_each_letter_arrives_once(at: Office, answer: str) -> None:
    at.host.to_letter = answer
    at.blog.judged(THREAT)
    assert at.work() == []
    assert at.host.begun == 2
    assert at.states() == [("pending", "deferred" if answer != DIES else "protocol")]
    at.clock.move(31)
    at.work()
    assert at.host.begun == 4
    at.host.to_letter = "250 OK"
    at.clock.move(301)
    got = at.work()
    assert len({letter.message["Message-ID"] for letter in got}) == len(got) == 2
    at.clock.move(100_000)
    assert len(at.work()) == 2
    assert at.states() == [("delivered", None)]


def test_an_address_that_is_refused_for_good_is_given_up_at_once_and_can_be_sent_again(at: Office) -> None:
    at.host.to_recipient = "550 5.1.1 no such person"
    at.blog.judged(THREAT)
    assert at.work() == []
    assert at.states() == [("dead", "rejected")]
    assert at.jobs() == []
    at.host.to_recipient = "250 OK"
    with at.blog.database.transaction() as session:
        assert messages.ends(session) == messages.Ends(given_up=2)
        for message in messages.page(session, at.blog.site_id):
            messages.retry(session, at.blog.site_id, message.id, by="test", now=at.clock.now())
    assert len(at.work()) == 2
    with at.blog.database.transaction() as session, pytest.raises(NotFound):
        messages.retry(session, at.blog.moderator_id, at.messages()[0].id, by="test", now=at.clock.now())


def test_a_letter_that_never_gets_through_is_given_up_in_the_end(sqlite_at: Office) -> None:
    at = sqlite_at
    at.host.to_letter = "451 4.3.0 later"
    at.blog.judged(THREAT)
    for seconds in DEFAULT_SCHEDULE:
        at.work()
        at.clock.move(seconds * 1.3 + 31)
    at.work()
    assert at.states() == [("dead", "deferred")]
    assert {message.attempts for message in at.messages()} == {len(DEFAULT_SCHEDULE)}
    assert at.jobs() == []


def test_a_server_that_is_down_lets_all_mail_rest_and_no_comment_wait(at: Office) -> None:
    at.host.to_letter = DIES
    at.blog.judged(THREAT)
    at.work()
    begun = at.host.begun
    at.blog.judged(PRIVATE)
    view = at.blog.judged(CIVIL)
    assert view.status == "approved"
    at.work()
    with at.blog.database.reading() as session:
        resting = session.scalars(select(Message).where(Message.kind == MessageKind.URGENT, Message.user_id.is_not(None))).all()
    assert len(resting) == 4
    assert at.host.begun <= begun + 4
    assert all(job.run_at > at.clock.now() for job in at.jobs())


def test_a_slow_server_holds_neither_comments_nor_webhooks(sqlite_at: Office) -> None:
    at = sqlite_at
    at.host.pause = 1.5
    at.blog.judged(THREAT)
    sending = threading.Thread(target=at.work)
    sending.start()
    try:
        began = datetime.now(UTC)
        assert at.blog.judged(CIVIL).status == "approved"
        assert datetime.now(UTC) - began < timedelta(seconds=1.5)
    finally:
        sending.join()
    assert len(at.host.got) == 2


def test_a_worker_that_dies_before_it_noted_the_letter_hands_it_in_again_under_the_same_id(at: Office) -> None:
    """At least once: this is the one way to a second copy."""
    at.blog.judged(THREAT)
    at.deliverer.drain(lambda: False)  # makes a message for each of the two
    dying = at.another()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("moderation.services.mailing.Mailing.conclude", lambda *_arguments, **_options: 1 / 0)
        assert dying.drain(lambda: False) == 2
    dying.close()
    assert len(at.host.got) == 2
    at.clock.move(LEASE.total_seconds() + 1)
    got = at.work()
    assert len(got) == 4
    assert len({letter.message["Message-ID"] for letter in got}) == 2
    assert at.states() == [("delivered", None)]


def test_a_worker_that_lost_its_lease_notes_nothing(at: Office) -> None:
    at.blog.judged(THREAT)
    at.deliverer.drain(lambda: False)  # makes a message for each of the two
    with at.blog.database.transaction() as session:
        now = at.clock.now()
        sites = queue.sites_with_work(session, JobKind.MESSAGE, now=now)
        held = queue.claim(session, JobKind.MESSAGE, worker="slow", now=now, lease=LEASE, sites=sites)
    at.clock.move(LEASE.total_seconds() + 1)
    assert len(at.work()) == 2
    for each in held:
        with at.blog.database.transaction() as session, pytest.raises(Exception, match="fence"):
            queue.finish(session, each, now=at.clock.now())


# ------------------------------------------------------------------------------------------------ alarm and digest


def test_what_waits_too_long_alarms_those_who_lead_once_until_it_is_over(at: Office) -> None:
    view = at.blog.judged(ABUSIVE)
    at.plan(waiting_minutes=60)
    at.pass_time(59 * 60)
    assert at.work() == []
    at.pass_time(120)
    (letter,) = at.work()
    assert (letter.to, letter.message["Subject"]) == (["edith@blog.example"], "[A blog] A comment has been waiting for 1 hour")
    at.pass_time(3600)
    assert len(at.work()) == 1, "said once"
    at.blog.decide(view)
    at.pass_time(30)
    at.blog.judged(ABUSIVE + " Again.", now=at.clock.now())
    at.pass_time(3700)
    assert len(at.work()) == 2, "the next one is news"
    at.pass_time(24 * 3600)
    assert len(at.work()) == 3, "and is said again the next day"


def test_since_when_somebody_waits_is_found_without_reading_all_that_waits(at: Office) -> None:
    asked: list[tuple[str, Any]] = []
    at.blog.judged(ABUSIVE)
    with at.blog.database.reading() as session:
        connection = session.connection()
        if not at.blog.database.is_sqlite:
            # An empty table is always read as a whole there.
            connection.exec_driver_sql("SET enable_seqscan = off")
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        assert notices.oldest_waiting(session, at.blog.site_id) is not None
        ((statement, parameters),) = asked
        how = "EXPLAIN QUERY PLAN" if at.blog.database.is_sqlite else "EXPLAIN"
        plan = str(connection.exec_driver_sql(f"{how} {statement}", parameters).all())
    assert "ix_case_waiting" in plan
    assert "SORT" not in plan.upper().replace("TEMP B-TREE", "SORT")


def test_without_a_plan_four_hours_are_too_long_and_zero_minutes_are_never(at: Office) -> None:
    at.blog.judged(ABUSIVE)
    at.pass_time(3.9 * 3600)
    assert at.announce() == 0
    at.plan(waiting_minutes=0)
    at.pass_time(48 * 3600)
    assert at.announce() == 0


def test_of_many_relays_one_announces(at: Office) -> None:
    at.blog.judged(ABUSIVE)
    at.clock.move(5 * 3600)
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(at.announce_freely())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 1


def test_the_digest_comes_at_the_sites_hours_with_what_waits(at: Office) -> None:
    at.blog.judged(ABUSIVE)
    at.blog.judged(THREAT)
    at.work()
    at.host.got.clear()
    at.plan(digest_hours=[8, 18])
    at.clock.moment = datetime(2027, 3, 1, 7, 59, tzinfo=UTC)
    at.plan(digest_hours=[8, 18])
    assert at.announce() == 0
    at.pass_time(60)
    assert at.announce() == 0, "once an hour that was chosen"
    got = at.work()
    assert sorted(address for letter in got for address in letter.to) == ["edith@blog.example", "mona@blog.example"]
    assert got[0].message["Subject"] == "[A blog] 2 comments wait for you"
    assert "2 on “Arms and the treaty”" in got[0].text
    at.pass_time(10 * 3600 - 1)
    assert len(at.work()) == 2
    at.pass_time(1)
    assert len(at.work()) == 4


def test_a_digest_with_nothing_to_say_is_not_sent(at: Office) -> None:
    at.blog.judged(CIVIL)
    at.clock.moment = datetime(2027, 3, 1, 7, 59, tzinfo=UTC)
    at.plan(digest_hours=[8])
    at.pass_time(3600)
    assert at.work() == []
    assert at.states() == [("cancelled", "settled")]


@pytest.mark.parametrize(
    ("zone", "after", "due"),
    [
        ("Europe/Berlin", "2027-01-10T06:59:00+00:00", "2027-01-10T07:00:00+00:00"),
        ("Europe/Berlin", "2027-07-10T06:00:00+00:00", "2027-07-11T06:00:00+00:00"),
        ("Europe/Berlin", "2027-03-27T08:00:00+00:00", "2027-03-28T06:00:00+00:00"),
        ("Asia/Kolkata", "2027-01-10T00:00:00+00:00", "2027-01-10T02:30:00+00:00"),
        ("Pacific/Apia", "2027-01-10T00:00:00+00:00", "2027-01-10T19:00:00+00:00"),
    ],
)
def test_the_hour_is_the_sites_own_in_summer_and_winter(zone: str, after: str, due: str) -> None:
    found = notices.next_digest([8], zone, after=datetime.fromisoformat(after))
    assert found == datetime.fromisoformat(due)
    assert found is not None
    assert found.astimezone(ZoneInfo(zone)).hour == 8


def test_an_hour_that_the_clock_leaves_out_or_has_twice_comes_once() -> None:
    zone = "Europe/Berlin"
    moment = datetime(2027, 3, 27, 12, 0, tzinfo=UTC)
    hours = []
    for _ in range(3):
        moment = notices.next_digest([2], zone, after=moment) or moment
        hours.append(moment)
    assert hours == sorted(set(hours))
    assert [found.date().isoformat() for found in hours] == ["2027-03-28", "2027-03-29", "2027-03-30"]
    autumn = notices.next_digest([2], zone, after=datetime(2027, 10, 30, 12, 0, tzinfo=UTC))
    assert autumn is not None
    assert (notices.next_digest([2], zone, after=autumn) or autumn) - autumn > timedelta(hours=23)


@pytest.mark.parametrize(
    "changes", [{"digest_hours": [24]}, {"digest_hours": [-1]}, {"waiting_minutes": -1}, {"waiting_minutes": 10**6}]
)
def test_a_plan_that_there_is_not_is_refused(sqlite_at: Office, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        sqlite_at.plan(**changes)


def test_only_who_decides_here_can_choose(sqlite_at: Office) -> None:
    everything = Choice(urgent=True, waiting=True, digest=True)
    with sqlite_at.blog.database.transaction() as session:
        session.get_one(Membership, (sqlite_at.blog.site_id, sqlite_at.blog.moderator_id)).role = Role.AUDITOR
        session.flush()
        with pytest.raises(NotFound):
            notices.choose(
                session, sqlite_at.blog.site_id, sqlite_at.blog.moderator_id, everything, by="test", now=sqlite_at.clock.now()
            )
        assert session.scalar(select(func.count()).select_from(NoticeChoice)) == 0


def test_what_was_sent_a_month_ago_is_tidied_away(at: Office) -> None:
    at.blog.judged(THREAT)
    at.work()
    at.clock.move(timedelta(days=31).total_seconds())
    with at.blog.database.transaction() as session:
        housekeeping.tidy(session, now=at.clock.now())
        assert session.scalar(select(func.count()).select_from(Message)) == 0


def test_the_database_keeps_no_text_in_the_outbox(at: Office, database: Database) -> None:
    at.blog.judged(THREAT)
    at.work()
    assert {str(message.data) for message in at.messages()} == {"{}"}
