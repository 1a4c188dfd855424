"""A blog on a real database for the checker's own tests, stacks to break, and one that a whole file shares."""

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import TEMPLATE
from tests.faults.stack import Broken
from tests.moderation.services.conftest import blog, models
from tests.packaging.conftest import port, start
from tests.packaging.installation import Up
from tests.packaging.ports import free_pair
from tests.servers import PostgresServer

__all__ = ["blog", "models", "port", "stack", "start"]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    """One running stack per database for all tests of a file, with that file's ``SETTINGS`` and ``SETTINGS_OF`` its kind."""
    home = tmp_path_factory.mktemp("stack") / ".tidegate"
    own = getattr(request.module, "SETTINGS_OF", {}).get(request.param, {})
    settings = {"TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1", **getattr(request.module, "SETTINGS", {}), **own}
    with contextlib.ExitStack() as end:
        url = f"sqlite:///{home / 'data' / 'tidegate.db'}"
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            name = f"stack_{uuid4().hex}"
            url = settings["DATABASE_URL"] = server.create_database(name, template=TEMPLATE)
            end.callback(server.drop_database, name)
        up = Up(home, free_pair(), settings)
        end.callback(up.end, signal.SIGTERM)
        standing = Broken(up, url)
        end.callback(standing.close)
        yield standing


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def breakable(request: pytest.FixtureRequest, start: Any, tmp_path: Path) -> Iterator[Any]:
    """Starts a stack on a database of the kind, with a receiver that may be reached."""
    opened: list[Broken] = []

    def opening(kind: str, **settings: str) -> Broken:
        url = f"sqlite:///{tmp_path / '.tidegate' / 'data' / 'tidegate.db'}"
        if kind == "postgresql":
            url = request.getfixturevalue("postgresql_url")
            settings["DATABASE_URL"] = url
        opened.append(Broken(start(TIDEGATE_WEBHOOK_ALLOW="127.0.0.1", **settings), url))
        return opened[-1]

    yield opening
    for broken in opened:
        broken.close()
