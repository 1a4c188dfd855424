"""A stage of `make check` says how it ended and how long it took, and ends with all that it started."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

STAGE = [sys.executable, str(Path(__file__).parents[2] / "dev" / "stage.py")]


def run(seconds: float, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*STAGE, "trial", str(seconds), *command], capture_output=True, text=True, timeout=60, check=False)


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_stage_that_passes_says_its_time() -> None:
    done = run(30, "true")
    assert done.returncode == 0
    assert re.search(r"== trial: passed in \d+\.\d s", done.stdout)


def test_a_stage_that_fails_ends_with_the_commands_status() -> None:
    done = run(30, sys.executable, "-c", "raise SystemExit(5)")
    assert done.returncode == 5
    assert "== trial: FAILED with status 5" in done.stdout


def test_a_stage_that_hangs_is_ended_with_all_that_it_started() -> None:
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    done = run(1.5, sys.executable, "-c", code)
    assert done.returncode == 124
    assert "TIME IS UP" in done.stdout
    wait_gone(int(done.stdout.splitlines()[1]))


def test_a_stage_that_is_interrupted_leaves_nothing() -> None:
    with subprocess.Popen(
        [*STAGE, "trial", "60", "sh", "-c", "echo $$; exec sleep 600"], stdout=subprocess.PIPE, text=True
    ) as stage:
        assert stage.stdout is not None
        assert stage.stdout.readline() == "== trial\n"
        command = int(stage.stdout.readline())
        stage.send_signal(signal.SIGINT)
        assert stage.wait(30) == 128 + signal.SIGINT
    wait_gone(command)
