"""``tidegate deliveries``: what did not arrive, and sending it again."""

from datetime import timedelta
from uuid import UUID

import click

from moderation.commands.shell import BY, SPAN, USAGE, Fault, Shell, shelled, table
from moderation.ids import read, show
from moderation.models import DeliveryState
from moderation.services import endpoints, sites


@click.group()
def deliveries() -> None:
    """Look at webhook deliveries, and send them again."""


@deliveries.command(name="list")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--state", type=click.Choice([str(state) for state in DeliveryState]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many, newest first.")
@shelled
def list_(shell: Shell, *, site: str, state: str | None, limit: int) -> None:
    """List deliveries, newest first."""
    with shell.database.reading() as session:
        found = endpoints.deliveries(
            session, sites.find(session, site).id, state=DeliveryState(state) if state else None, limit=limit
        )
    answer = [
        {
            "id": show("delivery", each.id),
            "event": show("event", each.event_id),
            "endpoint": show("endpoint", each.endpoint_id),
            "state": str(each.state),
            "attempts": each.attempts,
            "last_error": each.last_error,
            "created_at": each.created_at.isoformat(),
        }
        for each in found
    ]
    columns = ("id", "state", "attempts", "last_error", "created_at")
    shell.show(answer, table(columns, [[each[column] for column in columns] for each in answer]))


@deliveries.command()
@click.argument("delivery_id", metavar="[ID]", required=False)
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--endpoint", metavar="ID", help="Only those to this endpoint (ep_...).")
@click.option("--since", type=SPAN, metavar="SPAN", help="Also those that arrived, from that long ago on, such as 24h.")
@shelled
def replay(shell: Shell, delivery_id: str | None, *, site: str, endpoint: str | None, since: timedelta | None) -> None:
    """Send again the delivery ID (dlv_...), or all dead ones; each keeps its webhook-id, so a receiver can tell a repeat."""
    if delivery_id and (endpoint or since):
        raise Fault("give either a delivery, or --endpoint and --since", USAGE)
    with shell.database.reading() as session:
        site_id = sites.find(session, site).id
    if delivery_id:
        wanted = read("delivery", delivery_id)
        with shell.database.transaction() as session:
            endpoints.replay(session, site_id, wanted, by=BY, now=shell.now)
        count = 1
    else:
        count = _replay_many(shell, site_id, read("endpoint", endpoint) if endpoint else None, since)
    shell.show({"replayed": count}, [f"{count} sent again" if count else "nothing to send again"])


def _replay_many(shell: Shell, site_id: UUID, endpoint_id: UUID | None, since: timedelta | None) -> int:
    count = 0
    after: UUID | None = None
    while True:
        with shell.database.transaction() as session:
            done = endpoints.replay_many(
                session,
                site_id,
                by=BY,
                now=shell.now,
                endpoint_id=endpoint_id,
                since=shell.now - since if since else None,
                after=after,
            )
        count += done.count
        after = done.next
        if after is None:
            return count
