"""Unguessable tokens for addresses: an id with a keyed hash of it under the installation's master secret.

Nothing of a token is stored, so a stolen database opens nothing, and a letter that is written again carries the same one. Tokens
of one purpose are worth nothing for another.
"""

import base64
import binascii
from hmac import compare_digest
from typing import Final
from uuid import UUID

from moderation.services.privacy import keyed_hash

LENGTH: Final = 43
"""Characters of a token: sixteen bytes that name something and sixteen that prove who asks, in base64 for addresses."""


def make(secret: bytes, purpose: bytes, named: UUID) -> str:
    """Return the token of that purpose for what the id names."""
    return base64.urlsafe_b64encode(named.bytes + keyed_hash(secret, purpose, named.bytes)).decode().rstrip("=")


def read(secret: bytes, purpose: bytes, token: str) -> UUID | None:
    """Return the id that a token of that purpose was made for; None for anything else, whatever is wrong with it."""
    if len(token) != LENGTH or not token.isascii():
        return None
    try:
        found = base64.b64decode(f"{token}=", altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    named = UUID(bytes=found[:16])
    return named if compare_digest(found[16:], keyed_hash(secret, purpose, named.bytes)) else None
