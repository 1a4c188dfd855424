"""What we need to sign in elsewhere, stored so that the database alone gives none of it away.

Each value is encrypted (AES-256-GCM) under a key derived from the installation's master secret and its owner's id, and bound to
its name. As with webhooks, a new master secret means setting these up anew.
"""

import base64
import hmac
import secrets as randomness
from typing import Final
from uuid import UUID

NONCE: Final = 12
"""Bytes of the number used once that stands before what is encrypted."""


class Unreadable(Exception):
    """The value was sealed under another master secret, or for another owner or name."""


def seal(master: bytes, owner: UUID, name: str, value: str) -> str:
    """Return a value as it may be stored."""
    # Here, as below: what judges comments imports this module and seals nothing, and the library takes seven megabytes.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = randomness.token_bytes(NONCE)
    return base64.b64encode(nonce + AESGCM(_key(master, owner)).encrypt(nonce, value.encode(), name.encode())).decode()


def unseal(master: bytes, owner: UUID, name: str, sealed: str) -> str:
    """Return the value that ``seal`` was given; raises Unreadable."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    data = base64.b64decode(sealed)
    try:
        return AESGCM(_key(master, owner)).decrypt(data[:NONCE], data[NONCE:], name.encode()).decode()
    except (InvalidTag, ValueError):
        raise Unreadable(name) from None


def _key(master: bytes, owner: UUID) -> bytes:
    return hmac.digest(master, b"publisher credentials" + owner.bytes, "sha256")
