"""Identifiers: UUIDv7 inside, a short prefix and the hexadecimal digits outside.

Version 7 (RFC 9562, section 5.7) begins with the time, so that rows created together stand
together in an index and big tables can be partitioned by primary key. The prefix tells a reader of
a log what an id names, and lets the edge refuse the id of another kind before it asks the database.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid6

from moderation.errors import UnknownId

PREFIXES = {
    "comment": "cmt",
    "site": "site",
    "post": "post",
    "author": "aut",
    "case": "case",
    "decision": "dec",
    "event": "evt",
    "endpoint": "ep",
    "delivery": "dlv",
    "attempt": "att",
    "message": "msg",
    "chat": "chat",
    "publisher": "pub",
    "user": "usr",
    "key": "key",
    "secret": "sec",
    "policy": "pol",
    "report": "rpt",
    "assessment": "asm",
}


def new_id() -> UUID:
    """Return a new UUIDv7; ids made by one process are increasing."""
    return uuid6.uuid7()


def new_id_at(moment: datetime, *parts: bytes) -> UUID:
    """Return the UUIDv7 of a moment whose other bits are made from ``parts``: the same for the same."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    rest = int.from_bytes(
        hashlib.blake2b(b"".join(len(part).to_bytes(8, "big") + part for part in parts), digest_size=10).digest()
    )
    value = (milliseconds << 80 | rest) & ~(0xF << 76) & ~(0b11 << 62)
    return UUID(int=value | 7 << 76 | 0b10 << 62)


def show(kind: str, value: UUID) -> str:
    """Return the public form of an id, such as ``cmt_0199c2...`` (prefix, underscore, 32 hexadecimal digits)."""
    return f"{PREFIXES[kind]}_{value.hex}"


def read(kind: str, shown: str) -> UUID:
    """Return the id that ``show`` wrote; raises UnknownId for any other text."""
    prefix, _, digits = shown.partition("_")
    if prefix != PREFIXES[kind] or len(digits) != 32 or not set(digits) <= set("0123456789abcdef"):
        raise UnknownId(kind, shown)
    return UUID(hex=digits)
