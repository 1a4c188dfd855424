"""``tidegate learning``: what a site's own layers learnt from its people, whether they are used, and beginning anew."""

import click

from moderation.commands.shell import BY, Shell, shelled
from moderation.services import learning as service
from moderation.services import learnt, policies, sites

LAYERS = {name: subject for subject, name in service.SUBJECTS.items()}


@click.group()
def learning() -> None:
    """Look at what a site learnt from its people, and make it forget."""


@learning.command(name="show")
@click.argument("site")
@shelled
def show_(shell: Shell, site: str) -> None:
    """Show what the site's layers learnt, from how many decisions, how well they do, and whether they are used."""
    with shell.database.reading() as session:
        found = service.standing(session, sites.find(session, site).id)
    lines = [
        line
        for each in found
        for line in (
            f"{learnt.NAMES[each.subject]} ({each.version or 'no version yet'})",
            *(f"  {said}" for said in learnt.told(each)),
        )
    ]
    shell.show([each.as_json() for each in found], lines)


@learning.command()
@click.argument("site")
@click.option("--layer", type=click.Choice(list(LAYERS)), help="Only this one; both where it is left out.")
@shelled
def reset(shell: Shell, site: str, *, layer: str | None) -> None:
    """Make the site's layers forget: the shared scores decide, and learning begins anew with what is decided from now on.

    Decisions and stored scores stay as they are.
    """
    with shell.database.transaction() as session:
        site_id = sites.find(session, site).id
        subjects = [LAYERS[layer]] if layer else list(service.SUBJECTS)
        made = [policies.label(service.reset(session, site_id, subject, by=BY, now=shell.now)) for subject in subjects]
    shell.show({"reset": made}, [f"reset: {label}" for label in made])
