"""Connecting a site with its blog in any of the ways that there are: set up, tried before it is relied on."""

import secrets as randomness
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Publisher
from moderation.outbound import credentials
from moderation.outbound.http import Client, Guard
from moderation.outbound.publishers import KINDS, Sending
from moderation.outbound.webhooks import derive_secret, show_secret
from moderation.services import audit, comparing
from moderation.services.publishing import DELETED, NewPublisher
from moderation.services.states import opened


def add(
    session: Session,
    site_id: UUID,
    kind: str,
    given: Mapping[str, str],
    *,
    guard: Guard,
    secret: bytes,
    by: str,
    now: datetime,
) -> NewPublisher:
    """Set up a publisher of a kind with the settings that it needs; raises Refused and ForbiddenAddress.

    What is secret of them is encrypted under ``secret``, the installation's. Addresses are not resolved here.
    """
    settings = KINDS[kind].settings
    for setting in settings:
        if setting.required and not given.get(setting.name):
            raise Refused("setting_missing", f"{kind} needs {setting.name}: {setting.help}", f"/{setting.name}")
        if setting.address and given.get(setting.name):
            guard.parse(given[setting.name].replace("{id}", show("comment", new_id())))
    if unknown := sorted(given.keys() - {setting.name for setting in settings}):
        raise Refused("setting_unknown", f"{kind} has no setting {unknown[0]}", f"/{unknown[0]}")
    publisher = Publisher(id=new_id(), site_id=site_id, created_at=now, kind=kind, config={})
    public = {setting.name: given[setting.name] for setting in settings if not setting.secret and given.get(setting.name)}
    sealed = {
        setting.name: credentials.seal(secret, publisher.id, setting.name, given[setting.name])
        for setting in settings
        if setting.secret and given.get(setting.name)
    }
    salt = randomness.token_hex(16)
    publisher.config = {**public, "salt": salt, "sealed": sealed}
    session.add(publisher)
    session.flush()
    comparing.plan(session, publisher, now=now)
    audit.record(
        session,
        site_id=site_id,
        actor=by,
        action="publisher.created",
        subject=show("publisher", publisher.id),
        now=now,
        kind=kind,
    )
    return NewPublisher(publisher, show_secret(derive_secret(secret, publisher.id, salt)))


def find(session: Session, site_id: UUID, publisher_id: UUID) -> Publisher:
    """Return a publisher of the site that is not deleted; raises NotFound."""
    found = session.get(Publisher, publisher_id)
    if found is None or found.site_id != site_id or found.state_reason == DELETED:
        raise NotFound("publisher", show("publisher", publisher_id))
    return found


def missing(publisher: Publisher, client: Client, *, secret: bytes, now: datetime) -> Sequence[str]:
    """Return in sentences what a publisher lacks; asks the blog, so call it with no transaction open."""
    try:
        way = opened(secret, publisher)
    except credentials.Unreadable:
        return ["The stored credentials were encrypted under another master secret: remove this publisher and add it again."]
    secrets = (derive_secret(secret, publisher.id, publisher.config["salt"]),)
    return way.missing(Sending(client=client, message_id="test", secrets=secrets, now=now))
