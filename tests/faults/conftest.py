"""A blog on a real database for the checker's own tests, stacks to break, and one that a whole file shares."""

import contextlib
import signal
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.conftest import TEMPLATE
from tests.faults.stack import Broken
from tests.moderation.services.conftest import blog, models
from tests.packaging.conftest import free_ports, port, start
from tests.packaging.installation import Up
from tests.servers import PostgresServer

__all__ = ["blog", "models", "port", "stack", "start"]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    """One running stack per database for all tests of a file, with that file's ``SETTINGS``: a start takes seconds."""
    home = tmp_path_factory.mktemp("stack") / ".tidegate"
    settings = {"TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1", **getattr(request.module, "SETTINGS", {})}
    with contextlib.ExitStack() as end:
        url = f"sqlite:///{home / 'data' / 'tidegate.db'}"
        if request.param == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres")
            name = f"stack_{uuid4().hex}"
            url = settings["DATABASE_URL"] = server.create_database(name, template=TEMPLATE)
            end.callback(server.drop_database, name)
        up = Up(home, free_ports(), settings)
        end.callback(up.end, signal.SIGTERM)
        standing = Broken(up, url)
        end.callback(standing.close)
        yield standing
