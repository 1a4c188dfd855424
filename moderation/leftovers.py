"""Finding and ending the processes that an earlier life of the stack left behind.

Each program holds a lock on its file below ``run`` for as long as it or any process it started lives (see tether.py). A lock that
is still held when the stack starts belongs to such a leftover; a process id alone could by now be somebody else's.
"""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from moderation.errors import TidegateError

POLL = 0.05
KILL_PATIENCE = 10.0
"""Seconds that a killed process gets to be gone: one that is in the kernel's hands takes a while."""


class Unendable(TidegateError):
    """A process of an earlier life cannot be found or does not end; an operator has to look."""


def end_leftovers(run: Path, *, grace: float = 5.0) -> list[str]:
    """End the process groups of an earlier life that still hold their lock below ``run``; return their names.

    They get SIGTERM (on Linux they had it when their parent died) and, ``grace`` seconds later, SIGKILL. Raises Unendable.
    """
    ended = []
    for pidfile in sorted(run.glob("*.pid")):
        with pidfile.open() as file:
            if not _is_free(file.fileno()):
                ended.append(pidfile.stem)
                group = int(file.read() or 0)
                if group == 0:
                    raise Unendable(f"{pidfile} is held by a process but names none; end it by hand")
                _end_group(group, file.fileno(), grace)
        pidfile.unlink()
    return ended


def group_members(group: int) -> list[int]:
    """Return the ids of the processes in a process group, the lowest id first; empty where there is no /proc."""
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            members.append(int(entry.name))
    return sorted(members)


def _end_group(group: int, descriptor: int, grace: float) -> None:
    for signal_number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_PATIENCE)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal_number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if _is_free(descriptor):
                return
            time.sleep(POLL)
    raise Unendable(f"process group {group} does not end")


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
