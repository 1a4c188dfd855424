"""Bringing comments here from a blog that cannot call us: asked for on a schedule, a page at a time, and taken in once each.

Where it has got to is kept in the publisher's settings under ``pulling``: how often, since when, and the place within the walk
that goes on. A walk ends where the blog has no more; the next one begins a little before this one did, and what is known by its
``external_id`` is the same comment. So a page that comes twice, or a process that is killed, costs nothing but the asking.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from moderation import queue
from moderation.config import Settings
from moderation.errors import Refused, TidegateError
from moderation.ids import show
from moderation.models import Job, JobKind, Priority, Publisher
from moderation.outbound import schedule
from moderation.outbound.http import Client, Reply
from moderation.outbound.publishers import KINDS, Page, Sending
from moderation.outbound.publishers import Publisher as Way
from moderation.queue import Claim
from moderation.services import audit, authors, events, posts, rounds, submission
from moderation.services.parcels import Parcel
from moderation.sources import BadRow, Options, Record
from moderation.sources.html import plain
from moderation.sources.record import record

log = structlog.get_logger(__name__)

JOB: Final = 1
"""The ``revision`` of a publisher's job that pulls; that of its comparison has 0."""

SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=1)
"""Between two walks, however often the blog failed."""

OVERLAP: Final = timedelta(minutes=70)
"""How much of the last walk's time the next one asks for again: clocks differ, and in autumn an hour happens twice."""


@dataclass(slots=True)
class Taken:
    """What became of a page's rows: new here, known, or not to be used."""

    new: int = 0
    known: int = 0
    bad: int = 0

    def add(self, other: "Taken") -> None:
        """Count a further page."""
        self.new += other.new
        self.known += other.known
        self.bad += other.bad


def follow(
    session: Session, publisher: Publisher, *, every: timedelta | None, since: datetime | None, by: str, now: datetime
) -> None:
    """Ask the blog for new comments from now on, so often, or no more (None); raises Refused.

    ``since`` is where the first walk begins: where the last one ended, or when the publisher was made, if it is None.
    """
    rounds.locked(session, publisher.id)
    if KINDS[publisher.kind].pull is None:
        raise Refused("not-pulled", f"A blog of the kind {publisher.kind} cannot be asked for its comments.")
    if every is not None and not SHORTEST <= every <= LONGEST:
        raise Refused("every", "Between one minute and one day.")
    known = publisher.config.get("pulling") or {}
    after = since or begins(publisher)
    config = {
        **known,
        "every": every.total_seconds() if every else None,
        "after": events.iso(after),
        "place": "",
        "began": None,
        "failures": 0,
    }
    publisher.config = {**publisher.config, "pulling": config}
    queue.drop(session, JobKind.PUBLISH, Job.order_key == _order(publisher), now=now)
    session.flush()
    plan(session, publisher, now=now)
    action = "publisher.pulled_no_more" if every is None else "publisher.pulled"
    audit.record(session, site_id=publisher.site_id, actor=by, action=action, subject=show("publisher", publisher.id), now=now)


def begins(publisher: Publisher) -> datetime:
    """Return since when the next walk asks."""
    after = (publisher.config.get("pulling") or {}).get("after")
    return datetime.fromisoformat(after) if after else publisher.created_at


def plan(session: Session, publisher: Publisher, *, now: datetime, after: timedelta = timedelta()) -> None:
    """Have the blog asked after so long, where somebody wants it asked; a second time changes nothing."""
    if (publisher.config.get("pulling") or {}).get("every"):
        queue.enqueue(
            session,
            JobKind.PUBLISH,
            site_id=publisher.site_id,
            subject_id=publisher.id,
            revision=JOB,
            now=now,
            priority=Priority.RETRY,
            run_at=now + after,
            order=(_order(publisher), 0),
        )


def _order(publisher: Publisher) -> str:
    # Below "g", as queue.to_receiver wants it, so that pausing the publisher finds it.
    return publisher.id.hex + "ask"


def ask(kind: str, way: Way, since: datetime, place: str, sending: Sending) -> Page:
    """Ask the blog for a page of its comments; changes nothing."""
    pull = KINDS[kind].pull
    if pull is None:
        raise Refused("not-pulled", f"A blog of the kind {kind} cannot be asked for its comments.")
    return pull(way, since, place, sending)


def take(session: Session, site_id: UUID, rows: Sequence[Mapping[str, Any]], *, secret: bytes, now: datetime) -> Taken:
    """Take in what a page holds as comments to be judged, whatever the blog does with them until then.

    What Tidegate was asked about when it was written is known by our own id and passed over.
    """
    taken = Taken()
    for row in rows:
        fields = {**row, "body": plain(str(row.get("body") or "")), "post_title": plain(str(row.get("post_title") or ""))}
        found = record(0, fields, Options())
        if isinstance(found, BadRow):
            taken.bad += 1
            log.info("pulled_row_unusable", comment=row.get("external_id"), code=found.code)
            continue
        if found.ours:
            taken.known += 1
            continue
        try:
            is_new = _submit(session, site_id, found, row, secret=secret, now=now)
        except TidegateError as refused:
            taken.bad += 1
            log.info("pulled_row_refused", comment=found.external_id, error=type(refused).__name__)
            continue
        taken.new += is_new
        taken.known += not is_new
    return taken


