"""Who looks after a site is told of what, and when: people's choices, the hours of the digest, the alarm for what waits.

What cannot wait is announced where it comes up (``messages.announce_case``). The rest depends on the clock: the relay asks for
what is due; a plan's times are moved on in the transaction that announces, so that many relays announce once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.clock import zone_of
from moderation.errors import NotFound, Refused
from moderation.ids import show
from moderation.models import WAITING_CASE, Case, Membership, Message, MessageKind, NoticeChoice, NoticePlan, Role, Site, User
from moderation.services import audit, messages

WAITING_MINUTES: Final = 240
"""After that long, waiting is an alarm, where a site says nothing else."""

LONGEST_WAIT: Final = 7 * 24 * 60
AGAIN: Final = timedelta(hours=24)
"""After that long an alarm is repeated, if something still waits too long."""

DECIDES: Final = (Role.ADMIN, Role.EDITOR, Role.MODERATOR)
LEADS: Final = (Role.ADMIN, Role.EDITOR)

ROLES: Final = {
    MessageKind.URGENT: DECIDES,
    MessageKind.ESCALATED: LEADS,
    MessageKind.WAITING: DECIDES,
    MessageKind.DIGEST: DECIDES,
}
"""Who can be told of what: only those who can do something about it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person wants to be told: what cannot wait, what waits too long, the digest."""

    urgent: bool
    waiting: bool
    digest: bool

    def wants(self, kind: MessageKind) -> bool:
        """Tell whether the person wants a message of that kind."""
        return {MessageKind.WAITING: self.waiting, MessageKind.DIGEST: self.digest}.get(kind, self.urgent)


@dataclass(frozen=True, slots=True)
class Plan:
    """When a site's digest comes (hours 0..23 in its time zone), and after how many minutes waiting is an alarm (0: never)."""

    digest_hours: tuple[int, ...] = ()
    waiting_minutes: int = WAITING_MINUTES


def usual(role: Role) -> Choice:
    """Return what somebody of that role is told who never chose: the alarm goes to those who lead."""
    return Choice(urgent=role in DECIDES, waiting=role in LEADS, digest=role in DECIDES)


def choices(session: Session, site_id: UUID) -> list[tuple[User, Role, Choice]]:
    """Return the site's people who can be told something, by name, with what they are told."""
    rows = session.execute(
        select(User, Membership.role, NoticeChoice)
        .join(Membership, Membership.user_id == User.id)
        .outerjoin(NoticeChoice, (NoticeChoice.site_id == site_id) & (NoticeChoice.user_id == User.id))
        .where(Membership.site_id == site_id, Membership.role.in_(DECIDES), User.disabled_at.is_(None))
        .order_by(User.name, User.id)
    )
    return [(user, Role(role), _choice(chosen, Role(role))) for user, role, chosen in rows]


def recipients(session: Session, site_id: UUID, kind: MessageKind) -> list[User]:
    """Return who is told of something of that kind."""
    return [user for user, role, choice in choices(session, site_id) if role in ROLES[kind] and choice.wants(kind)]


def choose(session: Session, site_id: UUID, user_id: UUID, choice: Choice, *, by: str, now: datetime) -> None:
    """Note what a person wants to be told; raises NotFound for somebody who is told nothing here."""
    if all(user.id != user_id for user, _, _ in choices(session, site_id)):
        raise NotFound("member", show("user", user_id))
    session.merge(
        NoticeChoice(site_id=site_id, user_id=user_id, urgent=choice.urgent, waiting=choice.waiting, digest=choice.digest)
    )
    audit.record(
        session, site_id=site_id, actor=by, action="notices.chosen", subject=show("user", user_id), now=now,
        urgent=choice.urgent, waiting=choice.waiting, digest=choice.digest,
    )  # fmt: skip
    session.flush()


def plan(session: Session, site_id: UUID) -> Plan:
    """Return the site's plan, the usual one where it has none."""
    found = session.get(NoticePlan, site_id)
    return Plan(tuple(found.digest_hours), found.waiting_minutes) if found is not None else Plan()


def set_plan(
    session: Session, site_id: UUID, *, digest_hours: Collection[int], waiting_minutes: int, by: str, now: datetime
) -> Plan:
    """Change when a site's people are told; raises Refused for an hour or a number of minutes that there is not."""
    hours = sorted(set(digest_hours))
    if any(not 0 <= hour <= 23 for hour in hours):
        raise Refused("digest-hours", "An hour is a number from 0 to 23.", "/digest_hours")
    if not 0 <= waiting_minutes <= LONGEST_WAIT:
        raise Refused("waiting-minutes", f"Give 0 (never) to {LONGEST_WAIT} minutes.", "/waiting_minutes")
    found = _row(session, site_id)
    found.digest_hours, found.waiting_minutes = hours, waiting_minutes
    found.digest_at = next_digest(hours, session.get_one(Site, site_id).time_zone, after=now)
    audit.record(
        session, site_id=site_id, actor=by, action="notices.planned", subject=show("site", site_id), now=now,
        digest_hours=",".join(map(str, hours)), waiting_minutes=waiting_minutes,
    )  # fmt: skip
    session.flush()
    return Plan(tuple(hours), waiting_minutes)


