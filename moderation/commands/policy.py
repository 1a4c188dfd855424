"""``tidegate policy``: looking at policies before a site uses them."""

from typing import BinaryIO
from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.commands.shell import BY, FINDING, USAGE, Fault, Shell, shelled, table
from moderation.errors import NotFound
from moderation.models import Subject, Version
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.policy.source import PolicyError
from moderation.services import policies, sites


@click.group()
def policy() -> None:
    """Check policies, and put them into force."""


@policy.command()
@click.argument("file", type=click.File("rb"))
@shelled
def check(shell: Shell, file: BinaryIO) -> int:
    """Say whether FILE (- for standard input) is a policy that can be used; shows the first mistake with a caret under it."""
    try:
        parsed = Policy.parse(text_of(file))
    except PolicyError as error:
        found = {"ok": False, "problem": error.problem, "rule": error.rule, "line": error.line, "column": error.column}
        if shell.as_json:
            shell.show(found, ())
        else:
            shell.note(f"{name_of(file)}: {error}")
        return FINDING
    answer = {"ok": True, "name": parsed.name, "rules": [rule.name for rule in parsed.rules], "signals": sorted(parsed.signals)}
    shell.show(answer, [f"{name_of(file)}: policy {parsed.name} holds together, {len(parsed.rules)} rules"])
    return 0


@policy.command(name="list")
@click.option("--site", metavar="NAME", help="The versions that a site has; otherwise the policies that come with Tidegate.")
@shelled
def list_(shell: Shell, *, site: str | None) -> None:
    """List policies."""
    if site is None:
        shipped = [Policy.parse(source) for source in SHIPPED.values()]
        answer = [{"name": each.name, "summary": each.summary, "rules": len(each.rules)} for each in shipped]
        shell.show(
            answer, table(("policy", "rules", "summary"), [(each.name, len(each.rules), each.summary) for each in shipped])
        )
        return
    with shell.database.reading() as session:
        found = sites.find(session, site)
        active = policies.in_force(session, found.id).policy_label
        versions = session.scalars(
            select(Version).where(Version.site_id == found.id, Version.subject == Subject.POLICY).order_by(Version.id)
        ).all()
    answer = [
        {
            "policy": policies.label(version),
            "in_force": policies.label(version) == active,
            "created_at": version.created_at.isoformat(),
            "created_by": version.created_by,
        }
        for version in versions
    ]
    rows = [(each["policy"], "in force" if each["in_force"] else "", each["created_at"], each["created_by"]) for each in answer]
    shell.show(answer, table(("policy", "", "made", "by"), rows))


@policy.command()
@click.argument("name")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--file", "file", type=click.File("rb"), help="Store this file as the policy's next version first.")
@shelled
def activate(shell: Shell, name: str, *, site: str, file: BinaryIO | None) -> None:
    """Put a site's policy NAME, or NAME@NUMBER, into force; a roll-back is the activation of an older number."""
    source = text_of(file) if file else None

    def unit(session: Session) -> str:
        found = sites.find(session, site)
        if source is not None:
            if Policy.parse(source).name != name:
                raise Fault(f"the policy in the file is called {Policy.parse(source).name}, not {name}", USAGE)
            policies.add_version(session, found.id, Subject.POLICY, name, {"toml": source}, by=BY, now=shell.now)
        version = named_version(session, found.id, name)
        policies.activate(session, version, by=BY, now=shell.now)
        return policies.label(version)

    label = shell.database.transact(unit)
    shell.show({"site": site, "policy": label}, [f"{label} is in force at {site}"])


def named_version(session: Session, site_id: UUID, name: str) -> Version:
    """Return a site's policy by NAME (its newest version) or NAME@NUMBER; raises NotFound."""
    bare, _, number = name.partition("@")
    if number and not (number.isascii() and number.isdigit() and len(number) < 10):
        raise NotFound("policy", name)
    return policies.find_version(session, site_id, Subject.POLICY, bare, int(number) if number else None)


def name_of(file: BinaryIO) -> str:
    """Return how a file is called in messages."""
    return str(getattr(file, "name", "<stdin>"))


def text_of(file: BinaryIO) -> str:
    """Return a policy file's text; raises Fault where it is not UTF-8."""
    try:
        return file.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(f"{name_of(file)}: not a text in UTF-8 (byte {error.start})", USAGE) from error
