"""Signing what we send: Standard Webhooks 1.0, so that any of its libraries can verify it.

An endpoint's secrets are not stored anywhere: each is derived from the installation's master secret, the endpoint's
id and a random salt, and only the salt is in the database. A stolen database (or a backup without ``keys/``) signs
nothing; the price is that a new master secret means new webhook secrets.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

PREFIX = "whsec_"


def derive_secret(master: bytes, owner: UUID, salt: str) -> bytes:
    """Return the 32 bytes that an endpoint or publisher signs with; ``salt`` is any text stored beside it."""
    return hmac.digest(master, b"webhook secret" + owner.bytes + salt.encode(), "sha256")


def show_secret(secret: bytes) -> str:
    """Return a secret as its receiver configures it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Return one signature, ``v1,`` and base64: HMAC-SHA256 over id, seconds since 1970 and body, joined by full stops."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def signed_headers(message_id: str, body: bytes, secrets: Sequence[bytes], *, now: datetime) -> dict[str, str]:
    """Return the headers of an attempt at ``now``; during a rotation there is a signature for each secret.

    ``message_id`` is the same in every attempt, so that a receiver can tell a repeat; the time is the attempt's own.
    """
    timestamp = int(now.timestamp())
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, message_id, timestamp, body) for secret in secrets),
    }
