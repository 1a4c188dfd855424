"""CSV and JSON Lines of one's own making: one comment a row, with the names of Record or the shorter ones of docs/migrate."""

import csv as reading
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import orjson

from moderation.sources.record import BadRow, Options, Record, record

SHORT: Final = {"id": "external_id", "url": "post_url", "title": "post_title", "status": "state", "text": "body"}
WORDS: Final = {"pending": "held", "flagged": "held", "spam": "rejected", "trash": "rejected", "published": "approved"}
NEEDED: Final = ("id", "url", "created_at")
LONGEST_LINE: Final = 1_000_000
DELIMITERS: Final = ",;\t"
BOM: Final = b"\xef\xbb\xbf"
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF_8: Final = "the file is in UTF-16; save it as UTF-8"


def csv(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the rows of a CSV file as ``table`` reads it."""
    named = False
    for number, row in table(path):
        if isinstance(row, BadRow):
            yield row
            continue
        found = {name.lower(): value for name, value in row.items()}
        if not named and (lacking := [name for name in NEEDED if not {name, SHORT.get(name)} & set(found)]):
            yield BadRow(line=1, code="columns", detail=f"the first line names no column {' and no column '.join(lacking)}")
            return
        named = True
        yield _row(number, found, options)


def table(path: Path) -> Iterator[tuple[int, dict[str, str] | BadRow]]:
    """Yield the number and the fields of each row of a CSV file, or what is wrong with the row.

    The first line names the columns; UTF-8, parted by commas, semicolons or tabs.
    """
    reading.field_size_limit(LONGEST_LINE)
    if _begins_with(path, UTF_16):
        yield 1, BadRow(line=1, code="encoding", detail=NOT_UTF_8)
        return
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline(LONGEST_LINE)
        pieces = iter(lambda: file.readline(LONGEST_LINE).replace("\0", ""), "")
        # Spreadsheets write semicolons where a comma is in the numbers.
        rows = reading.DictReader(chain([first], pieces), delimiter=max(DELIMITERS, key=first.count), strict=True)
        try:
            rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
        except reading.Error as error:
            yield 1, BadRow(line=1, code="malformed", detail=f"this is not CSV: {error}")
            return
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except reading.Error as error:
                yield rows.line_num, BadRow(line=rows.line_num, code="malformed", detail=f"this is not CSV: {error}")
                continue
            yield rows.line_num, _wrong(rows.line_num, row) or row


def _wrong(number: int, row: dict[str, str]) -> BadRow | None:
    if None in row or None in row.values():
        return BadRow(line=number, code="columns", detail="the row has not as many columns as the first line")
    if any(_is_escaped(value) for value in row.values()):
        return BadRow(line=number, code="encoding", detail="the row is not in UTF-8; save the file as UTF-8")
    return None


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
            if number == 1:
                line = line.removeprefix(BOM)
                if whole := _not_lines(line):
                    yield number, whole
                    return
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


def _not_lines(first: bytes) -> BadRow | None:
    """Return what is wrong with a file of which no line can be read, by its first one."""
    if first.startswith(UTF_16):
        return BadRow(line=1, code="encoding", detail=NOT_UTF_8)
    if first.lstrip().startswith(b"[{") or first.strip() == b"[":
        return BadRow(line=1, code="array", detail="the file is one JSON array; write an object a line (jq -c '.[]')")
    return None


def _begins_with(path: Path, marks: tuple[bytes, ...]) -> bool:
    with path.open("rb") as file:
        return file.read(len(marks[0])).startswith(marks)


def _is_escaped(value: str) -> bool:
    """Tell whether a text holds bytes that are no UTF-8, as Python keeps them."""
    return not value.isascii() and any("\udc80" <= char <= "\udcff" for char in value)


def _row(number: int, row: dict[str, Any], options: Options) -> Record | BadRow:
    named = {SHORT.get(name, name): value for name, value in row.items()}
    state = str(named.get("state") or "").strip().lower()
    nested = next((name for name, value in named.items() if isinstance(value, dict | list)), None)
    if nested is not None:
        return BadRow(line=number, code="nested", detail="a field holds another object; each must be a plain value")
    return record(number, {**named, "state": WORDS.get(state, state)}, options)
