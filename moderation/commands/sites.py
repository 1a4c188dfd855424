"""``tidegate site``: the blogs that this installation moderates for."""

from dataclasses import replace
from typing import TextIO

import click
from sqlalchemy import func, select

from moderation.commands.shell import BY, FINDING, OK, USAGE, Fault, Shell, pair, shelled, table
from moderation.ids import show
from moderation.models import Case, Comment, Site
from moderation.policy.shipped import SHIPPED
from moderation.scoring.catalog import ModelMissing
from moderation.scoring.choice import Chosen
from moderation.services import choosing, endpoints, keys, logins, openness, policies, rewording, sites, wording


@click.group()
def site() -> None:
    """Add and look at sites."""


@site.command()
@click.argument("name")
@click.option("--title", help="What people call it; NAME where it is left out.")
@click.option("--language", default="en", show_default=True, metavar="TAG", help="The language most comments are in.")
@click.option("--time-zone", default="UTC", show_default=True, metavar="ZONE", help="For figures by day, such as Europe/Berlin.")
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="Where its pages are; browsers may call the API from there."
)
@click.option(
    "--policy", type=click.Choice(list(SHIPPED)), default=sites.FIRST_POLICY, show_default=True, help="What decides at first."
)
@shelled
def add(
    shell: Shell, name: str, *, title: str | None, language: str, time_zone: str, origins: tuple[str, ...], policy: str
) -> None:
    """Add the site NAME (letters, digits, hyphens, dots)."""
    with shell.database.transaction() as session:
        made = sites.create(
            session,
            name=name,
            title=title or name,
            language=language,
            time_zone=time_zone,
            origins=origins,
            policy=policy,
            by=BY,
            now=shell.now,
        )
    next_step = f"next: tidegate key add --site {made.name} --kind secret"
    shell.show(_basics(made) | {"policy": policy}, [f"added {made.name} ({show('site', made.id)}), policy {policy}", next_step])


@site.command()
@click.argument("name")
@click.option("--title", help="What people call it.")
@click.option("--language", metavar="TAG", help="The language most comments are in.")
@click.option("--time-zone", metavar="ZONE", help="For figures by day, such as Europe/Berlin.")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="Where its pages are, in place of the origins before.")
@shelled
def change(
    shell: Shell, name: str, *, title: str | None, language: str | None, time_zone: str | None, origins: tuple[str, ...]
) -> None:
    """Change what is given of the site NAME; what its keys and pages call it stays."""
    with shell.database.transaction() as session:
        changed = sites.update(
            session,
            sites.find(session, name).id,
            title=title,
            language=language,
            time_zone=time_zone,
            origins=origins or None,
            by=BY,
            now=shell.now,
        )
        answer = _basics(changed) | {"language": changed.language, "time_zone": changed.time_zone}
    shell.show(answer, table(("what", "value"), [(what, _plain(value)) for what, value in answer.items()]))


@site.command(name="list")
@shelled
def list_(shell: Shell) -> None:
    """List the sites."""
    with shell.database.reading() as session:
        found = sites.everything(session)
        active = {each.id: policies.in_force(session, each.id).policy_label for each in found}
    rows = [(each.name, each.title, active[each.id], ", ".join(each.origins)) for each in found]
    answer = [_basics(each) | {"policy": active[each.id]} for each in found]
    shell.show(answer, table(("site", "title", "policy", "origins"), rows))


@site.command(name="show")
@click.argument("name")
@shelled
def show_(shell: Shell, name: str) -> None:
    """Show one site: its settings, what is in force, and how much there is."""
    with shell.database.reading() as session:
        found = sites.find(session, name)
        in_force = policies.in_force(session, found.id)
        by_status = session.execute(
            select(Comment.status, func.count()).where(Comment.site_id == found.id).group_by(Comment.status)
        ).all()
        waiting = session.scalar(select(func.count()).where(Case.site_id == found.id, Case.closed_at.is_(None))) or 0
        answer = _basics(found) | {
            "language": found.language,
            "time_zone": found.time_zone,
            "policy": in_force.policy_label,
            "in_force": in_force.versions,
            openness.SETTING: in_force.settings.get(openness.SETTING),
            "comments": {str(status): count for status, count in by_status},
            "open_cases": waiting,
            "keys": sum(1 for key in keys.page(session, found.id) if key.revoked_at is None),
            "members": len(sites.members(session, found.id)),
            "endpoints": len(endpoints.page(session, found.id)),
        }
    shell.show(answer, table(("what", "value"), [(name, _plain(value)) for name, value in answer.items()]))


