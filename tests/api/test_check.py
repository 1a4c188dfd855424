"""Checks over HTTP: judged at once, nothing stored, and a late model never means approved."""

import threading
from typing import Any

import pytest
from sqlalchemy import func, select

from api.v1 import check
from moderation.models import Author, Comment, Event, Post
from tests.api.conftest import ABUSIVE, CIVIL


def test_a_check_says_how_the_text_would_be_judged_and_stores_nothing(door: Any) -> None:
    civil, abusive = (door.post("/v1/check", {"body": body}).json for body in (CIVIL, ABUSIVE))
    assert (civil["verdict"], abusive["verdict"]) == ("approve", "flag")
    assert civil["scores"]["toxicity"] < 0.5 < abusive["scores"]["toxicity"]
    assert abusive["reasons"]
    assert civil["policy"].startswith("standard@")
    with door.runtime.database.reading() as session:
        assert [session.scalar(select(func.count()).select_from(table)) for table in (Comment, Author, Post, Event)] == [0] * 4


def test_rules_that_need_an_author_are_listed_as_not_evaluated(door: Any) -> None:
    assert door.post("/v1/check", {"body": CIVIL}).json["not_evaluated"]
    with_all = door.post("/v1/check", {key: door.comment()[key] for key in ("body", "author", "post")}).json
    assert with_all["verdict"] == "approve"


def test_a_late_model_asks_for_a_human(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "DEADLINE", 0.01)
    free = threading.Event()
    # Whatever takes the one scoring thread makes every score behind it late, on a machine of any speed.
    sqlite_door.context.models._thread.submit(free.wait)
    try:
        found = sqlite_door.post("/v1/check", {"body": CIVIL}).json
    finally:
        free.set()
    assert (found["verdict"], found["publish"], found["scores"]) == ("flag", False, {})
    assert "not_scored" in found["reasons"]


def test_more_checks_than_fit_ask_for_a_human_at_once(sqlite_door: Any) -> None:
    models = sqlite_door.context.models
    taken = 0
    while models._room.acquire(blocking=False):
        taken += 1
    found = sqlite_door.post("/v1/check", {"body": CIVIL}).json
    assert (taken, found["verdict"]) == (8, "flag")
    models._room.release(taken)
    assert sqlite_door.post("/v1/check", {"body": CIVIL}).json["verdict"] == "approve"


def test_models_that_cannot_be_loaded_ask_for_a_human(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("the file is gone")

    monkeypatch.setattr(type(sqlite_door.runtime), "shelf", broken)
    found = sqlite_door.post("/v1/check", {"body": CIVIL}).json
    assert (found["verdict"], found["model"]) == ("flag", "none")
    assert sqlite_door.get("/readyz", key=None).json["checks"]["models"] == "failed"
    assert sqlite_door.post("/v1/comments", sqlite_door.comment()).status_code == 202
