"""``tidegate moderator``: the people who look after a site."""

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.commands.shell import BY, Shell, shelled, table
from moderation.errors import NotFound
from moderation.ids import show
from moderation.models import Role, User
from moderation.services import signing_in, sites


@click.group()
def moderator() -> None:
    """Give people a role in a site, list them, take it back."""


@moderator.command()
@click.argument("email")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--name", help="What colleagues see; the part before the @ where it is left out.")
@click.option(
    "--role",
    type=click.Choice([str(role) for role in Role]),
    default=str(Role.MODERATOR),
    show_default=True,
    help="From most to least that they may do.",
)
@shelled
def add(shell: Shell, email: str, *, site: str, name: str | None, role: str) -> None:
    """Give the person with that address a role in the site, or another role."""
    with shell.database.transaction() as session:
        found = sites.find(session, site)
        user = sites.add_member(
            session, found.id, email=email, name=name or email.partition("@")[0], role=Role(role), by=BY, now=shell.now
        )
    answer = _row(user, Role(role))
    steps = [
        f"next, for the console: tidegate moderator link --site {site} {user.email}",
        f"or, for the API: tidegate key add --site {site} --kind personal --moderator {user.email}",
    ]
    shell.show(answer, [f"{user.email} is {role} of {site}", *steps])


@moderator.command(name="list")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def list_(shell: Shell, *, site: str) -> None:
    """List the people of a site."""
    with shell.database.reading() as session:
        answer = [_row(user, role) for user, role in sites.members(session, sites.find(session, site).id)]
    rows = [(each["email"], each["name"], each["role"], "disabled" if each["disabled_at"] else "") for each in answer]
    shell.show(answer, table(("e-mail", "name", "role", ""), rows))


@moderator.command()
@click.argument("email")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def link(shell: Shell, email: str, *, site: str) -> None:
    """Print a link that signs a person in to the console, once, within a day."""
    with shell.database.transaction() as session:
        found = sites.find(session, site)
        token = signing_in.offer(session, found.id, _person(session, email).id, by=BY, now=shell.now)
    address = signing_in.address(shell.settings.public_url, token)
    shell.show({"login_url": address}, [address])


@moderator.command()
@click.argument("email")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def revoke(shell: Shell, email: str, *, site: str) -> None:
    """End a person's role in a site, and with it their keys there, from the next request on."""
    with shell.database.transaction() as session:
        found = sites.find(session, site)
        user = _person(session, email)
        sites.remove_member(session, found.id, user.id, by=BY, now=shell.now)
    shell.show({"id": show("user", user.id), "site": site}, [f"{email} has no role in {site} any more"])


def _person(session: Session, email: str) -> User:
    user = session.scalars(select(User).where(User.email == email.strip().casefold())).first()
    if user is None:
        raise NotFound("moderator", email)
    return user


def _row(user: User, role: Role) -> dict[str, str | None]:
    return {
        "id": show("user", user.id),
        "email": user.email,
        "name": user.name,
        "role": str(role),
        "disabled_at": user.disabled_at.isoformat() if user.disabled_at else None,
    }
