"""Bringing an installation into being: its schema, its demo, its processes."""

import click

from moderation import foreground, migrations, prepare
from moderation.commands.shell import USAGE, Fault, Shell, shelled
from moderation.config import Settings
from moderation.services import processes
from moderation.services.demo import file_of


@click.command()
@click.option("--back-to", metavar="REVISION", help="Take it back to that revision instead, for an older release; back up first.")
@shelled
def migrate(shell: Shell, *, back_to: str | None) -> None:
    """Bring the database's schema up to date; does nothing where it is."""
    if back_to is None:
        shell.settings.make_directories()
        migrations.upgrade(shell.settings.database_url)
    else:
        with shell.database.reading() as session:
            alive = processes.alive(session, now=shell.database.now(session))
        if alive:
            raise Fault(f"{alive[0].process} is at work; stop Tidegate first", USAGE)
        migrations.downgrade(shell.settings.database_url, revision=back_to)
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
