"""``tidegate publisher``: the ways back into a blog, tried before they are relied on, and the way from one that cannot call."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import click
from sqlalchemy.orm import Session

from moderation.commands.shell import BY, DOWN, FINDING, OK, SPAN, USAGE, Fault, Shell, entered, of_site, pair, shelled, table
from moderation.ids import read, show
from moderation.models import Publisher
from moderation.outbound.http import Client
from moderation.outbound.publishers import KINDS, Sending
from moderation.services import comparing, connecting, publishing, pulling, sites
from moderation.services.comparing import Difference
from moderation.services.states import opened


@click.group()
def publisher() -> None:
    """Set up, try, compare, pull from and remove the ways back into a site's blog."""


@publisher.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@of_site
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting; secret ones are asked for instead.")
@click.option("--help-settings", is_flag=True, help="Say which settings the kind has, and end.")
@shelled
def add(shell: Shell, kind: str, *, site: str, given: tuple[str, ...], help_settings: bool) -> None:
    """Connect a site with a blog of KIND, whose credentials are read from the terminal or, one a line, from standard input."""
    settings = KINDS[kind].settings
    if help_settings:
        answer = [{"name": each.name, "secret": each.secret, "required": each.required, "help": each.help} for each in settings]
        rows = [(each.name, "asked for" if each.secret else "--set", each.help) for each in settings]
        shell.show(answer, table(("name", "how", "what"), rows))
        return
    values = dict(pair(each) for each in given)
    secret = {each.name for each in settings if each.secret}
    if shown := sorted(secret & values.keys()):
        raise Fault(f"{shown[0]} is a secret: leave it out here, where every user of this machine sees it", USAGE)
    for each in settings:
        if each.required and not each.secret and not values.get(each.name):
            raise Fault(f"{kind} needs {each.name} ({each.help}): --set {each.name}=...", USAGE)
    for each in settings:
        if each.secret and (each.required or not shell.as_json):
            values[each.name] = entered(f"{each.name} ({each.help})")
    client = Client.from_settings(shell.settings)
    with shell.database.transaction() as session:
        new = connecting.add(
            session,
            sites.find(session, site).id,
            kind,
            {name: value.strip() for name, value in values.items() if value.strip()},
            guard=client.guard,
            secret=shell.settings.secret,
            by=BY,
            now=shell.now,
        )
    shown_id = show("publisher", new.publisher.id)
    lines = [shown_id]
    if kind == "generic":
        lines.append(f"verify its requests with {new.secret}, which is shown this once")
    lines.append(f"now try it: tidegate publisher test {shown_id} --site {site}")
    shell.show({"id": shown_id, "kind": kind, **({"secret": new.secret} if kind == "generic" else {})}, lines)


@publisher.command(name="list")
@of_site
@shelled
def list_(shell: Shell, *, site: str) -> None:
    """List a site's publishers, without their credentials, and what the last comparison found."""
    with shell.database.reading() as session:
        answer = [_row(each) for each in publishing.page(session, sites.find(session, site).id)]
    rows = [
        (each["id"], each["kind"], each["state"], each["url"], (each["compared"] or {}).get("differences", "-"))
        for each in answer
    ]
    shell.show(answer, table(("id", "kind", "state", "where", "differences"), rows))


@publisher.command()
@click.argument("publisher_id", metavar="ID")
@of_site
@shelled
def test(shell: Shell, publisher_id: str, *, site: str) -> int:
    """Try the credentials of the publisher ID (pub_...) and say what is missing; nothing on the blog is changed."""
    found = _found(shell, site, publisher_id)
    client = Client.from_settings(shell.settings)
    missing = connecting.missing(found, client, secret=shell.settings.secret, now=shell.now)
    tried = KINDS[found.kind].tried
    lines = [*missing] or ["it works" if tried else "it answers as documented; this kind was never tried on the real service"]
    shell.show({"id": publisher_id, "missing": list(missing)}, lines)
    return FINDING if missing else OK


@publisher.command()
@click.argument("publisher_id", metavar="ID")
@of_site
@click.option("--since", type=SPAN, default=timedelta(days=31), metavar="SPAN", help="How far back (31d).")
@click.option("--mend/--only-list", default=True, help="Bring the blog up to date where it differs (default).")
@shelled
def compare(shell: Shell, publisher_id: str, *, site: str, since: timedelta, mend: bool) -> int:
    """Compare what the blog of publisher ID shows with what it should show.

    Differences are listed and, by the deliver worker, mended. The exit code is 1 where there were any.
    """
    found = _found(shell, site, publisher_id)
    if not KINDS[found.kind].at_once:
        raise Fault(f"a publisher of kind {found.kind} leads in one direction only and cannot be asked", USAGE)
    differing, compared, unknown = _compared(shell, found, since, mend=mend)
    answer = {
        "compared": compared,
        "unknown": unknown,
        "differences": [each.as_json() for each in differing],
        "mended": mend and bool(differing),
    }
    lines = [f"{compared} compared, {len(differing)} differ, {unknown} could not be found out"]
    if differing:
        rows = [(show("comment", each.comment_id), "yes" if each.should_be_visible else "no", each.detail) for each in differing]
        lines += table(("comment", "should be seen", "blog says"), rows)
    shell.show(answer, lines)
    return FINDING if differing or unknown else OK


