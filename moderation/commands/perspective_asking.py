"""Asking Perspective for its scores while it still answers: at the pace of its quota, and once for each text."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx2
import orjson

from moderation.commands.shell import DOWN, Fault
from moderation.sources.rows import lines

PATIENCE: Final = 20.0
"""Seconds for an answer."""

WAITS: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Seconds before another attempt; Perspective's quota is one of a minute."""

LONGEST_WAIT: Final = 120.0
BROKEN_OFF: Final = 4
"""Attempts of those that are made where there is no answer at all."""

AGAIN: Final = frozenset({429, 500, 502, 503, 504})


class Asker:
    """Perspective at ``address``, for one attribute; ``pace`` is how many seconds at least are between two questions."""

    def __init__(self, *, address: str, key: str, attribute: str, pace: float) -> None:
        self._address = f"{address.rstrip('/')}/comments:analyze"
        self._key = key
        self._attribute = attribute
        self._pace = pace
        self._client = httpx2.Client(timeout=PATIENCE)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def score(self, text: str) -> float | None:
        """Return the score of a text, None where it has none (its language, say); raises Fault where Perspective is away."""
        time.sleep(self._pace)
        for attempt, wait in enumerate((*WAITS, None), 1):
            answer = self._answer(text)
            if answer is None:
                if attempt >= BROKEN_OFF or wait is None:
                    raise Fault("Perspective cannot be reached", DOWN)
            elif answer.status_code not in AGAIN:
                return self._read(answer)
            elif wait is None:
                break
            time.sleep(max(wait, self._pace, _asked_to_wait(answer)))
        raise Fault("Perspective asks to wait, again and again; try with a longer --pace", DOWN)

    def _answer(self, text: str) -> httpx2.Response | None:
        body = {"comment": {"text": text}, "requestedAttributes": {self._attribute: {}}, "doNotStore": True}
        try:
            return self._client.post(self._address, params={"key": self._key}, json=body)
        except httpx2.HTTPError:
            # Its message may name the address, and that the key.
            return None

    def _read(self, answer: httpx2.Response) -> float | None:
        try:
            found: Any = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise Fault(f"something else than Perspective answers there (status {answer.status_code})", DOWN)
        if answer.status_code == httpx2.codes.OK:
            return _value(found, self._attribute)
        error = found.get("error")
        said = orjson.dumps(error).decode()
        if answer.status_code == httpx2.codes.BAD_REQUEST and ("LANGUAGE" in said or "COMMENT_" in said):
            return None
        message = error.get("message") if isinstance(error, dict) else None
        raise Fault(f"Perspective refuses: {message or answer.status_code}", DOWN)


class Kept:
    """The file of ``--save``: what stands in it already is not asked again, and what is found out is added as it comes."""

    def __init__(self, file: BinaryIO, attribute: str, known: dict[bytes, float]) -> None:
        self._file = file
        self._attribute = attribute
        self._known = known

    def score(self, text: str) -> float | None:
        """Return what an earlier run was told of a text."""
        return self._known.get(_name(text))

    def add(self, text: str, old: float, new: float) -> None:
        """Write both scores of a text down, once."""
        if _name(text) in self._known:
            return
        self._known[_name(text)] = old
        self._file.write(orjson.dumps({"text": text, self._attribute: old, "tidegate": new}, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()


@contextmanager
def kept(path: Path, attribute: str) -> Iterator[Kept]:
    """Open a file of ``--save``, with what an interrupted run left in it."""
    known = {}
    for _, row in lines(path) if path.exists() else ():
        if isinstance(row, dict) and isinstance(row.get("text"), str) and isinstance(row.get(attribute), int | float):
            known[_name(row["text"])] = float(row[attribute])
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                # The run broke off within a line.
                file.write(b"\n")
        yield Kept(file, attribute, known)


def _name(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _value(found: dict[str, Any], attribute: str) -> float | None:
    try:
        return float(found["attributeScores"][attribute]["summaryScore"]["value"])
    except (KeyError, TypeError, ValueError):
        return None


def _asked_to_wait(answer: httpx2.Response | None) -> float:
    """Return the seconds that ``Retry-After`` asks for, as far as they are told in seconds."""
    said = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(said), LONGEST_WAIT) if said.isascii() and said.isdigit() else 0.0
