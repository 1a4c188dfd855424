"""Keyed hashes in place of addresses, so that a stolen database names nobody.

An e-mail address is hashed under a key of the site for as long as the site exists (it is how a claimed
author is known again). A network address is hashed under a key that is replaced every thirty days and
deleted thirty days later; two keys overlap so that a flood is seen across the change. Each key is the
master secret mixed with a salt in the database: neither of the two alone can undo a hash.
"""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from moderation.ids import new_id
from moderation.models import HashingKey

ADDRESS = "address"
ROTATE_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys under which network addresses are hashed now, newest first (one or two)."""

    address: tuple[bytes, ...]


def keyed_hash(key: bytes, *parts: bytes | str) -> bytes:
    """Return sixteen bytes that only the holder of the key can compute (keyed BLAKE2b over length-prefixed parts)."""
    digest = hashlib.blake2b(key=key[:64], digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.digest()


def email_hash(secret: bytes, site_id: UUID, email: str) -> str:
    """Return the keyed hash of an e-mail address, letter case and outer space aside."""
    return keyed_hash(secret, b"email", site_id.bytes, email.strip().casefold()).hex()


def network(address: str) -> str:
    """Return the network that stands for a household: an IPv4 /32, an IPv6 /64; raises ValueError for no address."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def address_keys(session: Session, secret: bytes) -> Keys:
    """Return the keys in force; the first use of an installation makes the first one."""
    salts = session.scalars(
        select(HashingKey.salt).where(HashingKey.purpose == ADDRESS).order_by(HashingKey.id.desc()).limit(2)
    ).all()
    return Keys(address=tuple(hmac.digest(secret, b"address" + salt, "sha256") for salt in salts))


def rotate_address_keys(session: Session, *, now: datetime) -> None:
    """Make a new key when the newest is thirty days old (or there is none) and delete those retired as long ago."""
    newest = session.scalars(
        select(HashingKey).where(HashingKey.purpose == ADDRESS).order_by(HashingKey.id.desc()).limit(1)
    ).first()
    if newest is None or newest.created_at <= now - ROTATE_AFTER:
        if newest is not None:
            newest.retired_at = now
        session.add(HashingKey(id=new_id(), created_at=now, purpose=ADDRESS, salt=secrets.token_bytes(32)))
    session.execute(
        delete(HashingKey).where(
            HashingKey.purpose == ADDRESS, HashingKey.retired_at.is_not(None), HashingKey.retired_at <= now - ROTATE_AFTER
        )
    )


def address_hashes(keys: Keys, site_id: UUID, address: str) -> tuple[bytes, ...]:
    """Return the hashes of an address under each key, newest first; the first one is stored, all are searched."""
    return tuple(keyed_hash(key, site_id.bytes, network(address)) for key in keys.address)
