"""Is this container's program well? ``python -m moderation.healthcheck api|moderate|deliver|worker|relay``: status 0 or 1.

The API is asked over HTTP. A worker has no port, and a Celery ping would only say that its main process listens to Redis; so the
database is asked whether a process of that kind on this host said lately that it is alive.
"""

import http.client
import socket
import sys
from collections.abc import Sequence
from http import HTTPStatus

from moderation.config import Settings
from moderation.database import Database
from moderation.services import processes

TIMEOUT = 5.0


def main(arguments: Sequence[str]) -> int:
    """Return the status for the shell, after one line that says why."""
    (kind,) = arguments
    settings = Settings.from_env()
    fault = _api(settings) if kind == "api" else _worker(settings, kind)
    sys.stdout.write(f"{kind}: {fault or 'well'}\n")
    return 1 if fault else 0


def _api(settings: Settings) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"does not answer: {error}"
    finally:
        connection.close()
    return "" if status == HTTPStatus.OK else f"answers {status}"


def _worker(settings: Settings, kind: str) -> str:
    database = Database(settings.database_url)
    here = f"@{socket.gethostname()}:"
    wanted = {"moderate", "deliver"} if kind == "worker" else {kind}
    try:
        with database.reading() as session:
            alive = processes.alive(session, now=database.now(session))
    finally:
        database.dispose()
    found = {part for process in alive if here in process.process for part in process.kind.split("+")}
    return "" if wanted <= found else "no such process of this host was heard of lately"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
