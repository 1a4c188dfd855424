"""Comments that kill, hang or confuse the model, and a model that cannot be loaded: RELIABILITY's faults 11 and 12.

The faults are put around the real model by ``hook/sitecustomize.py``; leases and limits are shorter than in life.
"""

import signal
from typing import Any

import pytest

from moderation.embedded import free_port
from tests.faults.hook import sitecustomize as hook
from tests.faults.stack import CIVIL, Broken

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SETTINGS = {"PYTHONPATH": hook.FOLDER, "FAULTS_HURRY": "all"}
SETTINGS_OF = {
    # A child of Celery's pool without any Redis, and the threads of a small machine's only worker with one.
    "sqlite": {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"},
    "postgresql": {"TIDEGATE_PROFILE": "small"},
}
POISON = {
    "sqlite": {hook.RUNS_OUT: 3, hook.HANGS: 8, hook.IS_NO_NUMBER: 12},
    "postgresql": {hook.CRASHES: 4, hook.RUNS_OUT: 9},
}
"""The words and their places in the batch."""


def batch(poison: dict[str, int]) -> list[dict[str, Any]]:
    """Return sixteen comments, some of them poison."""
    texts = [f"{CIVIL[number % 5]} ({number * 7919 % 100_003})" for number in range(16)]
    for word, place in poison.items():
        texts[place] = f"I had a {word} tart by the sea and liked it."
    return [
        {
            "post": {"id": f"p{number}", "url": f"https://blog.example/p{number}", "title": "A page"},
            "author": {"id": f"guest-{number}", "name": f"Guest {number}"},
            "body": text,
        }
        for number, text in enumerate(texts)
    ]


def kind_of(stack: Broken) -> str:
    return "sqlite" if stack.database.is_sqlite else "postgresql"


def logged(stack: Broken) -> str:
    paths = [stack.home / "logs" / name for name in ("moderate.log", "worker.log")]
    return "".join(path.read_text() for path in paths if path.exists())


def test_a_comment_that_kills_or_hangs_its_worker_reaches_a_human_and_takes_no_other_with_it(stack: Broken) -> None:
    poison = POISON[kind_of(stack)]
    answer = stack.call("POST", "/v1/comments/batch", {"items": batch(poison)})
    sent = [item["comment"]["id"] for item in answer["items"]]
    stack.history.acknowledged |= {f"batch-{number}": [shown] for number, shown in enumerate(sent)}

    def shown(place: int) -> Any:
        return stack.call("GET", f"/v1/comments/{sent[place]}")

    stack.wait("all decided", lambda: all(shown(place)["status"] != "pending" for place in range(16)), 180)
    for place in set(range(16)) - set(poison.values()):
        assert shown(place)["scores"], f"number {place} was not scored"
    cases = {case["comment"]["id"]: case for case in stack.call("GET", "/v1/cases?kind=flagged&limit=100")["items"]}
    for word, place in poison.items():
        found = shown(place)
        assert (found["status"], found["decision"]["by"]) == ("flagged", "machine"), word
        assert not found["scores"].keys() - {"spam"}, word
        assert "not_scored" in [reason["reason"] for reason in cases[sent[place]]["reasons"]], word
    logs = logged(stack)
    given = [line for line in logs.splitlines() if '"comment_given_to_a_human"' in line]
    assert sum('"attempts": 4' in line for line in given) == len(given) == 2, "three attempts each, and a claim that gives up"
    assert ("Timeout (0:00:0" in logs) is (hook.HANGS in poison), "the watchdog shows where a thread hung"
    assert not any(word in logs for word in poison), "a comment's text is in the log"
    stack.heal()
    assert stack.verdict() == []


def test_without_a_model_a_human_reads_everything_until_it_can_be_loaded(stack: Broken) -> None:
    unloadable = stack.home / "run" / hook.UNLOADABLE.name
    unloadable.touch()
    if kind_of(stack) == "sqlite":
        stack.signal("moderate", signal.SIGKILL, child=True)
    else:
        stack.signal("worker", signal.SIGKILL)
    stack.wait("a worker without a model", lambda: '"models_not_loaded"' in logged(stack))
    unscored = stack.decided(CIVIL[0])
    assert (unscored["status"], unscored["scores"]) == ("flagged", {})
    unloadable.unlink()
    stack.wait("a comment scored", lambda: bool(stack.decided(CIVIL[1])["scores"]))
    stack.heal()
    assert stack.verdict() == []
