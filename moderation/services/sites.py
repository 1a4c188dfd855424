"""Sites and the people who look after them."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.clock import zone_named
from moderation.errors import NotFound, Refused, UnknownId
from moderation.ids import new_id, read, show
from moderation.models import Membership, Role, Site, User
from moderation.services import audit, policies

FIRST_POLICY = "watch"
"""New sites start by watching: nothing is published unread, and the overview shows what would have been."""


def create(
    session: Session,
    *,
    name: str,
    title: str,
    language: str = "en",
    time_zone: str = "UTC",
    origins: Sequence[str] = (),
    policy: str = FIRST_POLICY,
    by: str,
    now: datetime,
) -> Site:
    """Make a site with the shipped policies, one of them in force; raises Refused for a name taken or a bad value."""
    if not name or not name.isascii() or not all(char.isalnum() or char in "-." for char in name):
        raise Refused("site-name", "A site's name has ASCII letters, digits, hyphens and dots.", "/name")
    if session.scalar(select(Site.id).where(Site.name == name)) is not None:
        raise Refused("site-exists", f"There is a site {name} already.", "/name")
    site = Site(
        id=new_id(),
        created_at=now,
        name=name,
        title=title,
        language=language,
        time_zone=_time_zone(time_zone),
        origins=[origin_of(origin) for origin in origins],
    )
    session.add(site)
    session.flush()
    policies.install(session, site.id, active=policy, by=by, now=now)
    audit.record(session, site_id=site.id, actor=by, action="site.created", subject=show("site", site.id), now=now)
    session.flush()
    return site


def find(session: Session, name_or_id: str) -> Site:
    """Return a site by its name or its id; raises NotFound."""
    if not name_or_id.isprintable():
        # PostgreSQL cannot even be asked for a name with a NUL in it.
        raise NotFound("site", name_or_id)
    try:
        named = Site.id == read("site", name_or_id)
    except UnknownId:
        named = Site.name == name_or_id
    site = session.scalars(select(Site).where(named)).first()
    if site is None:
        raise NotFound("site", name_or_id)
    return site


def everything(session: Session) -> list[Site]:
    """Return all sites by name."""
    return list(session.scalars(select(Site).order_by(Site.name)))


def is_origin(session: Session, origin: str) -> bool:
    """Tell whether any site has this origin, where the site is not known yet."""
    return any(origin in origins for origins in session.scalars(select(Site.origins)))


def update(
    session: Session,
    site_id: UUID,
    *,
    title: str | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    origins: Sequence[str] | None = None,
    by: str,
    now: datetime,
) -> Site:
    """Change what is given of a site; raises NotFound and Refused."""
    site = session.get(Site, site_id)
    if site is None:
        raise NotFound("site", show("site", site_id))
    if title is not None:
        site.title = title
    if language is not None:
        site.language = language
    if time_zone is not None:
        site.time_zone = _time_zone(time_zone)
    if origins is not None:
        site.origins = [origin_of(origin) for origin in origins]
    audit.record(session, site_id=site_id, actor=by, action="site.changed", subject=show("site", site_id), now=now)
    session.flush()
    return site


def origin_of(address: str) -> str:
    """Return the origin (RFC 6454) of an address, as a browser sends it; raises Refused where there is none."""
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused("origin", f"{address!r} is not an http or https origin.", "/origins")
    default = {"http": 80, "https": 443}[parts.scheme]
    port = f":{parts.port}" if parts.port not in {None, default} else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def add_member(session: Session, site_id: UUID, *, email: str, name: str, role: Role, by: str, now: datetime) -> User:
    """Give a person a role in a site, or another role; the person is known again by the e-mail address."""
    address = email.strip().casefold()
    if address.count("@") != 1 or not all(address.split("@")):
        raise Refused("email", f"{email!r} is not an e-mail address.", "/email")
    user = session.scalars(select(User).where(User.email == address)).first()
    if user is None:
        user = User(id=new_id(), created_at=now, email=address, name=name)
        session.add(user)
        session.flush()
    membership = session.get(Membership, (site_id, user.id))
    if membership is None:
        session.add(Membership(site_id=site_id, user_id=user.id, role=role, created_at=now))
    else:
        membership.role = role
    audit.record(
        session, site_id=site_id, actor=by, action="member.added", subject=show("user", user.id), now=now, role=str(role)
    )
    session.flush()
    return user


def remove_member(session: Session, site_id: UUID, user_id: UUID, *, by: str, now: datetime) -> None:
    """End a person's role in a site, from the next request on; raises NotFound."""
    membership = session.get(Membership, (site_id, user_id))
    if membership is None:
        raise NotFound("member", show("user", user_id))
    session.delete(membership)
    audit.record(session, site_id=site_id, actor=by, action="member.removed", subject=show("user", user_id), now=now)
    session.flush()


def members(session: Session, site_id: UUID) -> list[tuple[User, Role]]:
    """Return the people of a site with their roles, by name."""
    rows = session.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.site_id == site_id)
        .order_by(User.name, User.id)
    )
    return [(user, role) for user, role in rows]


def _time_zone(name: str) -> str:
    try:
        return zone_named(name).key
    except ValueError as error:
        raise Refused("time-zone", f"{name!r} is not a time zone.", "/time_zone") from error
