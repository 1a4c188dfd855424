"""Setting endpoints up, looking at what arrived, and sending again what did not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.database import Database
from moderation.errors import NotFound, Refused
from moderation.ids import new_id
from moderation.models import Audit, DeliveryState, EndpointState, Site
from moderation.outbound.http import ForbiddenAddress
from moderation.services import endpoints, events, sealing
from tests.moderation.outbound.receiver import status
from tests.moderation.services.outgoing import GUARD, SECRET, Outgoing, outgoing


@pytest.fixture
def out(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outgoing]:
    with outgoing(database, tmp_path, monkeypatch) as world:
        yield world


@pytest.mark.parametrize("url", ["https://10.0.0.1/", "ftp://example.com/", "https://u:p@example.com/", "https://[fd00::1]/"])
def test_an_address_that_we_must_not_send_to_is_not_saved(out: Outgoing, url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        out.subscribe(url)
    new = out.subscribe()
    with pytest.raises(ForbiddenAddress), out.database.transaction() as session:
        endpoints.update(session, out.site_id, new.endpoint.id, url=url, guard=GUARD, by="test", now=out.clock.now())
    assert out.endpoint(new).url == out.receiver.url


def test_an_unknown_event_type_is_refused_by_its_place(out: Outgoing) -> None:
    with pytest.raises(Refused) as refusal:
        out.subscribe(event_types=[events.APPROVED, "comment.liked"])
    assert refusal.value.field == "/event_types/1"


def test_an_endpoint_hears_only_of_what_it_subscribed_to(out: Outgoing) -> None:
    new = out.subscribe(event_types=[events.REJECTED])
    comment = out.comment()
    out.change(comment)
    wanted = out.change(comment, events.REJECTED)
    out.drain()
    assert out.ids() == [wanted]
    with out.database.transaction() as session:
        endpoints.update(
            session,
            out.site_id,
            new.endpoint.id,
            event_types=[],
            include_text=True,
            guard=GUARD,
            by="test",
            now=out.clock.now(),
        )
    out.change(comment)
    out.drain()
    assert len(out.receiver.got) == 2
    assert orjson.loads(out.receiver.got[1].body)["data"]["comment"]["body"] == "the text"


def test_no_secret_is_in_the_database(out: Outgoing) -> None:
    new = out.subscribe()
    endpoint = out.endpoint(new)
    stored = orjson.dumps([endpoint.secrets, endpoint.url]).decode()
    assert new.secret.startswith("whsec_")
    assert new.secret.removeprefix("whsec_") not in stored


def test_a_second_rotation_ends_the_oldest_secret_at_once(out: Outgoing) -> None:
    first = out.subscribe()
    shown = [first.secret]
    for _ in range(2):
        with out.database.transaction() as session:
            shown.append(
                endpoints.rotate(session, out.site_id, first.endpoint.id, secret=SECRET, by="test", now=out.clock.now()).secret
            )
    assert len(set(shown)) == 3
    assert len(out.endpoint(first).secrets) == 2
    out.news(1)
    out.drain()
    assert len(out.receiver.got[0].headers["webhook-signature"].split()) == 2


def test_another_site_can_neither_see_nor_touch_an_endpoint(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)
    out.drain()
    (delivery,) = out.deliveries()
    with out.database.transaction() as session:
        stranger = Site(id=new_id(), created_at=out.clock.now(), name="other", title="Another")
        session.add(stranger)
    now = out.clock.now()
    calls: list[Callable[[Session], object]] = [
        lambda s: endpoints.find(s, stranger.id, new.endpoint.id),
        lambda s: endpoints.pause(s, stranger.id, new.endpoint.id, by="x", now=now),
        lambda s: endpoints.resume(s, stranger.id, new.endpoint.id, by="x", now=now),
        lambda s: endpoints.delete(s, stranger.id, new.endpoint.id, by="x", now=now),
        lambda s: endpoints.rotate(s, stranger.id, new.endpoint.id, secret=SECRET, by="x", now=now),
        lambda s: endpoints.test(s, stranger.id, new.endpoint.id, now=now),
        lambda s: endpoints.replay(s, stranger.id, delivery.id, by="x", now=now),
        lambda s: endpoints.replay_many(s, stranger.id, endpoint_id=new.endpoint.id, by="x", now=now),
        lambda s: endpoints.attempts(s, stranger.id, delivery.id),
    ]
    for call in calls:
        with pytest.raises(NotFound), out.database.transaction() as session:
            call(session)
    with out.database.reading() as session:
        assert endpoints.page(session, stranger.id) == []
        assert endpoints.deliveries(session, stranger.id) == []
        assert endpoints.feed(session, stranger.id, after=0) == []


def test_a_test_event_goes_to_that_endpoint_alone_and_verifies_like_any_other(out: Outgoing) -> None:
    new = out.subscribe()
    out.subscribe(out.receiver.url + "/other")
    with out.database.transaction() as session:
        endpoints.test(session, out.site_id, new.endpoint.id, now=out.clock.now())
        endpoints.test(session, out.site_id, new.endpoint.id, now=out.clock.now())
    out.drain()
    assert [orjson.loads(got.body)["type"] for got in out.receiver.got] == [events.TEST, events.TEST]
    assert {got.path for got in out.receiver.got} == {"/hook"}


def test_all_dead_deliveries_are_sent_again_and_the_delivered_ones_are_not(out: Outgoing) -> None:
    out.subscribe()
    delivered = out.news(1)
    out.drain()
    lost = out.news(2)
    with out.database.transaction() as session:
        for delivery in endpoints.deliveries(session, out.site_id, state=DeliveryState.PENDING):
            session.merge(delivery).state = DeliveryState.DEAD
    out.drain()
    assert out.states() == ["delivered", "dead", "dead"]
    with out.database.transaction() as session:
        replayed = endpoints.replay_many(session, out.site_id, by="test", now=out.clock.now())
    assert (replayed.count, replayed.next) == (2, None)
    out.drain()
    assert sorted(out.ids()) == sorted(delivered + lost)


def test_everything_since_a_time_is_sent_again_under_the_same_ids(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)
    out.clock.move(60)
    since = out.clock.now()
    later = out.news(3)
    out.drain()
    with out.database.transaction() as session:
        replayed = endpoints.replay_many(
            session, out.site_id, endpoint_id=new.endpoint.id, since=since, by="test", now=out.clock.now()
        )
    assert replayed.count == 3
    out.drain()
    assert sorted(out.ids()[-3:]) == sorted(later)
    bodies = {got.id: got.body for got in out.receiver.got[:4]}
    assert all(bodies[got.id] == got.body for got in out.receiver.got[4:])


def test_a_replay_goes_on_where_the_last_one_had_enough(out: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "REPLAY_AT_MOST", 2)
    out.subscribe()
    since = out.clock.now()
    out.news(3)
    out.drain()
    counts, after = [], None
    for _ in range(2):
        with out.database.transaction() as session:
            replayed = endpoints.replay_many(session, out.site_id, since=since, after=after, by="test", now=out.clock.now())
        counts.append(replayed.count)
        after = replayed.next
    assert counts == [2, 1]
    assert after is None
    out.drain()
    assert len(out.receiver.got) == 6


def test_a_replay_to_a_paused_endpoint_waits_for_its_resumption(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)
    out.drain()
    (delivery,) = out.deliveries()
    with out.database.transaction() as session:
        endpoints.pause(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
        endpoints.replay(session, out.site_id, delivery.id, by="test", now=out.clock.now())
    assert out.drain() == 0
    assert out.states() == ["paused"]
    with out.database.transaction() as session:
        endpoints.resume(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
    assert out.drain() == 1


def test_a_delivery_to_a_deleted_endpoint_cannot_be_replayed(out: Outgoing) -> None:
    new = out.subscribe()
    out.news(1)
    out.drain()
    with out.database.transaction() as session:
        endpoints.delete(session, out.site_id, new.endpoint.id, by="test", now=out.clock.now())
    assert out.states() == ["delivered"], "what arrived stays so"
    with pytest.raises(Refused), out.database.transaction() as session:
        endpoints.replay(session, out.site_id, out.deliveries()[0].id, by="test", now=out.clock.now())
    with pytest.raises(NotFound), out.database.transaction() as session:
        endpoints.rotate(session, out.site_id, new.endpoint.id, secret=SECRET, by="test", now=out.clock.now())


def test_deliveries_are_listed_newest_first_with_their_attempts(out: Outgoing) -> None:
    new = out.subscribe()
    out.receiver.answer = status(500)
    out.news(3)
    out.drain()
    with out.database.reading() as session:
        found = endpoints.deliveries(session, out.site_id, endpoint_id=new.endpoint.id, limit=2)
        rest = endpoints.deliveries(session, out.site_id, before=found[-1].id)
        assert [len(found), len(rest)] == [2, 1]
        assert found[0].id > found[1].id > rest[0].id
        (attempt,) = endpoints.attempts(session, out.site_id, rest[0].id)
        assert (attempt.response_status, attempt.error) == (500, "http_500")
        assert endpoints.deliveries(session, out.site_id, state=DeliveryState.DEAD) == []


def test_the_feed_gives_all_events_in_order_with_no_endpoint_at_all(out: Outgoing) -> None:
    wanted = out.news(3)
    with out.database.reading() as session:
        assert endpoints.feed(session, out.site_id, after=0) == [], "not before they have their place"
    with out.database.transaction() as session:
        sealing.place_events(session)
    with out.database.reading() as session:
        first = endpoints.feed(session, out.site_id, after=0, limit=2)
        rest = endpoints.feed(session, out.site_id, after=first[-1].feed_pos or 0)
    assert [f"evt_{event.id.hex}" for event in first + rest] == wanted


def test_every_change_to_an_endpoint_is_in_the_audit_log(out: Outgoing) -> None:
    new = out.subscribe()
    now = out.clock.now() + timedelta(seconds=1)
    with out.database.transaction() as session:
        endpoints.update(session, out.site_id, new.endpoint.id, include_text=True, guard=GUARD, by="usr_1", now=now)
        endpoints.rotate(session, out.site_id, new.endpoint.id, secret=SECRET, by="usr_1", now=now)
        endpoints.pause(session, out.site_id, new.endpoint.id, by="usr_1", now=now)
        endpoints.resume(session, out.site_id, new.endpoint.id, by="usr_1", now=now)
        endpoints.delete(session, out.site_id, new.endpoint.id, by="usr_1", now=now)
    with out.database.reading() as session:
        actions = list(session.scalars(select(Audit.action).order_by(Audit.id)))
    assert actions == [
        "endpoint.created",
        "endpoint.updated",
        "endpoint.secret_rotated",
        "endpoint.paused",
        "endpoint.resumed",
        "endpoint.deleted",
    ]
    assert out.endpoint(new).state is EndpointState.ACTIVE
