"""Streams and waiters: few, bounded, woken by one thread, and nobody holds a database connection."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.streams import STREAMS, WAITERS
from moderation.ids import read

PATIENCE = 20.0


def await_that(is_so: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def waiters(door: Any) -> int:
    return sum(len(events) for events in door.context.hub._waiting.values())


def test_whoever_finds_no_place_to_wait_gets_the_plain_answer_at_once(door: Any) -> None:
    waited = [door.submitted(f"Comment number {number}.")["id"] for number in range(WAITERS)]
    hub = door.context.hub
    with ThreadPoolExecutor(WAITERS) as pool:
        waiting = [pool.submit(hub.wait, read("comment", comment_id), PATIENCE) for comment_id in waited]
        await_that(lambda: waiters(door) == WAITERS, "all places are taken")
        plain = door.post("/v1/comments", door.comment(), headers={"Prefer": "wait=10"})
        assert (plain.status_code, "Preference-Applied" in plain.headers) == (202, False)
        await_that(lambda: door.runtime.database.engine.pool.checkedout() == 0, "nobody who waits holds a connection")
        door.work()
        assert [found.result(PATIENCE) for found in waiting] == [True] * WAITERS
    assert waiters(door) == 0


def test_one_thread_looks_for_everybody(door: Any) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    streams = [door.get("/v1/stream?after=0", buffered=False) for _ in range(STREAMS)]
    readers = [iter(stream.response) for stream in streams]
    assert {next(reader) for reader in readers} == {b"retry: 2000\n\n"}
    door.decided()
    door.place()
    news = [(next(reader).split(b"\n")[0], next(reader).split(b"\n")[0]) for reader in readers]
    assert set(news) == {(b"id: 1", b"id: 2")}
    new = [thread.name for thread in threading.enumerate() if thread.ident not in before]
    assert new.count("hub") == 1
    for stream in streams:
        stream.close()
    assert door.context.hub._places == []


def test_a_stream_that_was_never_read_gives_its_place_back(sqlite_door: Any) -> None:
    for _ in range(STREAMS + 1):
        answer = sqlite_door.get("/v1/stream", buffered=False)
        assert answer.status_code == 200
        answer.close()
    assert sqlite_door.context.hub._places == []


def test_a_stream_shows_nothing_of_another_site(door: Any) -> None:
    door.decided()
    theirs = door.get("/v1/stream?after=0", key="stranger", buffered=False)
    reader = iter(theirs.response)
    assert next(reader) == b"retry: 2000\n\n"
    body = {**door.comment(), "post": {"url": "https://other.example/page"}}
    made = door.post("/v1/comments", body, key="stranger").json
    door.place()
    assert made["id"].encode() in next(reader)
    theirs.close()


def test_a_stream_ends_after_its_time(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.streams.STREAM_SECONDS", 0.2)
    began = time.monotonic()
    assert sqlite_door.get("/v1/stream").data.startswith(b"retry: 2000\n\n")
    assert time.monotonic() - began < PATIENCE
    assert sqlite_door.context.hub._places == []


def test_at_the_end_everybody_is_let_go_and_nobody_is_taken_in(sqlite_door: Any) -> None:
    hub = sqlite_door.context.hub
    comment_id = read("comment", sqlite_door.submitted()["id"])
    stream = sqlite_door.get("/v1/stream", buffered=False)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hub.wait, comment_id, PATIENCE)
        await_that(lambda: waiters(sqlite_door) == 1, "somebody waits")
        hub.end()
        assert waiting.result(PATIENCE) is False
    assert list(stream.response) == [b"retry: 2000\n\n"]
    assert sqlite_door.get("/v1/stream").status_code == 503


def test_those_who_wait_outlast_a_database_that_is_away(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.streams.AFTER_FAILURE", 0.05)
    hub = sqlite_door.context.hub
    comment_id = read("comment", sqlite_door.submitted()["id"])
    path = sqlite_door.runtime.database.url.database
    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as away:
            failed = threading.Event()

            def unreachable() -> Any:
                failed.set()
                raise OSError(path)

            away.setattr(sqlite_door.runtime.database, "reading", unreachable)
            waiting = pool.submit(hub.wait, comment_id, PATIENCE)
            assert failed.wait(PATIENCE)
        sqlite_door.work()
        assert waiting.result(PATIENCE) is True
