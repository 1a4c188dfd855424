"""Installations to try things on."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.installation import Up
from tests.packaging.ports import free_pair


@pytest.fixture
def port() -> int:
    """A free port whose next one, the demo blog's, is free, too."""
    return free_pair()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Any]:
    """Starts installations, one after the other in the same home, and stops them."""
    started: list[Up] = []

    def starting(**settings: str) -> Up:
        started.append(Up(tmp_path / ".tidegate", port, settings))
        return started[-1]

    yield starting
    for up in started:
        if up.process.poll() is None:
            up.end(signal.SIGTERM)
