"""JSON bodies as other services' clients send them: of whatever declared type, unknown fields ignored, half characters mended.

Our own API is stricter (``api.parsing``); here the client cannot be changed, and a text that is judged with a question mark in it
is better than one that is not judged.
"""

import json
import unicodedata
import zlib
from typing import Any

from flask import request

from api.errors import Problem

PIECE = 64 * 1024
PACKED = frozenset({"gzip", "x-gzip", "deflate"})
EITHER_HEADER = zlib.MAX_WBITS | 32
"""zlib's word for: gzip or zlib, as the data says itself."""


def sent_bytes(limit: int) -> bytes:
    """Return the body of the request, unpacked where it is packed; raises Problem for more than ``limit`` bytes of either."""
    too_large = Problem(413, "too-large", f"A body has at most {limit} bytes.")
    if (request.content_length or 0) > limit:
        raise too_large
    data = bytearray()
    while piece := request.stream.read(PIECE):
        data += piece
        if len(data) > limit:
            raise too_large
    coding = (request.content_encoding or "identity").strip().lower()
    if coding == "identity":
        return bytes(data)
    if coding not in PACKED:
        raise Problem(415, "encoding", "Send the body with the Content-Encoding gzip, or without one.")
    unpacking = zlib.decompressobj(EITHER_HEADER)
    try:
        # No more than asked for is ever unpacked, whatever the data would grow to.
        found = unpacking.decompress(bytes(data), limit + 1)
    except zlib.error:
        raise Problem(400, "bad-encoding", "The body is not packed as its Content-Encoding says.") from None
    if len(found) > limit:
        raise too_large
    if not unpacking.eof or unpacking.unused_data:
        raise Problem(400, "bad-encoding", "The body does not end where what is packed in it does.")
    return found


def json_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds; raises Problem."""
    try:
        parsed = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        raise Problem(400, "bad-json", "The body is not JSON that we can read.") from None
    if not isinstance(parsed, dict):
        raise Problem(400, "not-an-object", "The body must be a JSON object.")
    return parsed


def storable(text: str) -> str:
    """Return a text without what no database stores and nobody sees; a lone surrogate becomes a question mark."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(char for char in whole if char in "\t\n\r" or unicodedata.category(char) not in {"Cc", "Cn"})
