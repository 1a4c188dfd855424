"""Runs one stage of `make check` or `make test`: says its name, its time and how it ended, and does not let it hang.

    python dev/stage.py NAME SECONDS COMMAND...

Ends with the command's status, or with 124 when the time is up; then everything that the command started is ended, too. With the
standard library only, because it runs before anything is installed.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import FrameType

TIME_IS_UP = 124
GRACE = 20.0


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started, politely first."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)


def main(name: str, seconds: str, *command: str) -> int:
    """Run the command and return the status for the shell."""
    print(f"== {name}", flush=True)
    began = time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        # Before the command is known it cannot be ended: the signal is kept until it is.
        if process is None:
            early.append(number)
            return
        end_group(process)
        sys.exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    process = subprocess.Popen(command, start_new_session=True)
    if early:
        end(early[0], None)
    try:
        status = process.wait(float(seconds))
    except subprocess.TimeoutExpired:
        end_group(process)
        status = TIME_IS_UP
    outcome = {0: "passed", TIME_IS_UP: f"TIME IS UP after {seconds} s"}.get(status, f"FAILED with status {status}")
    print(f"== {name}: {outcome} in {time.monotonic() - began:.1f} s", flush=True)
    return status if 0 <= status < 256 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
