"""CSV and JSON Lines of one's own making: one comment a row, with the names of Record or the shorter ones of docs/migrate."""

import csv as reading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from moderation.sources.record import BadRow, Options, Record, record

SHORT: Final = {"id": "external_id", "url": "post_url", "title": "post_title", "status": "state", "text": "body"}
WORDS: Final = {"pending": "held", "flagged": "held", "spam": "rejected", "trash": "rejected", "published": "approved"}
LONGEST_LINE: Final = 1_000_000


def csv(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the rows of a CSV file whose first line names the columns; UTF-8."""
    reading.field_size_limit(LONGEST_LINE)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = reading.DictReader((line.replace("\0", "") for line in file), strict=True)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except reading.Error as error:
                yield BadRow(line=rows.line_num, code="malformed", detail=f"this is not CSV: {error}")
                continue
            if None in row or None in row.values():
                yield BadRow(line=rows.line_num, code="columns", detail="the row has not as many columns as the first line")
                continue
            yield _row(rows.line_num, row, options)


def jsonl(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the lines of a file with one JSON object each; UTF-8, empty lines are skipped."""
    for number, line in lines(path):
        if isinstance(line, BadRow):
            yield line
        else:
            yield _row(number, line, options)


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """Yield the number and the object of each line, or what is wrong with the line."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                while line and not line.endswith(b"\n"):
                    line = file.readline(LONGEST_LINE)
                yield number, BadRow(line=number, code="too-long", detail=f"the line has more than {LONGEST_LINE} bytes")
                continue
            if not line.strip():
                continue
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, BadRow(line=number, code="malformed", detail=f"this is not JSON: {error.msg}")
                continue
            if isinstance(found, dict):
                yield number, found
            else:
                yield number, BadRow(line=number, code="malformed", detail="the line is not an object")


def _row(number: int, row: dict[str, Any], options: Options) -> Record | BadRow:
    named = {SHORT.get(name, name): value for name, value in row.items()}
    state = str(named.get("state") or "").strip().lower()
    nested = next((name for name, value in named.items() if isinstance(value, dict | list)), None)
    if nested is not None:
        return BadRow(line=number, code="nested", detail="a field holds another object; each must be a plain value")
    return record(number, {**named, "state": WORDS.get(state, state)}, options)
