"""The watchdog ends the process around work that takes too long, and no other."""

import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from moderation.services.asking import Models, Scored
from workers.models import PatientModels
from workers.watchdog import has_living_child

AROUND = """
import ctypes, threading, time
from workers.watchdog import Watchdog
watchdog = Watchdog()
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", AROUND + script], capture_output=True, text=True, timeout=60, check=False)


def test_work_that_hangs_with_the_interpreters_lock_held_ends_its_process_and_shows_where_it_stood() -> None:
    ended = run("with watchdog.over(0.3):\n    ctypes.PyDLL(None).sleep(50)\nprint('went on')")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Timeout (0:00:00" in ended.stderr


def test_work_that_ends_in_time_is_left_alone_also_beside_work_with_more_time() -> None:
    ended = run(
        "with watchdog.over(50):\n"
        "    with watchdog.over(0.3):\n        pass\n"
        "    time.sleep(0.6)\n"
        "time.sleep(0.1)\n"
        "print('went on')"
    )
    assert (ended.returncode, ended.stdout) == (0, "went on\n"), ended.stderr


def test_the_work_that_began_first_is_still_watched_when_a_later_one_has_ended() -> None:
    ended = run(
        "def hang():\n"
        "    with watchdog.over(0.6):\n        time.sleep(50)\n"
        "threading.Thread(target=hang, daemon=True).start()\n"
        "with watchdog.over(50):\n    pass\n"
        "time.sleep(30)\n"
        "print('went on')"
    )
    assert (ended.returncode, ended.stdout) == (1, "")


@dataclass
class Loading:
    """Fails to load as often as it is told to."""

    failures: int
    loaded: int = field(default=0)

    def __call__(self) -> Models:
        if self.failures:
            self.failures -= 1
            raise MemoryError
        self.loaded += 1
        return cast("Models", lambda *_: Scored({"toxicity": 0.1}, 0.1, "model"))


def test_models_that_could_not_be_loaded_leave_the_scores_absent_and_are_loaded_later(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = Loading(failures=1)
    patient = PatientModels(loading)
    assert patient("a text") == Scored(None, None, "none")
    assert patient("a text") == Scored(None, None, "none"), "not again with every comment"
    monkeypatch.setattr("workers.models.time.monotonic", lambda: 1e9)
    assert [patient("a text").values, patient("a text").values] == [{"toxicity": 0.1}] * 2
    assert loading.loaded == 1


def test_a_pool_without_a_living_child_is_told_from_one_that_is_being_closed() -> None:
    def pool(*children: Any) -> Any:
        return SimpleNamespace(_pool=SimpleNamespace(_pool=list(children)))

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        process = SimpleNamespace(sentinel=child.stdout.fileno())
        assert has_living_child(pool(process))
        child.kill()
        child.wait()
        assert not has_living_child(pool(process))
    assert not has_living_child(pool())
    assert has_living_child(None)
    assert has_living_child(SimpleNamespace(_pool=None))
