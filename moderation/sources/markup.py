"""XML of unknown origin, element by element and in constant memory.

A document type is refused, and with it every entity of its own: no expansion, no file, no address. Control characters and bytes
that are no text, of which old comments are full, are mended on the way: Expat reads nothing behind one. What it cannot read even
so ends the stream with a bad row; what came before it stays read. A file may be packed with gzip.
"""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from xml.parsers import expat

from moderation.sources.record import BadRow

CHUNK: Final = 64 * 1024
GZIP: Final = b"\x1f\x8b"
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
CONTROLS: Final = bytes({*range(0x20)} - {*b"\t\n\r"})
DEEPEST: Final = 64
"""Elements within each other; exports have about six."""
LARGEST: Final = 4_000_000
"""Characters of one element that is wanted, with all that it holds."""


@dataclass(slots=True)
class Element:
    """An element that is wanted; names are ``namespace name`` or the bare name where there is no namespace."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: "list[Element]" = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the text directly within."""
        return "".join(self.pieces)

    def child(self, *path: str) -> "Element | None":
        """Return the first element below along a path of names."""
        found: Element | None = self
        for name in path:
            found = next((each for each in found.children if each.name == name), None) if found else None
        return found

    def value(self, *path: str) -> str:
        """Return the text of the first element below along a path of names, empty where there is none."""
        found = self.child(*path)
        return found.text if found else ""


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(detail)


class _Collector:
    def __init__(self, wanted: frozenset[str]) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.ready: list[Element] = []
        self._wanted = wanted
        self._depth = 0
        self._open: list[Element] = []
        self._size = 0

    def _refuse(self, *_: object) -> None:
        raise _Refused("doctype", "the file declares a document type or entities, which no export needs")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Refused("too-deep", f"more than {DEEPEST} elements stand within each other")
        if self._open or name in self._wanted:
            element = Element(name, self.parser.CurrentLineNumber, attributes)
            if self._open:
                self._open[-1].children.append(element)
            else:
                self._size = 0
            self._open.append(element)
            self._grow(64)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._open:
            element = self._open.pop()
            if not self._open:
                self.ready.append(element)

    def _data(self, data: str) -> None:
        if self._open:
            self._grow(len(data))
            self._open[-1].pieces.append(data)

    def _grow(self, by: int) -> None:
        self._size += by
        if self._size > LARGEST:
            raise _Refused("too-large", f"one element holds more than {LARGEST} characters")


def elements(path: Path, wanted: frozenset[str]) -> Iterator[Element | BadRow]:
    """Yield the outermost elements of the names wanted, in order; a bad row last where the file cannot be read on."""
    with ExitStack() as end:
        file = end.enter_context(path.open("rb"))
        packed = file.read(len(GZIP)) == GZIP
        file.seek(0)
        yield from _elements(end.enter_context(gzip.open(file)) if packed else file, wanted)


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Mender:
    """Makes bytes that are meant as XML readable, piece by piece; the number of lines stays the same."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._as_it_is = False
        self._begun = False

    def mend(self, chunk: bytes, *, last: bool) -> bytes:
        if not self._begun:
            self._begin(chunk)
        if self._as_it_is:
            return chunk
        kept = chunk.translate(None, CONTROLS)
        return self._decoder.decode(kept, last).translate(_NEVER).encode() if self._decoder else kept

    def _begin(self, first: bytes) -> None:
        self._begun = True
        # Two bytes a character: what looks like a control is half of a letter.
        self._as_it_is = first.startswith(UTF_16) or b"\0" in first[:4]
        declared = _DECLARED.match(first.removeprefix(codecs.BOM_UTF8))
        if declared is None or declared[1].lower() in {b"utf-8", b"utf8"}:
            self._decoder = codecs.getincrementaldecoder("utf-8")("replace")


_DECLARED: Final = re.compile(rb"\s*<\?xml[^>]*?\sencoding\s*=\s*[\"']([\w.-]+)")
_NEVER: Final = dict.fromkeys((0xFFFE, 0xFFFF))
"""What is text in UTF-8 and none in XML."""


def _elements(file: _Bytes, wanted: frozenset[str]) -> Iterator[Element | BadRow]:
    collector = _Collector(wanted)
    parser, mender = collector.parser, _Mender()
    ended = False
    while not ended:
        fault: BadRow | None = None
        try:
            chunk = file.read(CHUNK)
            ended = not chunk
            parser.Parse(mender.mend(chunk, last=ended), ended)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            fault = BadRow(line=parser.CurrentLineNumber, code="malformed", detail="the packed file is damaged or ends too early")
        except expat.ExpatError as error:
            detail = f"this is not well-formed XML: {expat.ErrorString(error.code)}"
            fault = BadRow(line=error.lineno, code="malformed", detail=detail)
        except _Refused as refused:
            fault = BadRow(line=parser.CurrentLineNumber, code=refused.code, detail=refused.detail)
        ready, collector.ready = collector.ready, []
        yield from ready
        if fault is not None:
            yield fault
            return
