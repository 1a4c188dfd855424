"""What processes cost, as the kernel counts it (proc(5)): CPU seconds and memory."""

import os
from collections.abc import Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pids: Iterable[int]) -> float:
    """Return the CPU seconds of the processes and of those of their children that have ended."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            # Ended: its parent's count of ended children has it.
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICK


def memory(pid: int) -> tuple[float, float]:
    """Return the resident and the proportional memory of a process in MB: shared pages whole, and divided by their users."""
    sizes = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(sizes["Rss"].split()[0]) / 1024, int(sizes["Pss"].split()[0]) / 1024
