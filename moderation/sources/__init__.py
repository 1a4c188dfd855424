"""Other comment systems' exports, each read as a stream of one plain record; nothing here knows our database.

A reader is a function of a path and the options; it yields a record or a bad row for each comment, in the same order each
time, so that an import which was interrupted can go on by number.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from moderation.sources import coral, disqus, isso, rows, tidegate, wordpress
from moderation.sources.record import BadRow, Options, Record

Reader = Callable[[Path, Options], Iterator[Record | BadRow]]

READERS: Mapping[str, Reader] = {
    "tidegate": tidegate.read,
    "wordpress": wordpress.read,
    "jsonl": rows.jsonl,
    "csv": rows.csv,
    "disqus": disqus.read,
    "isso": isso.read,
    "coral": coral.read,
}
"""Each kind of source and its reader."""

__all__ = ["READERS", "BadRow", "Options", "Reader", "Record"]
