"""Who is first: moderators, the machine, authors and hasty clients at the same moment, on one running stack per database.

RELIABILITY's faults 34, 35 and 36; the checker judges the whole history again after each.
"""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from tests.faults.stack import CIVIL, Broken

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

SETTINGS = {"TIDEGATE_FAILPOINTS": "api.after_decision:kill"}
ABUSIVE = CIVIL[-1]
ROUNDS = 6


@pytest.fixture(scope="module")
def ann(stack: Broken) -> str:
    """A moderator's personal key."""
    return stack.moderator("Ann")


@pytest.fixture(scope="module")
def bob(stack: Broken) -> str:
    """A colleague's."""
    return stack.moderator("Bob")


def decide(stack: Broken, comment: str, verdict: str, key: str, *, once: str) -> tuple[int, Any]:
    asked = {"verdict": verdict, "revision": 1, "reason": 1}
    return stack.ask("POST", f"/v1/comments/{comment}/decisions", asked, key=key, **{"Idempotency-Key": once})


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do things at the same moment and return what each gave."""
    gate = threading.Barrier(len(acts))

    def begin(act: Callable[[], Any]) -> Any:
        gate.wait(30)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))


def flagged(stack: Broken, count: int) -> list[str]:
    """Return comments that wait for a human; with distinct words, so that none is a copy of another."""
    made = [stack.decided(f"{ABUSIVE} ({number * 7919 % 100_003})") for number in range(count)]
    assert {comment["status"] for comment in made} == {"flagged"}
    return [comment["id"] for comment in made]


def test_a_decision_whose_answer_was_lost_is_the_same_when_it_is_sent_again(stack: Broken, ann: str) -> None:
    """Fault 35: the API is killed between the commit and the answer, and the browser sends again."""
    (comment,) = flagged(stack, 1)
    answers = [decide(stack, comment, "reject", ann, once="resent") for _ in range(3)]
    assert (stack.home / "run" / "failpoint.api.after_decision").exists()
    assert [status for status, _ in answers] == [201] * 3
    assert {(shown["decision"]["id"], shown["decision"]["seq"], shown["status"]) for _, shown in answers} == {
        (answers[0][1]["decision"]["id"], 2, "rejected")
    }
    assert decide(stack, comment, "approve", ann, once="resent")[0] == 422
    stack.heal()
    assert stack.verdict() == []


def test_of_two_moderators_at_once_one_decides_and_the_other_learns_of_it(stack: Broken, ann: str, bob: str) -> None:
    """Fault 34, first part."""
    for comment in flagged(stack, ROUNDS):
        answers = at_once(
            partial(decide, stack, comment, "approve", ann, once=f"ann-{comment}"),
            partial(decide, stack, comment, "reject", bob, once=f"bob-{comment}"),
        )
        assert sorted(status for status, _ in answers) == [201, 409], answers
        (won,) = (shown for status, shown in answers if status == 201)
        (lost,) = (problem for status, problem in answers if status == 409)
        assert (lost["code"], lost["current"]["status"]) == ("already-decided", won["status"])
        assert stack.call("GET", f"/v1/comments/{comment}")["decision"]["id"] == won["decision"]["id"]
    assert stack.verdict() == []


def test_a_machine_at_work_does_not_overwrite_a_moderator_who_was_faster(stack: Broken, ann: str) -> None:
    """Fault 34, second part: the moderator rejects at the very moment when the machine would approve."""
    seqs = Counter[int]()
    for number in range(ROUNDS):
        body = {
            "post": {"id": "race", "url": "https://blog.example/race", "title": "A page"},
            "author": {"id": f"racer-{number}", "name": f"Racer {number}"},
            "body": f"{CIVIL[number % 5]} ({number * 7919 % 100_003})",
        }
        comment = stack.call("POST", "/v1/comments", body)["id"]
        status, shown = decide(stack, comment, "reject", ann, once=f"race-{comment}")
        assert (status, shown["status"]) == (201, "rejected")
        seqs[shown["decision"]["seq"]] += 1
        stack.wait("the job done", lambda: not stack.call("GET", "/v1/comments?status=pending")["items"])
        shown = stack.call("GET", f"/v1/comments/{comment}")
        assert (shown["status"], shown["decision"]["by"]) == ("rejected", "moderator")
    assert set(seqs) <= {1, 2}
    assert stack.verdict() == []


def test_a_withdrawal_at_the_moment_of_a_decision_always_stands(stack: Broken, ann: str) -> None:
    """Fault 34, third part: whoever is first, the author's word is the last."""
    for comment in flagged(stack, ROUNDS):
        (status, _), (withdrawn, _) = at_once(
            partial(decide, stack, comment, "approve", ann, once=f"late-{comment}"),
            partial(stack.ask, "DELETE", f"/v1/comments/{comment}"),
        )
        assert (withdrawn, status in {201, 409}) == (200, True)
        assert stack.call("GET", f"/v1/comments/{comment}")["status"] == "withdrawn"
    assert stack.verdict() == []


def test_fifty_requests_with_one_idempotency_key_make_one_comment(stack: Broken) -> None:
    """Fault 36: the same request fifty times at once, every fifth of them with another text."""
    texts = ["The first text under this key."] * 40 + ["Another text under the same key."] * 10
    asked = {
        "post": {"id": "once", "url": "https://blog.example/once", "title": "A page"},
        "author": {"id": "hasty", "name": "Hasty"},
    }
    acts = [
        lambda body=body: (body, *stack.ask("POST", "/v1/comments", {**asked, "body": body}, **{"Idempotency-Key": "fifty"}))
        for body in sorted(texts, key=hash)
    ]
    answers = at_once(*acts)
    made = {shown["id"]: body for body, status, shown in answers if status in {200, 202}}
    (winner,) = made.values()
    assert Counter(body == winner for body, *_ in answers)[True] == sum(status in {200, 202} for _, status, _ in answers)
    assert {(status, shown["code"]) for body, status, shown in answers if body != winner} == {(422, "idempotency-mismatch")}
    stack.history.acknowledged["fifty"] += made
    assert len(stack.call("GET", "/v1/comments?post=once")["items"]) == 1
    assert stack.verdict() == []
