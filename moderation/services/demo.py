"""The demo site: what `tidegate up` makes on its first start, so that the first comment can be posted a minute later.

Everything a script needs to use the running instance is in ``demo.json`` in the home, readable by its owner alone. A later start
keeps the site, its people and its keys, and only follows a changed port. Keys are stored as hashes, so where the file is lost
the old demo keys are revoked and new ones made.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.config import Settings
from moderation.database import Database
from moderation.embedded import write_private
from moderation.errors import NotFound
from moderation.models import Endpoint, Key, KeyKind, Role, Site, User
from moderation.outbound.http import Guard
from moderation.outbound.webhooks import derive_secret, show_secret
from moderation.services import endpoints, keys, signing_in, sites

NAME: Final = "demo"
ADMIN: Final = "admin@demo.example"
BY: Final = "demo"
POLICY: Final = "standard"
HOOK: Final = "/webhooks/tidegate"


@dataclass(frozen=True, slots=True)
class DemoSite:
    """The contents of ``demo.json``."""

    base_url: str
    site: str
    secret_key: str
    publishable_key: str
    door_key: str
    webhook_secret: str
    login_url: str
    console_url: str
    demo_blog_url: str

    def as_json(self) -> dict[str, str]:
        """Return the contents by name."""
        return asdict(self)


def file_of(settings: Settings) -> Path:
    """Return where the demo's addresses and keys are written."""
    return settings.home / "demo.json"


def prepare(database: Database, settings: Settings, *, base_url: str, blog_url: str, now: datetime) -> DemoSite:
    """Make the demo site or bring it up to date, and write ``demo.json`` (0600) once that is committed.

    ``base_url`` is where the API answers on this machine, ``blog_url`` the origin of the demo blog; either may have changed.
    """
    known = read(settings)
    demo = database.transact(lambda session: _prepare(session, settings, known, base_url, blog_url, now=now))
    write_private(file_of(settings), orjson.dumps(demo.as_json(), option=orjson.OPT_INDENT_2).decode() + "\n")
    return demo


def read(settings: Settings) -> DemoSite | None:
    """Return what ``demo.json`` holds, None where it is missing or not ours."""
    try:
        found: Any = orjson.loads(file_of(settings).read_bytes())
        return DemoSite(**{each.name: str(found[each.name]) for each in fields(DemoSite)})
    except (FileNotFoundError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _prepare(
    session: Session, settings: Settings, known: DemoSite | None, base_url: str, blog: str, *, now: datetime
) -> DemoSite:
    site = _site(session, blog, now=now)
    if known is None or not _opens(session, site, known, settings, now=now):
        for old in session.scalars(select(Key).where(Key.site_id == site.id, Key.name == NAME, Key.revoked_at.is_(None))):
            keys.revoke(session, site.id, old.id, by=BY, now=now)
        shown = {
            kind: keys.create(session, site.id, kind, name=NAME, secret=settings.secret, by=BY, now=now).shown
            for kind in (KeyKind.SECRET, KeyKind.PUBLISHABLE, KeyKind.DOOR)
        }
    else:
        shown = {
            KeyKind.SECRET: known.secret_key,
            KeyKind.PUBLISHABLE: known.publishable_key,
            KeyKind.DOOR: known.door_key,
        }
    return DemoSite(
        base_url=base_url,
        site=NAME,
        secret_key=shown[KeyKind.SECRET],
        publishable_key=shown[KeyKind.PUBLISHABLE],
        door_key=shown[KeyKind.DOOR],
        webhook_secret=_endpoint(session, site, blog, settings, now=now),
        login_url=_login_url(session, site, known, settings, now=now),
        console_url=f"{settings.public_url}/console",
        demo_blog_url=blog,
    )


def _site(session: Session, blog: str, *, now: datetime) -> Site:
    try:
        site = sites.find(session, NAME)
    except NotFound:
        site = sites.create(session, name=NAME, title="Demo blog", origins=[blog], policy=POLICY, by=BY, now=now)
        sites.add_member(session, site.id, email=ADMIN, name="Admin", role=Role.ADMIN, by=BY, now=now)
    if blog not in site.origins:
        # Origins that somebody added are kept; those of a former port stay harmless.
        sites.update(session, site.id, origins=[blog, *site.origins], by=BY, now=now)
    return site


def _opens(session: Session, site: Site, known: DemoSite, settings: Settings, *, now: datetime) -> bool:
    try:
        return all(
            keys.authenticate(session, shown, secret=settings.secret, now=now).site_id == site.id
            for shown in (known.secret_key, known.publishable_key, known.door_key)
        )
    except keys.BadKey:
        return False


def _login_url(session: Session, site: Site, known: DemoSite | None, settings: Settings, *, now: datetime) -> str:
    """Return a link that signs the admin in once: the one that was given before while it still opens, else a new one."""
    token = known.login_url.rpartition("token=")[2] if known is not None else ""
    try:
        signing_in.invited(session, token, now=now)
    except signing_in.BadLink:
        admin = session.scalars(select(User).where(User.email == ADMIN)).one()
        token = signing_in.offer(session, site.id, admin.id, by=BY, now=now)
    return signing_in.address(settings.public_url, token)


def _endpoint(session: Session, site: Site, blog: str, settings: Settings, *, now: datetime) -> str:
    """Subscribe the demo blog, or move its subscription to where it is now; returns the signing secret."""
    guard = Guard((*settings.webhook_allow, urlsplit(blog).netloc))
    receiver = blog + HOOK
    found = session.scalars(
        select(Endpoint)
        .where(Endpoint.site_id == site.id, Endpoint.deleted_at.is_(None), Endpoint.url.endswith(HOOK))
        .order_by(Endpoint.id)
        .limit(1)
    ).first()
    if found is None:
        return endpoints.create(session, site.id, url=receiver, guard=guard, secret=settings.secret, by=BY, now=now).secret
    if found.url != receiver:
        endpoints.update(session, site.id, found.id, guard=guard, url=receiver, by=BY, now=now)
    return show_secret(derive_secret(settings.secret, found.id, found.secrets[0]["salt"]))
