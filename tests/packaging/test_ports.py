"""Tests that run side by side get ports that none of them takes from another."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from moderation.embedded import is_free
from tests.packaging.compose import ROOT
from tests.packaging.ports import FIRST, LAST, free_pair

SEVERAL = """
import sys
from tests.packaging.ports import free_pair
print(*[free_pair() for _ in range(5)], flush=True)
sys.stdin.read()
"""


def test_processes_side_by_side_get_pairs_of_their_own() -> None:
    command = [sys.executable, "-c", SEVERAL]
    running = [subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    given = [free_pair() for _ in range(5)]
    for process in running:
        assert process.stdout is not None
        given += map(int, process.stdout.readline().split())
    for process in running:
        process.communicate("")
    assert len(given) == 25
    assert Counter(port for pair in given for port in (pair, pair + 1)).most_common(1)[0][1] == 1
    assert all(FIRST <= pair <= LAST and is_free(pair) and is_free(pair + 1) for pair in given)


def test_they_lie_below_the_ports_that_the_system_gives_away() -> None:
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if limits.exists():
        assert int(limits.read_text().split()[0]) > LAST + 1
