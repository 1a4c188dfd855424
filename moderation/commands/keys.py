"""``tidegate key``: the API keys of a site, each shown once."""

from datetime import timedelta

import click
from sqlalchemy import select

from moderation.commands.shell import BY, SPAN, USAGE, Fault, Shell, of_site, shelled, table, when
from moderation.errors import NotFound
from moderation.ids import read, show
from moderation.models import Key, KeyKind, User
from moderation.services import keys, sites


@click.group()
def key() -> None:
    """Make, list and revoke API keys."""


@key.command()
@click.option("--site", required=True, metavar="NAME", help="The site it opens.")
@click.option(
    "--kind",
    type=click.Choice([str(kind) for kind in KeyKind]),
    default=str(KeyKind.SECRET),
    show_default=True,
    help="secret: the blog's server. publishable: readers' browsers. door: another protocol. personal: a moderator.",
)
@click.option("--name", default="", help="What it is for.")
@click.option("--moderator", metavar="EMAIL", help="Whose personal key it is.")
@click.option("--expires-in", type=SPAN, metavar="SPAN", help="It stops to work after that time, such as 90d.")
@shelled
def add(shell: Shell, *, site: str, kind: str, name: str, moderator: str | None, expires_in: timedelta | None) -> None:
    """Make a key and show it, this once."""
    if (kind == KeyKind.PERSONAL) != (moderator is not None):
        raise Fault("a personal key needs --moderator, and no other kind takes it", USAGE)
    with shell.database.transaction() as session:
        found = sites.find(session, site)
        user = session.scalars(select(User).where(User.email == moderator.strip().casefold())).first() if moderator else None
        if moderator and user is None:
            raise NotFound("moderator", moderator)
        new = keys.create(
            session,
            found.id,
            KeyKind(kind),
            name=name or kind,
            user_id=user.id if user else None,
            expires_at=shell.now + expires_in if expires_in else None,
            secret=shell.settings.secret,
            by=BY,
            now=shell.now,
        )
    if not shell.as_json:
        shell.note("Keep it: it cannot be shown again.")
    shell.show(_row(new.key) | {"key": new.shown}, [new.shown])


@key.command(name="list")
@of_site
@shelled
def list_(shell: Shell, *, site: str) -> None:
    """List the keys of a site, without their secrets."""
    with shell.database.reading() as session:
        answer = [_row(each) for each in keys.page(session, sites.find(session, site).id)]
    rows = [
        (each["id"], each["kind"], each["begins"], each["name"], each["revoked_at"] or each["expires_at"], each["last_used_at"])
        for each in answer
    ]
    shell.show(answer, table(("id", "kind", "begins", "name", "ends", "last used"), rows))


@key.command()
@click.argument("key_id", metavar="ID")
@of_site
@shelled
def revoke(shell: Shell, key_id: str, *, site: str) -> None:
    """End the key ID (key_...), from the next request on."""
    with shell.database.transaction() as session:
        ended = keys.revoke(session, sites.find(session, site).id, read("key", key_id), by=BY, now=shell.now)
    shell.show(_row(ended), [f"{key_id} is revoked"])


def _row(each: Key) -> dict[str, str | None]:
    return {
        "id": show("key", each.id),
        "kind": str(each.kind),
        "begins": each.handle if each.kind is not KeyKind.DOOR else None,
        "name": each.name,
        "user": show("user", each.user_id) if each.user_id else None,
        "created_at": when(each.created_at),
        "expires_at": when(each.expires_at),
        "revoked_at": when(each.revoked_at),
        "last_used_at": when(each.last_used_at),
    }
