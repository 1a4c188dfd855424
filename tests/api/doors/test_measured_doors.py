"""The requests that ``make bench`` makes of each door, put to the doors themselves: what is measured is what clients ask."""

from typing import Any

import pytest

from bench.doors import Door, Found, every_door, set_up
from tests.api.conftest import CIVIL, SECRET

LONGER_THAN_A_DOOR_WAITS = 30.0


@pytest.fixture
def doors(sqlite_door: Any) -> dict[str, Door]:
    """Each door by its name, with a key of a site of its own."""
    return {door.name: door for door in every_door(set_up(sqlite_door.runtime.settings.database_url, SECRET))}


@pytest.mark.parametrize("name", ["Perspective", "Coral", "Akismet", "OpenAI"])
def test_each_door_understands_what_it_is_measured_with(
    sqlite_door: Any, doors: dict[str, Door], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("perspective.WAIT", "coral.SCORED_BY", "coral.ANSWERED_BY", "akismet.WAIT"):
        monkeypatch.setattr(f"api.doors.{limit}", LONGER_THAN_A_DOOR_WAITS)
    door = doors[name]
    path, body, headers = door.asked(CIVIL, 1)
    with sqlite_door.working():
        answer = sqlite_door.client.post(path, data=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert not door.held(answer.status_code, answer.headers, answer.data)


def test_every_door_is_measured(doors: dict[str, Door]) -> None:
    assert set(doors) == {"Perspective", "Coral", "Akismet", "OpenAI"}


def test_a_late_answer_is_one_after_its_client_gave_up() -> None:
    found = Found(took=[0.1, 0.9, 1.1], held=1, failed=0, seconds=2.0, limit=0.8)
    assert (found.rate, found.late) == (1.5, 2)
    assert found.line() == "8 at once: 1.5/s, p50 900 ms, p99 1100 ms, 1 held, 0 failed, 2 over 800 ms"
    assert found.kept is False
    patient = Found(took=[9.0], held=0, failed=0, seconds=9.0, limit=None)
    assert (patient.late, patient.kept) == (None, None)
