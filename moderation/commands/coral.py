"""``tidegate coral``: the signing secrets of Coral's moderation phases and webhooks, which Coral makes and we keep."""

import click

from moderation.commands.shell import BY, Shell, entered, of_site, shelled, table, when
from moderation.ids import read, show
from moderation.models import SigningSecret
from moderation.services import signing, sites

DOOR = "coral"


@click.group()
def coral() -> None:
    """Keep the secrets with which Coral signs what it sends to /coral/SITE."""


@coral.command()
@click.option("--site", required=True, metavar="NAME", help="The site that the phase or webhook belongs to.")
@click.option("--name", default="", help="Which phase or webhook of Coral it is of.")
@shelled
def add(shell: Shell, *, site: str, name: str) -> None:
    """Keep a signing secret, read from the terminal or from standard input: never from the arguments, which others can see."""
    given = entered("Signing secret")
    with shell.database.transaction() as session:
        found = sites.find(session, site)
        row = signing.add(
            session,
            found.id,
            door=DOOR,
            shown=given,
            name=name or "phase",
            secret=shell.settings.secret,
            by=BY,
            now=shell.now,
        )
    address = f"{shell.settings.public_url}/coral/{found.name}"
    shell.show(
        _row(row) | {"url": address, "events_url": f"{address}/events"},
        [f"kept as {show('secret', row.id)}", f"callback URL of the phase: {address}", f"endpoint of webhooks: {address}/events"],
    )


@coral.command(name="list")
@of_site
@shelled
def list_(shell: Shell, *, site: str) -> None:
    """List the signing secrets of a site, never what they say."""
    with shell.database.reading() as session:
        answer = [_row(each) for each in signing.page(session, sites.find(session, site).id, door=DOOR)]
    columns = ("id", "name", "created_at", "revoked_at")
    shell.show(answer, table(columns, [[each[column] for column in columns] for each in answer]))


@coral.command()
@click.argument("secret_id", metavar="ID")
@of_site
@shelled
def revoke(shell: Shell, secret_id: str, *, site: str) -> None:
    """Forget the signing secret ID (sec_...); what is signed with it is refused from the next request on."""
    with shell.database.transaction() as session:
        ended = signing.revoke(session, sites.find(session, site).id, read("secret", secret_id), by=BY, now=shell.now)
    shell.show(_row(ended), [f"{secret_id} is revoked"])


def _row(each: SigningSecret) -> dict[str, str | None]:
    return {
        "id": show("secret", each.id),
        "name": each.name,
        "created_at": when(each.created_at),
        "revoked_at": when(each.revoked_at),
    }