def next_digest(hours: Collection[int], time_zone: str, *, after: datetime) -> datetime | None:
    """Return the next of the hours in that time zone; None without hours. One that the clock leaves out comes when it goes on."""
    zone = zone_of(time_zone)
    today = after.astimezone(zone)
    times = [
        (today + timedelta(days=day)).replace(hour=hour, minute=0, second=0, microsecond=0, fold=0).astimezone(after.tzinfo)
        for day in range(3)
        for hour in hours
    ]
    return min((moment for moment in times if moment > after), default=None)


def announce_due(session: Session, site_id: UUID, *, now: datetime) -> list[Message]:
    """Announce the digest and the alarm that are due at a site, and move their times on."""
    site = session.get_one(Site, site_id)
    return [*_announce_digest(session, site, now=now), *_announce_waiting(session, site, now=now)]


def due(session: Session, *, now: datetime) -> list[UUID]:
    """Return the sites where ``announce_due`` might have something to do; reads only."""
    return [site_id for site_id in session.scalars(select(Site.id).order_by(Site.id)).all() if _is_due(session, site_id, now=now)]


def oldest_waiting(session: Session, site_id: UUID) -> datetime | None:
    """Return since when the oldest open case waits; the audit, which nobody waits for, aside."""
    return session.scalar(
        select(Case.created_at).where(Case.site_id == site_id, text(WAITING_CASE)).order_by(Case.created_at).limit(1)
    )


def _is_due(session: Session, site_id: UUID, *, now: datetime) -> bool:
    found = session.get(NoticePlan, site_id)
    if found is not None and found.digest_at is not None and found.digest_at <= now:
        return True
    oldest = oldest_waiting(session, site_id)
    over = found is not None and found.alarmed_at is not None and not _is_long(oldest, found, now=now)
    return over or _alarms(oldest, found, now=now)


def _announce_digest(session: Session, site: Site, *, now: datetime) -> list[Message]:
    found = session.get(NoticePlan, site.id)
    if found is None or found.digest_at is None or found.digest_at > now:
        return []
    found = _row(session, site.id)
    if found.digest_at is None or found.digest_at > now:
        return []
    since = found.digested_at or now - timedelta(days=1)
    found.digested_at = now
    found.digest_at = next_digest(found.digest_hours, site.time_zone, after=now)
    session.flush()
    return [messages.announce(session, MessageKind.DIGEST, site_id=site.id, data={"since": since.isoformat()}, now=now)]


def _announce_waiting(session: Session, site: Site, *, now: datetime) -> list[Message]:
    oldest = oldest_waiting(session, site.id)
    before = session.get(NoticePlan, site.id)
    if not _is_long(oldest, before, now=now):
        if before is not None and before.alarmed_at is not None:
            _row(session, site.id).alarmed_at = None
            session.flush()
        return []
    found = _row(session, site.id)
    if not _alarms(oldest, found, now=now):
        return []
    found.alarmed_at = now
    session.flush()
    return [messages.announce(session, MessageKind.WAITING, site_id=site.id, now=now)]


def _alarms(oldest: datetime | None, found: NoticePlan | None, *, now: datetime) -> bool:
    given = found.alarmed_at if found is not None else None
    return _is_long(oldest, found, now=now) and (given is None or given <= now - AGAIN)


def _is_long(oldest: datetime | None, found: NoticePlan | None, *, now: datetime) -> bool:
    minutes = found.waiting_minutes if found is not None else WAITING_MINUTES
    return oldest is not None and minutes > 0 and oldest <= now - timedelta(minutes=minutes)


def _row(session: Session, site_id: UUID) -> NoticePlan:
    """Return the site's plan to be changed, made where there is none, locked where the database has row locks."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(
        insert(NoticePlan)
        .values(site_id=site_id, digest_hours=[], waiting_minutes=WAITING_MINUTES)
        .on_conflict_do_nothing(index_elements=["site_id"])
    )
    return session.scalars(
        select(NoticePlan).where(NoticePlan.site_id == site_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def _choice(row: NoticeChoice | None, role: Role) -> Choice:
    return usual(role) if row is None else Choice(urgent=row.urgent, waiting=row.waiting, digest=row.digest)
