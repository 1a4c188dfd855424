"""``tidegate statements``: what the EU's transparency database takes, for a site that has to submit its decisions."""

from datetime import timedelta
from pathlib import Path

import click
import orjson

from moderation.commands.shell import SPAN, Shell, of_site, shelled
from moderation.commands.transfer import writing
from moderation.services import sites
from moderation.services.statements import statements as made


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path))
@of_site
@click.option("--since", type=SPAN, default=timedelta(days=30), metavar="SPAN", help="How far back (30d).")
@shelled
def statements(shell: Shell, path: Path, *, site: str, since: timedelta) -> None:
    """Write a statement of reasons (DSA, article 17) for each rejection that stands to PATH; ``-`` is standard output.

    JSON Lines in the fields of the EU's transparency database. Nothing is sent. A statement has the same ``puid`` each time.
    """
    with shell.database.reading() as session:
        site_id = sites.find(session, site).id
    count = 0
    with writing(path) as file:
        for found in made(shell.database, site_id, since=shell.now - since, until=shell.now):
            file.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    if str(path) == "-":
        shell.note(f"{count} statements written")
    else:
        shell.show({"site": site, "path": str(path), "statements": count}, [f"{count} statements written to {path}"])
