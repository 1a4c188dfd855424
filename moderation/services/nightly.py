"""The nightly comparison of a blog with what it should show, slice by slice, as jobs of the publisher itself.

Where it has got to and what it has found is kept in the publisher's settings: ``comparing`` while it goes on, ``compared`` when
it is through. Differences are mended as they are found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from moderation.config import Settings
from moderation.ids import show
from moderation.models import Publisher
from moderation.outbound.http import Client, Reply
from moderation.outbound.publishers import KINDS, CommentState, Seen, Sending
from moderation.queue import Claim
from moderation.services import comparing, events, rounds
from moderation.services.parcels import Parcel

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Parcel):
    """A slice of a comparison: what should be seen of which comments, where to go on, and, once sent, what is seen."""

    states: dict[UUID, CommentState]
    next: UUID | None
    seen: list[Seen] = field(default_factory=list)


class Nightly:
    """Loads and concludes the slices; ``load`` settles claims whose subject is nothing that there is any more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return the slices that can be looked at now."""
        parcels: list[Parcel] = []
        for held, publisher in rounds.due(session, claims, now=now):
            progress = publisher.config.get("comparing") or {}
            part = comparing.load(
                session,
                publisher,
                since=now - comparing.REACH,
                after=UUID(progress["after"]) if progress.get("after") else None,
                limit=KINDS[publisher.kind].at_once,
            )
            parcels.append(self._parcel(held, publisher, part))
        return parcels

    def _parcel(self, held: Claim, publisher: Publisher, part: comparing.Slice) -> Comparison:
        way = rounds.usable(self._settings.secret, publisher)
        seen: list[Seen] = []
        message_id = show("publisher", publisher.id)

        def send(client: Client, at: datetime) -> Reply:
            if way is None:
                return Reply(trouble="credentials")
            if part.states:
                seen[:] = way.look(list(part.states.values()), Sending(client=client, message_id=message_id, secrets=(), now=at))
            return Reply(status=200) if not seen or any(each.visible is not None for each in seen) else Reply(trouble="protocol")

        return Comparison(held=held, receiver=publisher.id, send=send, states=part.states, next=part.next, seen=seen)

    def conclude(self, session: Session, parcel: Comparison, reply: Reply, *, now: datetime) -> None:
        """Mend what differs, and have the next slice looked at, or the next night; raises LeaseLost."""
        publisher = rounds.concluded(session, parcel, now=now)
        found = comparing.differences(parcel.states, parcel.seen)
        comparing.mend(session, publisher, found, now=now)
        before = publisher.config.get("comparing") or {}
        progress: dict[str, Any] = {
            "comments": before.get("comments", 0) + len(parcel.states),
            "differences": before.get("differences", 0) + len(found),
        }
        config = {name: value for name, value in publisher.config.items() if name != "comparing"}
        if reply.ok and parcel.next is not None:
            publisher.config = {**config, "comparing": {**progress, "after": parcel.next.hex}}
            comparing.go_on(session, publisher, now=now)
            return
        publisher.config = {**config, "compared": {**progress, "at": events.iso(now), "error": reply.error}}
        comparing.plan(session, publisher, now=now)
        log.info("blog_compared", publisher=show("publisher", publisher.id), error=reply.error, **progress)
