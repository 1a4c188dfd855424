"""``tidegate import`` and ``tidegate export``: comments come in as they stood elsewhere, and go out whole."""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
import orjson

from moderation.commands.shell import BY, FINDING, OK, Fault, Shell, shelled, table
from moderation.services import exporting, imports, sites
from moderation.sources import READERS, Options

SHOWN = 20


@click.command(name="import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--site", required=True, metavar="NAME", help="The site that they come into.")
@click.option("--from", "source", type=click.Choice(list(READERS)), required=True, help="What wrote PATH.")
@click.option("--base-url", metavar="URL", help="The blog's address, where the source holds paths only (Isso).")
@shelled
def import_(shell: Shell, *, path: Path, site: str, source: str, base_url: str | None) -> int:
    """Take in the comments of another system, each in the state that it had there.

    Nothing is scored, published or announced, and nobody is asked to look. The same again, or again after an interruption,
    stores nothing twice. A row that cannot be used is reported by its line and left out; the exit code is then 1.
    """
    read, options = READERS[source], Options(base_url=base_url)
    batch = f"{source}:{hashlib.sha256(path.name.encode()).hexdigest()[:8]}:{shell.now:%Y-%m-%dT%H:%M:%SZ}"
    with shell.database.reading() as session:
        site_id = sites.find(session, site).id
    tally = imports.Tally()
    secret = shell.settings.secret
    for number, chunk in enumerate(imports.chunks(read(path, options)), 1):
        # Bound here and not looked up later: the unit may be repeated.
        tally.add(
            shell.database.transact(
                lambda session, chunk=chunk: imports.write(  # type: ignore[misc]  # a default of a lambda has no type
                    session, site_id, chunk, batch=batch, secret=secret, now=shell.now
                )
            )
        )
        if number % 25 == 0:
            shell.note(f"{tally.rows} rows read: {tally.imported} imported, {tally.known} known, {tally.bad} bad")
    # Also where all were known: an import that broke off may have left replies without their parents.
    for chunk in imports.chunks(read(path, options)):
        shell.database.transact(lambda session, chunk=chunk: imports.join(session, site_id, chunk))  # type: ignore[misc]
    with shell.database.transaction() as session:
        imports.note(session, site_id, tally, source=source, batch=batch, by=BY, now=shell.now)
    if not tally.rows:
        raise Fault(f"there is no comment in {path}: is it what {source} exports?", FINDING)
    lines = [f"{tally.imported} imported, {tally.known} known already, {tally.bad} left out"]
    if tally.bad:
        lines += table(("line", "what", "why"), [(row.line, row.code, row.detail) for row in tally.bad_rows[:SHOWN]])
        lines += [f"... and {tally.bad - SHOWN} more"] if tally.bad > SHOWN else []
    shell.show({"site": site, "source": source, "batch": batch, **tally.as_json()}, lines)
    return FINDING if tally.bad else OK


@click.command(name="export")
@click.argument("path", type=click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path))
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def export(shell: Shell, *, path: Path, site: str) -> None:
    """Write all comments of a site to PATH as JSON Lines, with their revisions, decisions and reports; ``-`` is standard output.

    ``tidegate import PATH --from tidegate`` takes them in again. The file replaces PATH when it is complete, and holds what
    people wrote: it is readable by its owner alone.
    """
    with shell.database.reading() as session:
        site_id = sites.find(session, site).id
    count = -1  # the first line is the site
    with writing(path) as file:
        for count, found in enumerate(exporting.lines(shell.database, site_id, now=shell.now)):
            file.write(orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE))
            if count and count % 10_000 == 0:
                shell.note(f"{count} comments written")
    if str(path) == "-":
        shell.note(f"{count} comments written")
    else:
        shell.show({"site": site, "path": str(path), "comments": count}, [f"{count} comments written to {path}"])


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces PATH when it is complete, readable by its owner alone; ``-`` is standard output."""
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
