"""What a day's traffic says about the way in and the way out: one address that sends too much, receivers that fail."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.commands.finding import Finding
from moderation.commands.shell import clean
from moderation.models import Comment, Delivery, Endpoint, EndpointState, Revision, Site

WITHIN: Final = timedelta(days=1)
AT_MOST: Final = 5_000
"""Comments of a site that are looked at, the newest."""

ENOUGH: Final = 20
"""Comments with an address below which a share says nothing."""

TOO_MUCH: Final = 0.3
"""Share of a site's comments from one address that no reader has."""


def look(session: Session, now: datetime) -> Iterator[Finding]:
    """Yield what the last day says of each site's readers and of each endpoint."""
    sites = session.execute(select(Site.id, Site.name).order_by(Site.name)).all()
    suspicious = [finding for site_id, name in sites for finding in _senders(session, site_id, name, now)]
    yield from suspicious or [Finding("senders", "ok", "no address sends more than a reader would")]
    failing = session.execute(
        select(Endpoint, Site.name)
        .join(Site, Site.id == Endpoint.site_id)
        .where(Endpoint.deleted_at.is_(None), Endpoint.failing_since.is_not(None) | (Endpoint.state != EndpointState.ACTIVE))
        .order_by(Site.name, Endpoint.id)
    ).all()
    yield from [_failing(session, endpoint, name) for endpoint, name in failing] or [
        Finding("webhooks", "ok", "no endpoint is failing")
    ]


def _senders(session: Session, site_id: object, name: str, now: datetime) -> Iterator[Finding]:
    newest = (
        select(Comment.id, Comment.current_revision)
        .where(Comment.site_id == site_id, Comment.created_at > now - WITHIN)
        .order_by(Comment.created_at.desc())
        .limit(AT_MOST)
        .subquery()
    )
    hashes = session.scalars(
        select(Revision.address_hash)
        .join(newest, (Revision.comment_id == newest.c.id) & (Revision.number == newest.c.current_revision))
        .where(Revision.address_hash.is_not(None))
    ).all()
    if len(hashes) < ENOUGH:
        return
    (_, count), *_ = Counter(hashes).most_common(1)
    if (share := count / len(hashes)) > TOO_MUCH:
        advice = "a flood, or a proxy's or the blog's own address: check TRUSTED_PROXIES, and let the blog send author.ip"
        told = f"{share:.0%} of the day's {len(hashes)} comments of {clean(name)} come from one address"
        yield Finding("senders", "warn", f"{told}: {advice}")


def _failing(session: Session, endpoint: Endpoint, site: str) -> Finding:
    last = session.scalar(
        select(Delivery.last_error)
        .where(Delivery.endpoint_id == endpoint.id, Delivery.site_id == endpoint.site_id, Delivery.last_error.is_not(None))
        .order_by(Delivery.id.desc())
        .limit(1)
    )
    # The path may be a secret.
    host = clean(urlsplit(endpoint.url).hostname)
    since = f" since {endpoint.failing_since:%Y-%m-%d %H:%M}" if endpoint.failing_since else ""
    state = "" if endpoint.state is EndpointState.ACTIVE else f", {endpoint.state}"
    told = f"{host} of {clean(site)} fails{since}{state} ({clean(last or endpoint.state_reason or 'no answer')})"
    return Finding("webhooks", "warn", f"{told}: mend the receiver, then `tidegate deliveries replay --site {clean(site)}`")
