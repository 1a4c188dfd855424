"""What happens before the processes start: the schema is brought up to date and, if asked, the demo site is made.

A process of its own (``python -m moderation.prepare [--demo]``), so that the supervising one never loads the database's
libraries, and so that a container runs the same thing as a one-shot.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from moderation import logs, migrations
from moderation.config import Settings
from moderation.database import Database
from moderation.programs import demo_port
from moderation.services import demo

log = structlog.get_logger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Bring the schema up to date; with ``--demo`` see to the demo site, too."""
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    settings.make_directories()
    migrations.upgrade(settings.database_url)
    log.info("schema_is_current")
    if "--demo" in arguments:
        prepare_demo(settings)


def prepare_demo(settings: Settings) -> demo.DemoSite:
    """Make the demo site or bring it up to date, and write ``demo.json``."""
    database = Database(settings.database_url)
    try:
        return demo.prepare(
            database, settings, base_url=base_url(settings), blog_url=demo_blog_url(settings), now=datetime.now(UTC)
        )
    finally:
        database.dispose()


def base_url(settings: Settings) -> str:
    """Return where the API answers on this machine."""
    return f"http://localhost:{settings.port}"


def demo_blog_url(settings: Settings) -> str:
    """Return where the demo blog answers: another origin than the API's for a browser."""
    return f"http://127.0.0.1:{demo_port(settings)}"


if __name__ == "__main__":
    main(sys.argv[1:])
