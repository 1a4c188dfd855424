"""The ``Idempotency-Key`` of a request (draft-ietf-httpapi-idempotency-key-header): a structured-field string, or bare."""

import re

from flask import request

from api.errors import Problem, fault

LONGEST = 255
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST},
    "description": "the same key with the same body has its effect once; with another body it is refused",
}
"""The header as the API's description has it."""

_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e][\x20-\x7e]*")


def idempotency_key() -> str | None:
    """Return the key that came with the request, None for none; raises Problem for one that is empty, too long or not ASCII."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    quoted = _STRING.fullmatch(given.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else given.strip()
    if not 1 <= len(key) <= LONGEST or not (quoted or _BARE.fullmatch(key)):
        detail = f"1 to {LONGEST} printable ASCII characters, bare or as a quoted string."
        raise Problem(400, "bad-idempotency-key", detail, faults=[fault("/header/Idempotency-Key", "invalid", detail)])
    return key