@site.command()
@click.argument("name")
@click.option("--pin", metavar="VERSION", help="Insist on this version of the model, or on `installed`.")
@click.option("--unpin", is_flag=True, help="Take whatever version is installed.")
@shelled
def model(shell: Shell, name: str, *, pin: str | None, unpin: bool) -> int:
    """Show which version of its toxicity model a site uses, and pin it; `tidegate models use` chooses another model.

    A pinned site's texts get the same toxicity scores for as long as that version is installed. With another one its comments
    go to a human; nothing is scored by a model that the site did not choose. The exit code is then 1.
    """
    if pin is not None and unpin:
        raise Fault("give --pin or --unpin, and not both", USAGE)
    shelf = shell.runtime.shelf()
    database = shell.database
    with database.reading() as session:
        site_id = sites.find(session, name).id
        chosen = choosing.models(session, site_id).live
    version: str | None = None
    try:
        used = chosen or shelf.used()
        version = shelf.scorer(replace(used, version=None)).version
    except ModelMissing as error:
        if pin is not None:
            raise Fault(str(error), USAGE) from error
        used = chosen or Chosen()
    if pin is not None and version is not None:
        used = replace(used, version=version)
        with database.transaction() as session:
            wanted = version if pin == "installed" else pin
            choosing.pin(session, site_id, wanted, installed=used, by=BY, now=shell.now)
    elif unpin:
        with database.transaction() as session:
            choosing.unpin(session, site_id, by=BY, now=shell.now)
        used = replace(used, version=None) if chosen is not None else used
    pinned = used.version
    lost = version is None or pinned not in (None, version)
    lines = [f"model:     {used.name}", f"installed: {version or 'no'}", f"pinned:    {pinned or 'no'}"]
    lines += ["the model is not installed in the version that is asked for: every comment waits for a human"] if lost else []
    shell.show({"site": name, "model": used.name, "installed": version, "pinned": pinned, "scored": not lost}, lines)
    return FINDING if lost else OK


@site.command()
@click.argument("name")
@click.option("--after", type=int, metavar="DAYS", help="Close a post so many days after it came out.")
@click.option("--never", is_flag=True, help="Close no post by itself.")
@shelled
def closing(shell: Shell, name: str, *, after: int | None, never: bool) -> None:
    """Show or set after how many days the posts of the site NAME are closed; a post that an editor set is left alone."""
    if after is not None and never:
        raise Fault("give --after or --never, and not both", USAGE)
    with shell.database.transaction() as session:
        found = sites.find(session, name)
        if after is not None or never:
            openness.close_after(session, found.id, after, by=BY, now=shell.now)
        days = policies.settings(session, found.id).get(openness.SETTING)
    line = f"posts are closed after {days} days" if days else "no post is closed by itself"
    shell.show({"site": name, openness.SETTING: days}, [line])


@site.command()
@click.argument("name")
@click.option(
    "--language",
    type=click.Choice(wording.LANGUAGES),
    default="en",
    show_default=True,
    help="The language of the words.",
)
@click.option("--set", "given", multiple=True, metavar="REASON=WORDS", help="Say REASON in WORDS; no words: in ours again.")
@click.option("--reset", is_flag=True, help="Say all reasons in our words again, but for those that are set.")
@shelled
def reasons(shell: Shell, name: str, *, language: str, given: tuple[str, ...], reset: bool) -> None:
    """Show or set the words in which authors at the site NAME read the reasons, such as --set "1=goes for the player".

    They go on from "We did not publish this: it ..."; in 8_ground, {ground} stands for what the moderator wrote.
    """
    wanted = dict(pair(each) for each in given)
    with shell.database.transaction() as session:
        found = sites.find(session, name)
        if wanted or reset:
            kept = {} if reset else rewording.own_words(session, found.id, language)
            rewording.reword(session, found.id, language, {**kept, **wanted}, by=BY, now=shell.now)
        own = rewording.own_words(session, found.id, language)
    words = {**rewording.shipped(language), **own}
    rows = [(reason, "own" if reason in own else "ours", said) for reason, said in words.items()]
    shell.show(
        {"site": name, "language": language, "reasons": words, "own": sorted(own)}, table(("reason", "whose", "words"), rows)
    )


@site.command()
@click.argument("name")
@click.option(
    "--public-key",
    "public_keys",
    multiple=True,
    type=click.File(),
    metavar="FILE",
    help="Ed25519 public key in PEM for EdDSA tokens; may be given twice. The keys named before are replaced.",
)
@shelled
def login(shell: Shell, name: str, *, public_keys: tuple[TextIO, ...]) -> None:
    """Show the secret by which the blog of the site NAME signs its readers' login tokens (HS256), or set its public keys."""
    pems = [file.read() for file in public_keys]
    with shell.database.transaction() as session:
        found = sites.find(session, name)
        if pems:
            logins.set_keys(session, found.id, pems, by=BY, now=shell.now)
    secret = logins.secret_of(shell.settings.secret, found.id)
    answer = {
        "site": found.name,
        "audience": found.name,
        "issuers": found.origins,
        "secret": secret,
        "public_keys_set": len(pems),
    }
    shell.show(answer, [f"{len(pems)} public keys set for {found.name}"] if pems else [secret])


def _basics(found: Site) -> dict[str, object]:
    return {"id": show("site", found.id), "name": found.name, "title": found.title, "origins": found.origins}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
