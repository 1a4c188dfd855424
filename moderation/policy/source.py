"""Where in a policy file a mistake is: ``tomllib`` keeps no positions, and an error without a caret is no help to a blogger."""

import re
from dataclasses import dataclass
from typing import Final

_HEADER: Final = re.compile(r"^\s*\[\[\s*rule\s*\]\]")
_TABLE: Final = re.compile(r"^\s*\[")
_ASSIGNMENT: Final = re.compile(r"^\s*([A-Za-z_][\w-]*)\s*=\s*")
_TRIPLE: Final = re.compile(r'"""|\'\'\'')


class PolicyError(Exception):
    """A policy cannot be used as it is written.

    ``line`` and ``column`` count from 1 and are ``None`` where the mistake has no place, such as a missing key. ``str()`` shows
    the line with a caret under the column.
    """

    def __init__(
        self,
        problem: str,
        *,
        rule: str | None = None,
        line: int | None = None,
        column: int | None = None,
        excerpt: str | None = None,
    ) -> None:
        self.problem = problem
        self.rule = rule
        self.line = line
        self.column = column
        self.excerpt = excerpt
        super().__init__(self._message())

    def _message(self) -> str:
        where = (
            f"line {self.line}, column {self.column}: "
            if self.line and self.column
            else f"line {self.line}: "
            if self.line
            else ""
        )
        named = f"rule '{self.rule}': " if self.rule else ""
        message = f"{where}{named}{self.problem}"
        if self.excerpt is None:
            return message
        caret = "\n    " + " " * (self.column - 1) + "^" if self.column else ""
        return f"{message}\n    {self.excerpt}{caret}"


@dataclass(frozen=True, slots=True)
class _Value:
    line: int
    """Index of the line on which the value begins."""
    column: int
    """Index of the value's first character, its quotes left out."""


class Source:
    """The text of a policy file and the places of its values."""

    def __init__(self, text: str) -> None:
        self.lines: Final = text.splitlines()
        self._values: Final = dict(self._scan())
        self._headers: Final[dict[int, int]] = {}
        rule = -1
        for number, line in enumerate(self.lines):
            if _HEADER.match(line):
                rule += 1
                self._headers[rule] = number

    def error(
        self, problem: str, *, rule: int = -1, name: str | None = None, key: str | None = None, line: int = 1, column: int = 1
    ) -> PolicyError:
        """Return a ``PolicyError`` at ``line`` and ``column`` (both from 1) of the value of ``key`` in rule number ``rule``.

        ``rule`` -1 means the top of the file. Without a key it stands at the rule's header.
        """
        value = self._values.get((rule, key)) if key else None
        if value is None:
            header = self._headers.get(rule)
            if header is None:
                return PolicyError(problem, rule=name)
            return PolicyError(problem, rule=name, line=header + 1, column=1, excerpt=self.lines[header])
        row = value.line + line - 1
        start = value.column if line == 1 else 0
        return self.at(problem, line=row + 1, column=start + column, name=name)

    def at(self, problem: str, *, line: int, column: int, name: str | None = None) -> PolicyError:
        """Return a ``PolicyError`` at a place in the file, both numbers from 1."""
        excerpt = self.lines[line - 1] if 0 < line <= len(self.lines) else None
        return PolicyError(problem, rule=name, line=line, column=column, excerpt=excerpt)

    def _scan(self) -> list[tuple[tuple[int, str], _Value]]:
        found: list[tuple[tuple[int, str], _Value]] = []
        rule = -1
        inside: str | None = None
        table = ""
        for number, line in enumerate(self.lines):
            if inside is not None:
                inside = None if line.count(inside) % 2 else inside
                continue
            if _HEADER.match(line):
                rule, table = rule + 1, ""
            elif _TABLE.match(line):
                rule, table = -1, line.strip(" []\t") + "."
            elif match := _ASSIGNMENT.match(line):
                quotes = _TRIPLE.match(line, match.end())
                place = _Value(number, match.end())
                if quotes:
                    opened_and_empty = not line[quotes.end() :].strip()
                    place = _Value(number + 1, 0) if opened_and_empty else _Value(number, quotes.end())
                    inside = None if line.count(quotes.group()) % 2 == 0 else quotes.group()
                elif line[match.end() : match.end() + 1] in {'"', "'"}:
                    place = _Value(number, match.end() + 1)
                found.append(((rule, table + match.group(1)), place))
        return found
