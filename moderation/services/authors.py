"""Authors: what the caller says of who wrote a comment, and the one row that this person is known by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import cast
from uuid import UUID

from sqlalchemy import Executable, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.models import Author, IdentityKind
from moderation.services import privacy
from moderation.signals.author import name_key


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorClaim:
    """Who the caller says wrote it; ``id`` counts only where the caller is vouched for.

    ``email_verified`` says that the blog knows the address to be the author's, which nobody can say of themselves.
    """

    id: str | None = None
    name: str = ""
    email: str | None = None
    email_verified: bool = False
    url: str | None = None
    address: str | None = None
    user_agent: str | None = None


# Asked for every comment, so made once.
_AUTHORS = select(Author).where(
    Author.site_id == bindparam("site"),
    Author.identity_kind == bindparam("kind"),
    Author.identity_key.in_(bindparam("keys", expanding=True)),
)


def address_hashes(session: Session, secret: bytes, site_id: UUID, address: str | None, *, now: datetime) -> tuple[bytes, ...]:
    """Return the hashes of a network address under the keys in force, newest first; makes the first key of an installation."""
    if address is None:
        return ()
    keys = privacy.address_keys(session, secret)
    if not keys.address:
        privacy.rotate_address_keys(session, now=now)
        session.flush()
        keys = privacy.address_keys(session, secret)
    return privacy.address_hashes(keys, site_id, address)


def author_of(
    session: Session,
    site_id: UUID,
    claim: AuthorClaim,
    *,
    vouched: bool,
    secret: bytes,
    hashes: tuple[bytes, ...],
    fresh: UUID,
    now: datetime,
) -> Author:
    """Return the author's row, made where it is new.

    Somebody of whom we know nothing at all is a new author each time: a shared row would make a flood out of strangers.
    """
    kind, keys = identity(site_id, claim, vouched=vouched, secret=secret, hashes=hashes)
    shown = name_key(claim.name)
    if not keys:
        return _made(session, site_id, kind, f"once:{fresh.hex}", claim, now=now)
    found = find_author(session, site_id, kind, keys)
    if found is None:
        return _made(session, site_id, kind, keys[0], claim, now=now)
    if kind is IdentityKind.VERIFIED and claim.name and (found.name, found.url) != (claim.name, claim.url):
        found.name, found.name_key, found.url = claim.name, shown, claim.url
    return found


def _made(session: Session, site_id: UUID, kind: IdentityKind, key: str, claim: AuthorClaim, *, now: datetime) -> Author:
    """Insert an author who is new; a twin may be inserting the same one, and then theirs is the one."""
    values = {
        "id": new_id(),
        "site_id": site_id,
        "created_at": now,
        "identity_kind": kind,
        "identity_key": key,
        "name": claim.name,
        "name_key": name_key(claim.name),
        "url": claim.url,
    }
    made = session.execute(_insert_author(session.get_bind().dialect.name), values)
    found = Author(**values) if getattr(made, "rowcount", 0) == 1 else find_author(session, site_id, kind, [key])
    if found is None:
        raise NotFound("author", key)
    return found


@cache
def _insert_author(dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(cast("Table", Author.__table__)).on_conflict_do_nothing()


def identity(
    site_id: UUID, claim: AuthorClaim, *, vouched: bool, secret: bytes, hashes: tuple[bytes, ...]
) -> tuple[IdentityKind, list[str]]:
    """Return how well the author is known, and the keys to know them by, newest first; none for a complete stranger."""
    if vouched and claim.id:
        return IdentityKind.VERIFIED, [claim.id]
    if claim.email:
        return IdentityKind.CLAIMED, [privacy.email_hash(secret, site_id, claim.email)]
    return IdentityKind.ANONYMOUS, [hashed.hex() for hashed in hashes]


def find_author(session: Session, site_id: UUID, kind: IdentityKind, keys: Sequence[str]) -> Author | None:
    """Return the author known under the first of the keys that is known, None for nobody."""
    found = session.scalars(_AUTHORS, {"site": site_id, "kind": kind, "keys": list(keys)}).all()
    return min(found, key=lambda author: keys.index(author.identity_key), default=None)
