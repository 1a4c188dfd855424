"""``tidegate replay``: try a policy on what was decided lately, before it decides anything."""

from collections.abc import Iterator
from datetime import timedelta
from typing import BinaryIO

import click

from moderation.commands.policy import name_of, named_version, text_of
from moderation.commands.shell import SPAN, USAGE, Fault, Shell, shelled, table
from moderation.policy.rules import Policy
from moderation.services import policies, sites
from moderation.services.replay import Replayed
from moderation.services.replay import replay as replay_policy


@click.command()
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--policy", "policy", metavar="NAME", help="One of its policies, or NAME@NUMBER for an older version.")
@click.option("--file", "file", type=click.File("rb"), help="A policy in a file instead.")
@click.option("--since", type=SPAN, default="30d", show_default=True, metavar="SPAN", help="How far back.")
@shelled
def replay(shell: Shell, *, site: str, policy: str | None, file: BinaryIO | None, since: timedelta) -> None:
    """Show what a policy would have decided otherwise, by rule; stores nothing."""
    if (policy is None) == (file is None):
        raise Fault("give a policy's name or a file, and not both", USAGE)
    with shell.database.reading() as session:
        found = sites.find(session, site)
        if file is not None:
            chosen = Policy.parse(text_of(file))
            label = f"{chosen.name} ({name_of(file)})"
        else:
            version = named_version(session, found.id, policy or "")
            chosen, label = policies.parsed(version.content["toml"]), policies.label(version)
        result = replay_policy(session, found.id, chosen, since=shell.now - since)
    shell.show({"site": site, "policy": label, **result.as_json()}, _lines(result, label))


def _lines(result: Replayed, label: str) -> Iterator[str]:
    yield f"{result.changed} of {result.considered} decisions would have been others under {label}"
    if result.other_schema:
        yield f"{result.other_schema} left out: their signals are of another release"
    if result.changed:
        yield ""
        moves = [(f"{before} -> {after}", count) for (before, after), count in result.moves.most_common()]
        yield from table(("verdict", "comments"), moves)
        yield ""
        rules = result.as_json()["rules"]
        rows = [(rule["rule"], rule["harder"], rule["milder"], " ".join(rule["examples"][:2])) for rule in rules]
        yield from table(("rule", "now harder", "now milder", "for example"), rows)
    if result.judged:
        then, now = result.agreed
        yield ""
        yield f"Moderators decided {result.judged} of them: {then} as the machine did then, {now} as this policy would"
