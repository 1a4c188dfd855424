"""Health, limits, and a database or Redis that is away."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from limits import RateLimitItemPerHour
from redis import Redis

from api import limits
from api.errors import Problem
from moderation.services import processes
from tests.api.conftest import open_door, settings
from tests.servers import PostgresServer, ValkeyServer


def test_it_is_ready_when_every_part_was_heard_of(door: Any) -> None:
    assert door.post("/v1/check", {"body": "The models are loaded for the first check."}).status_code == 200
    answer = door.get("/readyz", key=None)
    assert (answer.status_code, answer.json["checks"]["relay"]) == (503, "no such process was heard of lately")
    with door.runtime.database.transaction() as session:
        now = door.runtime.database.now(session)
        for kind in ("relay", "deliver+moderate"):
            processes.beat(session, kind, kind, started_at=now, now=now)
    answer = door.get("/readyz", key=None)
    assert (answer.status_code, set(answer.json["checks"].values())) == (200, {"ok"})


def test_the_numbers_are_for_this_machine_alone(door: Any) -> None:
    door.submitted()
    answer = door.get("/metrics", key=None)
    assert "tidegate_comments_pending 1.0" in answer.text
    assert 'tidegate_jobs{kind="moderate"} 1.0' in answer.text
    assert door.get("/metrics", key=None, headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404
    assert door.get("/metrics", key=None, environ_base={"REMOTE_ADDR": "203.0.113.1"}).status_code == 404


def test_a_database_that_is_away_is_a_503_and_nothing_is_acknowledged(tmp_path: Path, sqlite_url: str) -> None:
    for door in open_door(settings(tmp_path, sqlite_url)):
        (tmp_path / "tidegate.db").rename(tmp_path / "away.db")
        (tmp_path / "tidegate.db").mkdir()
        door.runtime.database.dispose()
        answer = door.post("/v1/comments", door.comment())
        assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "database-unavailable", "2")
        assert "sqlite" not in answer.text.lower()
        assert door.get("/readyz", key=None).status_code == 503
        assert door.get("/healthz", key=None).status_code == 200


@pytest.mark.postgres
def test_a_postgresql_that_goes_away_in_the_middle_is_a_503(
    tmp_path: Path, postgres: PostgresServer, postgresql_url: str
) -> None:
    for door in open_door(settings(tmp_path, postgresql_url)):
        assert door.post("/v1/comments", door.comment()).status_code == 202
        postgres.drop_database(postgresql_url.rsplit("/", 1)[-1])
        for answer in (door.post("/v1/comments", door.comment()), door.get("/v1/comments"), door.get("/metrics")):
            assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "database-unavailable", "2")
        assert "cannot be reached" in door.get("/readyz", key=None).json["checks"]["database"]


def test_the_client_address_comes_from_the_trusted_proxies_alone(tmp_path: Path, sqlite_url: str) -> None:
    for door in open_door(settings(tmp_path, sqlite_url)):
        forged = {"X-Forwarded-For": "203.0.113.9"}
        answers = [door.get("/v1/comments", key="wrong", headers={**forged}) for _ in range(31)]
        assert [answer.status_code for answer in answers[-2:]] == [401, 429]


def test_a_browser_can_post_ten_a_minute_and_is_told_when_to_come_back(sqlite_door: Any) -> None:
    body = {"post": sqlite_door.comment()["post"], "author": {"name": "Ann"}, "body": "A thought."}
    answers = [sqlite_door.post("/v1/comments", body, key="publishable") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert 'author";q=10;w=60' in answers[0].headers["RateLimit-Policy"]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time for Redis to answer on a machine that is busy with other tests: a late answer is counted in memory."""
    for name in ("CONNECT_TIMEOUT", "TIMEOUT", "BUDGET"):
        monkeypatch.setattr(limits, name, 100 * getattr(limits, name))


@pytest.mark.valkey
@pytest.mark.usefixtures("patient")
def test_limits_are_shared_through_redis_and_hold_without_it(tmp_path: Path, sqlite_url: str) -> None:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    try:
        for door in open_door(settings(tmp_path, sqlite_url, redis_url=server.url)):
            other = limits.Limits(door.runtime)
            with door.app.test_request_context():
                for _ in range(5):
                    door.context.limits.spend(limits.AUTHOR, "ann")
                    other.spend(limits.AUTHOR, "ann")
                with pytest.raises(Exception, match="too-many-requests"):
                    other.spend(limits.AUTHOR, "ann")
            server.kill()
            with door.app.test_request_context():
                for _ in range(10):
                    other.spend(limits.AUTHOR, "bob")
                with pytest.raises(Exception, match="too-many-requests"):
                    other.spend(limits.AUTHOR, "bob")
    finally:
        server.stop()