def _submit(session: Session, site_id: UUID, found: Record, row: Mapping[str, Any], *, secret: bytes, now: datetime) -> bool:
    reference = posts.PostReference(id=found.post_id, url=found.post_url, title=found.post_title)
    claim = authors.AuthorClaim(
        name=found.author_name,
        email=found.author_email,
        url=found.author_url,
        address=str(row.get("address") or "") or None,
        user_agent=str(row.get("user_agent") or "") or None,
    )
    # A reply to what was never brought here is a comment all the same.
    for parent_id in (found.parent_id, None):
        given = submission.Submission(
            post=reference,
            author=claim,
            body=found.body,
            parent_id=parent_id,
            external_id=found.external_id,
            submitted_at=min(found.created_at, now),
        )
        try:
            with session.begin_nested():
                return submission.submit(session, site_id, given, vouched=False, secret=secret, now=now).created
        except Refused as refused:
            if refused.field != "/parent_id" or parent_id is None:
                raise
    raise AssertionError("unreachable: without a parent nothing is wrong with it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk(Parcel):
    """A page to be asked for, since when and where, and, once sent, what came."""

    since: datetime
    place: str
    pages: list[Page] = field(default_factory=list)


class Pulling:
    """Loads and concludes the pages, as jobs of the publisher itself."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def load(self, session: Session, claims: Sequence[Claim], *, now: datetime) -> list[Parcel]:
        """Return the pages that can be asked for now; settles the claims of publishers that are not asked any more."""
        parcels: list[Parcel] = []
        for held, publisher in rounds.due(session, claims, now=now):
            if (publisher.config.get("pulling") or {}).get("every"):
                parcels.append(self._parcel(held, publisher))
            else:
                queue.finish(session, held, now=now)
        return parcels

    def _parcel(self, held: Claim, publisher: Publisher) -> Walk:
        kind, since, place = publisher.kind, begins(publisher), publisher.config["pulling"].get("place", "")
        message_id = show("publisher", publisher.id)
        way = rounds.usable(self._settings.secret, publisher)
        pages: list[Page] = []

        def send(client: Client, at: datetime) -> Reply:
            if way is None:
                return Reply(trouble="credentials")
            pages[:] = [ask(kind, way, since, place, Sending(client=client, message_id=message_id, secrets=(), now=at))]
            return pages[0].reply

        return Walk(held=held, receiver=publisher.id, send=send, since=since, place=place, pages=pages)

    def conclude(self, session: Session, parcel: Walk, reply: Reply, *, now: datetime) -> None:
        """Take in what came, and have the next page asked for, or the next walk begun; raises LeaseLost."""
        publisher = rounds.concluded(session, parcel, now=now)
        progress = dict(publisher.config.get("pulling") or {})
        every = timedelta(seconds=progress.get("every") or LONGEST.total_seconds())
        if not reply.ok:
            failures = progress.get("failures", 0) + 1
            pause = max(min(every * 2 ** min(failures, 12), LONGEST), schedule.retry_after(reply.retry_after, now=now))
            # A place that the blog refuses is forgotten: the walk begins anew.
            refused = reply.status is not None and 400 <= reply.status < 500
            progress |= {"failures": failures, "error": reply.error, "place": "" if refused else progress.get("place", "")}
            log.warning("blog_not_pulled", publisher=show("publisher", publisher.id), error=reply.error, failures=failures)
        else:
            (page,) = parcel.pages
            progress |= _counted(progress, take(session, publisher.site_id, page.rows, secret=self._settings.secret, now=now))
            pause = timedelta()
            # Somebody may have had the walk begun anew meanwhile: then this was a page of another one.
            if (begins(publisher), progress.get("place", "")) == (parcel.since, parcel.place):
                progress |= _gone_on(progress, page.next, now=now)
                pause = every if page.next is None else pause
        publisher.config = {**publisher.config, "pulling": {**progress, "at": events.iso(now)}}
        plan(session, publisher, now=now, after=pause)


def _counted(progress: Mapping[str, Any], taken: Taken) -> dict[str, Any]:
    so_far = Taken(**progress.get("taken", {}))
    so_far.add(taken)
    return {"failures": 0, "error": None, "taken": asdict(so_far)}


def _gone_on(progress: Mapping[str, Any], place: str | None, *, now: datetime) -> dict[str, Any]:
    began = progress.get("began") or events.iso(now)
    if place is not None:
        return {"place": place, "began": began}
    return {"place": "", "began": None, "after": events.iso(datetime.fromisoformat(began) - OVERLAP)}


def finished(session: Session, publisher: Publisher, *, since: datetime, began: datetime) -> None:
    """Note that somebody walked through all there is since then, so that the schedule need not begin before."""
    rounds.locked(session, publisher.id)
    progress = publisher.config.get("pulling") or {}
    # Who walked through the last hour says nothing about the day before, which the schedule has yet to ask for.
    if progress and since <= begins(publisher):
        publisher.config = {**publisher.config, "pulling": {**progress, "after": events.iso(began - OVERLAP), "place": ""}}
