"""Tidegate itself: what ``tidegate export`` wrote, one JSON object a line.

A comment comes back as it stood, by the id that the blog knows it by, else by ours. Earlier revisions, decisions and reports stay
in the file: they were made in another installation, whose audit chain is not here.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from moderation.sources.record import APPROVED, DELETED, HELD, REJECTED, BadRow, Options, Record, record
from moderation.sources.rows import lines

FORMAT: Final = 1
"""The form that is understood, as ``services.exporting`` numbers it."""

STATES: Final = {
    "approved": APPROVED,
    "pending": HELD,
    "flagged": HELD,
    "rejected": REJECTED,
    "withdrawn": DELETED,
    "erased": DELETED,
}


def read(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the comments of an export."""
    for number, line in lines(path):
        if isinstance(line, BadRow):
            yield line
        elif line.get("type") == "comment":
            yield _comment(number, line, options)
        elif line.get("type") != "site":
            yield BadRow(line=number, code="type", detail="the line is none of an export of Tidegate's")
        elif line.get("format") != FORMAT:
            yield BadRow(line=number, code="format", detail="a newer Tidegate wrote the file; import it with that one")
            return


def _comment(number: int, line: dict[str, Any], options: Options) -> Record | BadRow:
    state = STATES.get(str(line.get("status")))
    if state is None:
        return BadRow(line=number, code="state", detail="Tidegate has no such status")
    author, post = (found if isinstance(found := line.get(name), dict) else {} for name in ("author", "post"))
    fields: dict[str, Any] = {
        "external_id": line.get("external_id") or line.get("id"),
        "ours": line.get("id"),
        "post_url": post.get("url"),
        "post_id": post.get("id"),
        "post_title": post.get("title"),
        "parent_id": line.get("parent_external_id") or line.get("parent_id"),
        "body": line.get("body"),
        "state": state,
        "created_at": line.get("created_at"),
        "author_id": author.get("id"),
        "author_handle": author.get("handle"),
        "author_name": author.get("name"),
        "author_url": author.get("url"),
        "language": line.get("language"),
    }
    return record(number, fields, options)
