"""The demonstration, whole, before a fresh installation."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dev.demonstration import TITLES
from tests.packaging.compose import ROOT
from tests.packaging.installation import Up
from tests.packaging.ports import free_pair

pytestmark = [pytest.mark.wordpress, pytest.mark.timeout(300)]


def test_the_demonstration_works_from_the_first_step_to_the_last(tmp_path: Path) -> None:
    up = Up(tmp_path / ".tidegate", free_pair(), {"TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1"})
    try:
        up.wait_ready()
        command = [sys.executable, "-m", "dev.demonstration", "--home", str(up.home)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=250, check=False)
    finally:
        up.end(signal.SIGTERM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [title for title in TITLES if title not in done.stdout] == []
