"""The question with which a doctor outside asks the API what it saw of a request, signed so that nobody else gets an answer.

Answered to everybody it would be an oracle: which headers pass the proxies tells a stranger how to choose his address. So only
who knows the master secret may ask. A question is good for ten minutes, because the two clocks may be apart, which is one of the
things to find out.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

HEADER: Final = "Tidegate-Probe"
VALID: Final = timedelta(minutes=10)
"""Before and after the moment that the question names."""


def question(secret: bytes, *, now: datetime) -> str:
    """Return a value for the header, good for ten minutes."""
    asked = f"{int(now.timestamp())}.{secrets.token_hex(16)}"
    return f"{asked}.{_signature(secret, asked)}"


def is_ours(secret: bytes, shown: str, *, now: datetime) -> bool:
    """Tell whether a question was made with the master secret and is still fresh."""
    asked, _, signature = shown.rpartition(".")
    if not hmac.compare_digest(_signature(secret, asked).encode(), signature.encode()):
        return False
    at = datetime.fromtimestamp(int(asked.partition(".")[0]), UTC)
    return abs(now - at) <= VALID


def _signature(secret: bytes, asked: str) -> str:
    return hmac.digest(hmac.digest(secret, b"probe", "sha256"), asked.encode(), "sha256").hex()
