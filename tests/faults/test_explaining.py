"""A worker killed while it looks for the words behind a score, on a running stack: the decision stands, and the words come."""

from typing import Any

import pytest

from tests.faults.hook.sitecustomize import HURRY
from tests.faults.stack import Broken

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

PLACES = ("explain.searching", "explain.before_commit")


def test_a_worker_killed_while_it_explains_loses_neither_decision_nor_explanation(breakable: Any) -> None:
    broken: Broken = breakable("sqlite", **HURRY, TIDEGATE_FAILPOINTS=",".join(f"{place}:kill" for place in PLACES))
    broken.submit_many(12)

    def held() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = broken.call("GET", "/v1/comments?status=flagged")["items"]
        return found

    broken.wait("two held comments", lambda: len(held()) == 2)
    decisions = {comment["id"]: comment["decision"]["id"] for comment in held()}
    broken.wait("both killed", lambda: all((broken.home / "run" / f"failpoint.{place}").exists() for place in PLACES), 120)
    # Twice a lease has to run out, and a model has to be loaded after each kill.
    broken.wait("both explained", lambda: all(comment["explanation"] for comment in held()), 180)
    assert {comment["id"]: comment["decision"]["id"] for comment in held()} == decisions
    assert broken.verdict() == []
