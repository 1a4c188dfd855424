"""The feed's positions and the audit chain: gapless, one sealer at a time, every change by hand shows."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from moderation.models import Audit, Event
from moderation.policy.verdict import Verdict
from moderation.services import sealing
from tests.moderation.services.conftest import ABUSIVE

KEY = sealing.audit_key(b"s" * 32)


def seal(blog: Any, *, limit: int = 500) -> tuple[int, int]:
    with blog.database.transaction() as session:
        assert sealing.take_lease(session, sealing.SEALER, holder="test", now=blog.database.now(session))
        return sealing.place_events(session, limit=limit), sealing.seal_audit(session, KEY, limit=limit)


def breaks(blog: Any, *, later: timedelta = timedelta()) -> list[str]:
    with blog.database.reading() as session:
        return [found.fault for found in sealing.verify_audit(session, KEY, now=blog.database.now(session) + later)]


def some_history(blog: Any) -> None:
    for number in range(3):
        blog.submit(f"{ABUSIVE} Number {number} of three, each of them a little different.")
    blog.worker().drain()
    blog.decide(blog.queue()[0].comment, Verdict.REJECT)


def tamper(blog: Any, statement: str) -> None:
    on = " ON audit" if not blog.database.is_sqlite else ""
    with blog.database.transaction() as session:
        for trigger in ("audit_keeps_sealed_rows", "audit_keeps_rows"):
            session.execute(text(f"DROP TRIGGER {trigger}{on}"))
        session.execute(text(statement))


def test_events_get_places_without_gaps_in_batches_of_any_size(blog: Any) -> None:
    some_history(blog)
    while any(seal(blog, limit=2)):
        pass
    with blog.database.reading() as session:
        places = session.scalars(select(Event.feed_pos).order_by(Event.feed_pos)).all()
    assert places == list(range(1, 8))
    assert breaks(blog) == []


def test_only_one_holder_has_the_lease_until_it_runs_out(blog: Any) -> None:
    with blog.database.transaction() as session:
        now = blog.database.now(session)
        assert sealing.take_lease(session, "x", holder="one", now=now)
        assert sealing.take_lease(session, "x", holder="one", now=now)
        assert not sealing.take_lease(session, "x", holder="two", now=now)
        assert sealing.take_lease(session, "x", holder="two", now=now + sealing.LEASE + timedelta(seconds=1))
        sealing.leave_lease(session, "x", holder="two")
        assert sealing.take_lease(session, "x", holder="three", now=now)


def test_the_database_refuses_to_change_or_delete_what_is_sealed(blog: Any) -> None:
    some_history(blog)
    seal(blog)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError), blog.database.transaction() as session:
            session.execute(text(statement))
    assert breaks(blog) == []


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET action = 'nothing' WHERE seq = 2", "was changed after it was sealed"),
        ("DELETE FROM audit WHERE seq = 2", "rows 2 to 2 are missing"),
        ("UPDATE audit SET previous = seal WHERE seq = 3", "does not follow the row before it"),
    ],
)
def test_a_change_by_hand_shows(blog: Any, statement: str, fault: str) -> None:
    some_history(blog)
    seal(blog)
    tamper(blog, statement)
    assert fault in breaks(blog)


def test_a_row_that_nobody_sealed_shows_after_ten_seconds(blog: Any) -> None:
    some_history(blog)
    assert breaks(blog) == []
    assert breaks(blog, later=timedelta(seconds=11)) != []
    with blog.database.reading() as session:
        assert session.scalars(select(Audit).where(Audit.seq.is_not(None))).first() is None
