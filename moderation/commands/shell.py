"""What every command stands on: the settings, the database, one way to print, and one exit code for each kind of fault.

A script can rely on: 0 done; 1 done, and the finding is bad (an audit chain that does not hold, a policy with a mistake);
2 the command or the configuration is wrong; 3 there is no such thing; 4 something we depend on is down. Faults are one line each
on standard error, so that standard output is the answer and nothing else; a traceback means a fault of ours.
"""

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, Final, NoReturn, ParamSpec

import click
import orjson
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from moderation.config import Settings, SettingsError
from moderation.database import Database
from moderation.errors import NotFound, Refused, TidegateError
from moderation.policy.source import PolicyError
from moderation.runtime import Runtime
from moderation.scoring.scorer import ScoringFailed

OK: Final = 0
FINDING: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
DOWN: Final = 4

BY: Final = "cli"
"""The actor in the audit log: whoever may run commands on this machine."""

UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

P = ParamSpec("P")


class Fault(click.ClickException):
    """An expected fault: one line for each thing that is wrong, and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        """Print the fault to standard error."""
        for line in self.message.splitlines() or [""]:
            click.echo(f"tidegate: {line}", err=True, file=file)


class Shell:
    """What one run of a command works with; nothing is read or connected to before it is asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.now = datetime.now(UTC)

    @cached_property
    def settings(self) -> Settings:
        """The operator's settings; raises SettingsError."""
        return Settings.from_env()

    @cached_property
    def runtime(self) -> Runtime:
        """The composition root, on the settings' database and Redis."""
        return Runtime.build(self.settings, role="tool")

    @property
    def database(self) -> Database:
        """The database, which has to exist: opening a SQLite file that does not would make an empty one. Raises Fault."""
        if not present(self.settings):
            raise Fault("there is no database yet; `tidegate migrate` or `tidegate up` makes it", DOWN)
        return self.runtime.database

    def show(self, value: Any, lines: Iterable[str]) -> None:
        """Print the answer: ``value`` as JSON where that was asked for, otherwise the lines."""
        if self.as_json:
            click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())
        else:
            for line in lines:
                click.echo(line)

    def note(self, line: str) -> None:
        """Say something beside the answer, such as what takes so long."""
        click.echo(line, err=True)

    def close(self) -> None:
        """Close the connections, if any were opened."""
        if "runtime" in self.__dict__:
            self.runtime.close()


def shelled(function: Callable[Concatenate[Shell, P], int | None]) -> Callable[P, None]:
    """Give a command its Shell and ``--json``; the number that it returns becomes the exit code."""

    @click.option("--json", "as_json", is_flag=True, help="Print one JSON value for scripts.")
    @click.pass_context
    @functools.wraps(function)
    def run(context: click.Context, /, *arguments: P.args, **options: P.kwargs) -> None:
        shell = Shell(as_json=bool(options.pop("as_json", False)))
        context.call_on_close(shell.close)
        code = function(shell, *arguments, **options)
        if code:
            context.exit(code)

    return run  # type: ignore[no-any-return, unused-ignore]


def present(settings: Settings) -> bool:
    """Tell whether the database is there to be opened; one behind a server is asked only when it is used."""
    url = settings.database_url
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).is_file()


def reraise(error: Exception) -> NoReturn:  # noqa: C901 (a table of faults)
    """Turn a fault that an operator can understand into one line and an exit code; anything else passes as it is."""
    match error:
        case SettingsError():
            raise Fault(str(error), USAGE) from error
        case click.UsageError():
            raise Fault(error.format_message(), USAGE) from error
        case PolicyError():
            raise Fault(str(error), USAGE) from error
        case NotFound():
            raise Fault(str(error), NOT_FOUND) from error
        case Refused():
            raise Fault(error.detail, USAGE) from error
        case ScoringFailed() | ModuleNotFoundError():
            raise Fault(f"the model cannot be used: {error}", DOWN) from error
        case TidegateError():
            raise Fault(str(error), FINDING) from error
        case DBAPIError() if _no_tables(error):
            raise Fault("the database has no tables yet; `tidegate migrate` makes them", DOWN) from error
        case OperationalError() | InterfaceError():
            raise Fault(f"the database cannot be used: {first_line(error.orig)}", DOWN) from error
        case OSError() if not isinstance(error, click.ClickException):
            raise Fault(f"{error.filename}: {error.strerror}" if error.filename else str(error), FINDING) from error
        case _:
            raise error


def _no_tables(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "42P01" or "no such table" in str(error.orig)


def first_line(error: object) -> str:
    """Return the first line of an error's message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def clean(value: object) -> str:
    """Return a value as text that cannot steer a terminal: whatever is not printable is written out."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def entered(what: str) -> str:
    """Return a secret from the terminal, unseen, or the next line of standard input: arguments are seen by others."""
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, default="", show_default=False, err=True)).strip()
    return sys.stdin.readline().strip()


of_site = click.option("--site", required=True, metavar="NAME", help="The site.")
"""The option of a command that is about one site."""


def pair(given: str) -> tuple[str, str]:
    """Return the two sides of a setting given as NAME=VALUE; raises Fault for anything else."""
    name, equals, value = given.partition("=")
    if not equals:
        raise Fault(f"{given!r} is not NAME=VALUE", USAGE)
    return name.strip(), value.strip()


def when(moment: datetime | None) -> str | None:
    """Return a moment as JSON has it."""
    return moment.isoformat() if moment else None


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return rows as lines with aligned columns, the last one as long as it is."""
    cells = [[clean(cell) for cell in row] for row in rows]
    if not cells:
        return ["(none)"]
    cells.insert(0, [heading.upper() for heading in headings])
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


class Span(click.ParamType[timedelta]):
    """A length of time such as ``30d``, ``12h``, ``45m`` or ``2w``."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the length of time; fails for anything else."""
        if isinstance(value, timedelta):
            return value
        number, unit = str(value)[:-1], str(value)[-1:]
        if unit not in UNITS or not number.isascii() or not number.isdigit() or len(number) > 4:
            self.fail(f"{value!r} is not a length of time such as 30d, 12h, 45m or 2w", param, ctx)
        return int(number) * UNITS[unit]


SPAN: Final = Span()