@pytest.mark.valkey
@pytest.mark.usefixtures("patient")
def test_a_busy_key_is_counted_for_all_processes_by_the_score_and_a_calm_one_asks_nobody(
    tmp_path: Path, sqlite_url: str, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = limits.Rule("key", RateLimitItemPerHour(20), moving=False, untold=4)
    # One second that does not end: the machine may be slow.
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: 1_800_000_000.5, monotonic=time.monotonic))
    for door in open_door(settings(tmp_path, sqlite_url, redis_url=valkey)):
        one, other = door.context.limits, limits.Limits(door.runtime)
        with Redis.from_url(valkey) as redis, door.app.test_request_context():

            def told(who: str) -> list[int]:
                return [int(redis.get(key)) for key in redis.keys(f"*{who}*")]

            for _ in range(4):
                one.spend(rule, "calm")
            assert told("calm") == []
            for _ in range(14):
                one.spend(rule, "busy")
            assert told("busy") == [10]
            for _ in range(5):
                other.spend(rule, "busy")
            assert told("busy") == [15]


@pytest.mark.valkey
@pytest.mark.usefixtures("patient")
def test_a_loop_gone_wild_is_stopped_and_goes_on_once_the_stores_window_is_over(
    tmp_path: Path, sqlite_url: str, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = limits.Rule("key", RateLimitItemPerHour(20), moving=False, untold=4)
    monkeypatch.setattr(limits, "time", SimpleNamespace(time=lambda: 1_800_000_000.5, monotonic=time.monotonic))

    def let_through(limiting: limits.Limits, count: int) -> int:
        passed = 0
        for _ in range(count):
            try:
                limiting.spend(rule, "wild")
            except Problem:
                continue
            passed += 1
        return passed

    for door in open_door(settings(tmp_path, sqlite_url, redis_url=valkey)):
        one, other = door.context.limits, limits.Limits(door.runtime)
        with door.app.test_request_context(), Redis.from_url(valkey) as redis:
            # Twenty, and what each may let through unasked.
            assert let_through(one, 100) == 20 + rule.untold
            assert let_through(other, 100) == rule.untold
            redis.flushall()
            assert let_through(one, 9) == 9, "the window is over, also within the same second of the clock"


def test_behind_a_trusted_proxy_each_client_has_an_address_of_its_own(tmp_path: Path, sqlite_url: str) -> None:
    for door in open_door(settings(tmp_path, sqlite_url, trusted_proxies=1)):
        answers = [
            door.get("/v1/comments", key="wrong", headers={"X-Forwarded-For": f"203.0.113.66, 203.0.113.{number}"})
            for number in range(40)
        ]
        assert {answer.status_code for answer in answers} == {401}
        same = [
            door.get("/v1/comments", key="wrong", headers={"X-Forwarded-For": f"203.0.113.{number}, 203.0.113.99"})
            for number in range(31)
        ]
        assert same[-1].status_code == 429


def test_the_networks_of_one_customer_are_counted_together(sqlite_door: Any) -> None:
    def caller(address: str) -> str:
        with sqlite_door.app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return str(sqlite_door.context.limits.caller())

    assert caller("2001:db8:0:1::7") == caller("2001:db8:0:2::8") != caller("2001:db8:1::7")
    assert caller("192.0.2.1") != caller("192.0.2.2")
    assert "192" not in caller("192.0.2.1")


@pytest.mark.valkey
def test_a_comment_rings_for_the_worker_beside_the_request(tmp_path: Path, sqlite_url: str, valkey: str) -> None:
    for door in open_door(settings(tmp_path, sqlite_url, redis_url=valkey)):
        door.submitted()
        door.context.ringer.end()
        with Redis.from_url(valkey) as redis:
            assert redis.exists("tidegate:bell:moderate")
            assert redis.llen("tidegate:moderate") == 1


@pytest.mark.valkey
def test_a_hung_redis_costs_a_request_at_most_a_tenth_of_a_second(tmp_path: Path, sqlite_url: str) -> None:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    try:
        for door in open_door(settings(tmp_path, sqlite_url, redis_url=server.url)):
            server.pause()
            for _ in range(3):
                with door.app.test_request_context():
                    began = time.monotonic()
                    for _ in range(4):
                        door.context.limits.spend(limits.BROWSERS, "somebody")
                    spent = time.monotonic() - began
                assert spent < limits.BUDGET + 0.05, "a twentieth of a second is for the machine"
                door.runtime.breaker._probe_at = 0.0
    finally:
        server.resume()
        server.stop()


@pytest.mark.valkey
def test_a_hung_redis_costs_no_comment(tmp_path: Path, sqlite_url: str) -> None:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    try:
        for door in open_door(settings(tmp_path, sqlite_url, redis_url=server.url)):
            assert door.post("/v1/comments", door.comment("Before the pause.")).status_code == 202
            server.pause()
            number, deadline = 0, time.monotonic() + 60
            # Two time-outs open the breaker, those of the bells beside the requests as well.
            while number < 10 or not door.runtime.breaker.is_open:
                assert door.post("/v1/comments", door.comment(f"During the pause, number {number}.")).status_code == 202
                number += 1
                assert time.monotonic() < deadline, "nothing opens the breaker"
            assert "cannot be reached" in door.get("/readyz", key=None).json["notices"]["redis"]
            server.resume()
    finally:
        server.resume()
        server.stop()
