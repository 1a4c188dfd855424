"""Breaking a running stack on purpose, on both databases; every fault ends with the checker's verdict on all ten promises."""

import contextlib
import os
import random
import signal
import threading
import time
from typing import Any

import pytest
from redis import Redis

from dev.thousand import TARGETS, processes
from tests.faults.hook.sitecustomize import HURRY
from tests.faults.stack import Broken

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

STEPS = {
    "api.before_commit": 3,
    "api.after_commit": 6,
    "worker.before_claim_commit": 2,
    "worker.after_claim": 2,
    "worker.scoring": 4,
    "worker.before_finish_commit": 3,
    "worker.after_finish": 5,
    "deliver.after_send": 4,
    "relay.placed": 2,
}
"""Where a process is killed, and at which of its passes; RELIABILITY's faults 1 to 3, 7, 26 and 29."""


def test_a_kill_at_each_step_loses_nothing_and_doubles_nothing(breakable: Any, kind: str) -> None:
    places = ",".join(f"{name}@{nth}:kill" for name, nth in STEPS.items())
    broken: Broken = breakable(kind, **HURRY, TIDEGATE_FAILPOINTS=places)
    marks = {broken.home / "run" / f"failpoint.{name}" for name in STEPS}

    def all_killed() -> bool:
        # Below what is judged between two kills: a backlog would say nothing about how fast a healed stack decides.
        if len(broken.call("GET", "/v1/comments?status=pending")["items"]) < 12:
            broken.submit_many(4)
        return all(mark.exists() for mark in marks)

    broken.wait(f"a kill at each of {sorted(STEPS)}", all_killed, 200)
    broken.heal()
    assert broken.verdict() == []


def test_parts_that_stop_hang_forget_or_are_lied_to_lose_nothing(breakable: Any) -> None:
    """Faults 8, 9, 13 to 15, 19: a group killed, a worker asleep past its lease, Valkey hung, emptied, killed, fed rubbish."""
    broken: Broken = breakable("sqlite", TIDEGATE_FAILPOINTS="worker.scoring@3:pause")
    broken.submit_many(6)
    broken.wait("the worker asleep", (broken.home / "run" / "failpoint.worker.scoring").exists)
    broken.signal("valkey", signal.SIGSTOP)
    began = time.monotonic()
    broken.submit_many(6)
    assert time.monotonic() - began < 6, "a hung Valkey holds up the intake"
    broken.signal("valkey", signal.SIGCONT)
    broken.wait("decided after waking", lambda: not broken.call("GET", "/v1/comments?status=pending")["items"])
    assert "lease_lost" in (broken.home / "logs" / "moderate.log").read_text()
    broken.heal()

    password = (broken.home / "valkey" / "password").read_text().strip()
    port = next(
        line.split()[1] for line in (broken.home / "valkey" / "valkey.conf").read_text().splitlines() if line.startswith("port ")
    )
    with Redis(port=int(port), password=password) as redis:
        prefix = "tidegate:"
        for rubbish in (b"not json", b'{"body": "gASVCg=="}', b"\x80\x04\x95", b"{}"):
            for queue in ("moderate", "deliver"):
                redis.lpush(f"{prefix}{queue}", rubbish)
        broken.submit_many(4)
        redis.flushall()
    broken.submit_many(4)
    broken.signal("moderate", signal.SIGKILL)
    broken.submit_many(4)
    broken.signal("valkey", signal.SIGKILL)
    broken.submit_many(4)
    broken.heal()
    assert broken.verdict() == []


def test_a_minute_of_random_kills_loses_nothing(breakable: Any) -> None:
    seed = 20_261_124
    broken: Broken = breakable("sqlite")
    draw = random.Random(seed)
    until = time.monotonic() + 60
    stop = threading.Event()

    def nemesis() -> None:
        while time.monotonic() < until:
            name = draw.choice(sorted(TARGETS))
            for pid in processes(broken.home, TARGETS[name]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            stop.wait(draw.uniform(2, 6))

    killer = threading.Thread(target=nemesis)
    killer.start()
    while time.monotonic() < until:
        broken.submit_many(2, at_once=2)
        # Below what one core judges: a backlog of minutes would say nothing about healing.
        stop.wait(0.25)
    killer.join()
    broken.heal()
    assert broken.verdict() == [], f"seed {seed}"
