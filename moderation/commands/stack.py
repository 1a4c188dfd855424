"""Bringing an installation into being: its schema, its demo, its processes."""

import click

from moderation import foreground, migrations, prepare
from moderation.commands.shell import Shell, shelled
from moderation.config import Settings
from moderation.services.demo import file_of


@click.command()
@shelled
def migrate(shell: Shell) -> None:
    """Bring the database's schema up to date; does nothing where it is."""
    shell.settings.make_directories()
    migrations.upgrade(shell.settings.database_url)
    revision, _ = migrations.state(shell.database)
    shell.show({"revision": revision}, [f"the database is at revision {revision}"])


@click.command()
@click.pass_context
def up(context: click.Context) -> None:
    """Run everything on this machine until Ctrl-C: API, workers, relay, Valkey, demo blog."""
    context.exit(foreground.up(Settings.from_env()))


@click.command(hidden=True)
@shelled
def demo(shell: Shell) -> None:
    """Make the demo site and write its addresses and keys to demo.json; what is there is kept."""
    site = prepare.prepare_demo(shell.settings)
    path = file_of(shell.settings)
    shown = {**site.as_json(), "file": str(path)}
    # The keys are in the file, which its owner alone can read; a terminal's scrollback is no place for them.
    for secret in ("secret_key", "door_key", "webhook_secret"):
        del shown[secret]
    shell.show(shown, [f"demo site: {site.demo_blog_url}", f"addresses and keys: {path}"])
