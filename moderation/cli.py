"""The command line: ``tidegate COMMAND``; a command's module is imported when it is run, so that each starts fast."""

import importlib
import sys
from typing import Any, Final

import click

from moderation.logs import configure

COMMANDS: Final = {
    "up": "stack",
    "migrate": "stack",
    "demo": "stack",
    "doctor": "doctor",
    "explain": "explain",
    "policy": "policy",
    "replay": "replay",
    "site": "sites",
    "learning": "learning",
    "models": "models",
    "key": "keys",
    "moderator": "moderators",
    "coral": "coral",
    "publisher": "publishers",
    "deliveries": "deliveries",
    "mail": "mail",
    "chat": "chat",
    "import": "transfer",
    "export": "transfer",
    "perspective": "perspective",
    "statements": "statements",
    "audit": "safekeeping",
    "backup": "safekeeping",
    "restore": "safekeeping",
}
"""Command to the module of ``moderation.commands`` that has it under its own name."""


def summarise(command: click.Command) -> None:
    """Let lists of commands say the whole first sentence of a command, and of each below it; click would cut it at 45 letters."""
    if command.help and not command.short_help:
        paragraph = " ".join(command.help.partition("\n\n")[0].split())
        command.short_help = paragraph.partition(". ")[0]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            summarise(inner)


class Commands(click.Group):
    """Finds commands by name and turns their expected faults into one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (the same)
        """Import a command; None for one that there is not."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"moderation.commands.{COMMANDS[cmd_name]}")
        found = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        if not isinstance(found, click.Command):
            return None
        summarise(found)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 (sorted there; what is no expected fault is raised again)
            importlib.import_module("moderation.commands.shell").reraise(error)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="tidegate", message="%(package)s %(version)s")
def tidegate() -> None:
    """Self-hosted comment moderation.

    Exit codes: 0 done; 1 done, and the finding is bad; 2 wrong usage or configuration; 3 no such thing; 4 something needed is
    down.
    """


def main() -> None:
    """Run the command line; ends the process."""
    configure("warning")
    tidegate(prog_name="tidegate")
    sys.exit()


if __name__ == "__main__":
    main()
