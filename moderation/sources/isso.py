"""Isso: its SQLite file, opened so that nothing can be written to it. Works beside a running Isso."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from moderation.sources.record import APPROVED, DELETED, HELD, BadRow, Options, Record, record

STATES: Final = {1: APPROVED, 2: HELD, 4: DELETED}
"""Isso's ``mode``: published, in the moderation queue, deleted but still answered to."""

COMMENTS: Final = """
    SELECT c.id, t.uri, t.title, c.parent, c.created, c.mode, c.text, c.author, c.email, c.website
    FROM comments AS c JOIN threads AS t ON t.id = c.tid ORDER BY c.id
"""


def read(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the comments of an Isso database; ``line`` is the comment's id, ``base_url`` the blog, as Isso keeps paths only."""
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = lambda data: data.decode("utf-8", "replace")
            database.execute("PRAGMA trusted_schema = OFF")
            for row in database.execute(COMMENTS):
                yield _comment(row, options)
    except sqlite3.DatabaseError as error:
        yield BadRow(line=0, code="malformed", detail=f"this is not a database of Isso: {error}")


def _comment(row: tuple[object, ...], options: Options) -> Record | BadRow:
    number, uri, title, parent, created, mode, text, author, email, website = row
    state = STATES.get(mode) if isinstance(mode, int) else None
    if state is None:
        return BadRow(line=int(str(number)), code="state", detail="Isso knows no such mode")
    return record(
        int(str(number)),
        {
            "external_id": number,
            "post_url": uri,
            "post_id": uri,
            "post_title": title,
            "parent_id": parent,
            "body": text,
            "state": state,
            "created_at": created,
            "author_name": author,
            "author_email": email,
            "author_url": website,
        },
        options,
    )
