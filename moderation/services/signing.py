"""The secrets with which another system signs what it sends us: kept sealed, several at a time while one replaces another."""

import hmac
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import SigningSecret, Site
from moderation.outbound import credentials
from moderation.services import audit

SHORTEST = 16
"""Characters of a secret; one that a person made up would be guessed."""

# Asked for every request, so made once.
_LIVE = (
    select(SigningSecret)
    .join(Site, Site.id == SigningSecret.site_id)
    .where(Site.name == bindparam("site"), SigningSecret.door == bindparam("door"), SigningSecret.revoked_at.is_(None))
    .order_by(SigningSecret.created_at.desc())
)


def add(
    session: Session, site_id: UUID, *, door: str, shown: str, name: str, secret: bytes, by: str, now: datetime
) -> SigningSecret:
    """Keep a secret beside those that there are; ``secret`` is the installation's. Raises Refused for one that is too short."""
    if len(shown) < SHORTEST or not shown.isascii() or not shown.isprintable() or " " in shown:
        wanted = f"A signing secret has at least {SHORTEST} printable characters and no spaces."
        raise Refused("signing-secret", wanted, "/secret")
    row = SigningSecret(id=new_id(), site_id=site_id, created_at=now, door=door, name=name, sealed="")
    row.sealed = credentials.seal(secret, row.id, door, shown)
    session.add(row)
    _note(session, row, "added", by=by, now=now)
    return row


def live(session: Session, site_name: str, *, door: str, secret: bytes) -> tuple[UUID, list[bytes]] | None:
    """Return the site and its secrets at a door, newest first; None for a site that has none or does not exist.

    Raises ``credentials.Unreadable`` where they were sealed under another master secret.
    """
    rows = session.scalars(_LIVE, {"site": site_name, "door": door}).all()
    if not rows:
        return None
    return rows[0].site_id, [credentials.unseal(secret, row.id, door, row.sealed).encode() for row in rows]


def is_signed(body: bytes, signatures: Iterable[str], secrets: Iterable[bytes]) -> bool:
    """Tell whether one of the signatures (hexadecimal HMAC-SHA256 of the body) was made with one of the secrets."""
    shown = [signature.strip().lower().encode() for signature in signatures]
    made = [hmac.digest(secret, body, "sha256").hex().encode() for secret in secrets]
    return any(hmac.compare_digest(right, each) for right in made for each in shown)


def page(session: Session, site_id: UUID, *, door: str) -> list[SigningSecret]:
    """Return a site's secrets at a door, oldest first, revoked ones too."""
    wanted = select(SigningSecret).where(SigningSecret.site_id == site_id, SigningSecret.door == door)
    return list(session.scalars(wanted.order_by(SigningSecret.created_at, SigningSecret.id)))


def revoke(session: Session, site_id: UUID, secret_id: UUID, *, by: str, now: datetime) -> SigningSecret:
    """End a secret from the next request on; a second time changes nothing. Raises NotFound."""
    row = session.scalars(select(SigningSecret).where(SigningSecret.site_id == site_id, SigningSecret.id == secret_id)).first()
    if row is None:
        raise NotFound("signing secret", show("secret", secret_id))
    if row.revoked_at is None:
        # What is of no use any more is not kept.
        row.revoked_at, row.sealed = now, ""
        _note(session, row, "revoked", by=by, now=now)
    return row


def _note(session: Session, row: SigningSecret, action: str, *, by: str, now: datetime) -> None:
    audit.record(
        session,
        site_id=row.site_id,
        actor=by,
        action=f"signing_secret.{action}",
        subject=show("secret", row.id),
        now=now,
        door=row.door,
    )
    session.flush()