@publisher.command()
@click.argument("publisher_id", metavar="ID")
@of_site
@click.option("--since", type=SPAN, metavar="SPAN", help="How far back; else from where the last time ended.")
@click.option("--every", type=SPAN, metavar="SPAN", help="Do so from now on, by the deliver worker, such as every 5m.")
@click.option("--stop", is_flag=True, help="Do so no more.")
@shelled
def pull(shell: Shell, publisher_id: str, *, site: str, since: timedelta | None, every: timedelta | None, stop: bool) -> int:
    """Bring new comments here from the blog of publisher ID, once or from now on, where the blog cannot call us.

    What is known is passed over. The exit code is 1 where a comment could not be used, 4 where the blog could not be asked.
    """
    if stop and (every or since):
        raise Fault("--stop goes with neither --every nor --since", USAGE)
    found = _found(shell, site, publisher_id)
    begin = shell.now - since if since else None
    if stop or every:
        with shell.database.transaction() as session:
            here = connecting.find(session, found.site_id, found.id)
            pulling.follow(session, here, every=every, since=begin, by=BY, now=shell.now)
        said = f"asked every {every} from now on" if every else "asked no more"
        shell.show({"id": publisher_id, "every": every.total_seconds() if every else None}, [f"{publisher_id} is {said}"])
        return OK
    taken = _pulled(shell, found, begin or pulling.begins(found))
    shell.show(
        {"id": publisher_id, "new": taken.new, "known": taken.known, "bad": taken.bad},
        [f"{taken.new} new, {taken.known} known, {taken.bad} could not be used"],
    )
    return FINDING if taken.bad else OK


@publisher.command()
@click.argument("publisher_id", metavar="ID")
@of_site
@shelled
def remove(shell: Shell, publisher_id: str, *, site: str) -> None:
    """Stop sending to the blog of publisher ID for good, and forget its credentials."""
    with shell.database.transaction() as session:
        site_id = sites.find(session, site).id
        publishing.delete(session, site_id, read("publisher", publisher_id), by=BY, now=shell.now)
    shell.show({"id": publisher_id, "removed": True}, [f"{publisher_id} is removed"])


def _pulled(shell: Shell, found: Publisher, since: datetime) -> pulling.Taken:
    way, client, secret = opened(shell.settings.secret, found), Client.from_settings(shell.settings), shell.settings.secret
    taken, place = pulling.Taken(), ""
    while True:
        sending = Sending(client=client, message_id=show("publisher", found.id), secrets=(), now=shell.now)
        page = pulling.ask(found.kind, way, since, place, sending)
        if not page.reply.ok:
            raise Fault(f"the blog could not be asked ({page.reply.error}) after {taken.new} new ones; run the same again", DOWN)

        def unit(session: Session, rows: Sequence[Mapping[str, Any]] = page.rows) -> pulling.Taken:
            return pulling.take(session, found.site_id, rows, secret=secret, now=shell.now)

        taken.add(shell.database.transact(unit))
        if page.next is None:
            break
        place = page.next
        shell.note(f"{taken.new} new, {taken.known} known")
    with shell.database.transaction() as session:
        pulling.finished(session, connecting.find(session, found.site_id, found.id), since=since, began=shell.now)
    return taken


def _compared(shell: Shell, found: Publisher, since: timedelta, *, mend: bool) -> tuple[list[Difference], int, int]:
    way, client = opened(shell.settings.secret, found), Client.from_settings(shell.settings)
    differing: list[Difference] = []
    compared = unknown = 0
    after: UUID | None = None
    while True:
        with shell.database.reading() as session:
            part = comparing.load(session, found, since=shell.now - since, after=after, limit=KINDS[found.kind].at_once)
        sending = Sending(client=client, message_id=show("publisher", found.id), secrets=(), now=shell.now)
        seen = way.look(list(part.states.values()), sending) if part.states else []
        here = comparing.differences(part.states, seen)
        if mend and here:
            with shell.database.transaction() as session:
                comparing.mend(session, connecting.find(session, found.site_id, found.id), here, now=shell.now)
        differing += here
        compared += len(part.states)
        unknown += len([each for each in seen if each.visible is None])
        after = part.next
        if after is None:
            return differing, compared, unknown
        if compared % 1000 == 0:
            shell.note(f"{compared} compared, {len(differing)} differ")


def _found(shell: Shell, site: str, publisher_id: str) -> Publisher:
    with shell.database.reading() as session:
        return connecting.find(session, sites.find(session, site).id, read("publisher", publisher_id))


def _row(each: Publisher) -> dict[str, Any]:
    public = {setting.name for setting in KINDS[each.kind].settings if not setting.secret}
    return {
        "id": show("publisher", each.id),
        "kind": each.kind,
        "state": str(each.state),
        "state_reason": each.state_reason,
        "url": each.config.get("url", ""),
        "settings": {name: value for name, value in each.config.items() if name in public},
        "compared": each.config.get("compared"),
        "pulled": each.config.get("pulling"),
    }
