"""The text of docs/cli.md below its introduction, made from the commands, so that a test can hold the page to them.

Printed by ``python -c "from moderation import cli; from moderation.commands.reference import page; print(page(cli.tidegate))"``.
"""

from collections.abc import Iterator
from typing import Final

import click

WIDTH: Final = 120


def page(root: click.Group) -> str:
    """Return the help of every command below ``root`` as Markdown, in the order of the help."""
    return "\n\n".join(f"## {name}\n\n```text\n{text}\n```" for name, text in helps(root))


def helps(root: click.Group) -> Iterator[tuple[str, str]]:
    """Yield each command that is not hidden, as it is typed, with its help."""
    options = {**root.context_settings, "terminal_width": WIDTH}
    context = click.Context(root, info_name=root.name, **options)
    yield context.command_path, root.get_help(context)
    yield from _below(root, context)


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[str, str]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from _below(command, inner)
        else:
            yield inner.command_path, command.get_help(inner)
