"""Installations to try things on."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moderation.embedded import free_port, is_free
from tests.packaging.installation import Up


def free_ports() -> int:
    """Return a free port whose next one, the demo blog's, is free, too."""
    while not is_free((found := free_port()) + 1):
        pass
    return found


@pytest.fixture
def port() -> int:
    """A free port whose next one, the demo blog's, is free, too."""
    return free_ports()


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
