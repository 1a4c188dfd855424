"""The author's token: an unguessable secret that opens one comment for whoever wrote it, and nothing else.

It is the comment's id with a keyed hash of it under the installation's master secret. Nothing of it is stored, so a stolen
database opens nothing; the same submission again is told the same token, so an answer that was lost is not lost for good; and
a mail that is sent months later can carry the link.
"""

import base64
import binascii
from hmac import compare_digest
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.models import Comment
from moderation.services import privacy

LENGTH = 43
"""Characters of a token: sixteen bytes that name the comment and sixteen that prove who asks, in base64 for addresses."""


def token_of(secret: bytes, comment_id: UUID) -> str:
    """Return the token that opens a comment for its author."""
    return base64.urlsafe_b64encode(comment_id.bytes + _proof(secret, comment_id)).decode().rstrip("=")


def read(secret: bytes, token: str) -> UUID:
    """Return the comment that a token opens; raises NotFound for anything else, whatever is wrong with it."""
    try:
        if len(token) != LENGTH or not token.isascii():
            raise NotFound("comment", "of this link")
        found = base64.b64decode(f"{token}=", altchars=b"-_", validate=True)
    except binascii.Error:
        raise NotFound("comment", "of this link") from None
    comment_id = UUID(bytes=found[:16])
    if not compare_digest(found[16:], _proof(secret, comment_id)):
        raise NotFound("comment", "of this link")
    return comment_id


def opened(session: Session, token: str, *, secret: bytes) -> Comment:
    """Return the comment that a token opens; raises NotFound."""
    comment = session.scalars(select(Comment).where(Comment.id == read(secret, token))).first()
    if comment is None:
        raise NotFound("comment", "of this link")
    return comment


def address(public_url: str, token: str) -> str:
    """Return the author's link: a page that says what became of the comment."""
    return f"{public_url}/c/{token}"


def _proof(secret: bytes, comment_id: UUID) -> bytes:
    return privacy.keyed_hash(secret, b"author's token", comment_id.bytes)
