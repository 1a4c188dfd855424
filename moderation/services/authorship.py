"""The author's token: an unguessable secret that opens one comment for whoever wrote it, and nothing else.

It is the comment's id with a keyed hash of it under the installation's master secret. Nothing of it is stored, so a stolen
database opens nothing; the same submission again is told the same token, so an answer that was lost is not lost for good; and
a mail that is sent months later can carry the link.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.models import Comment
from moderation.services import tokens

PURPOSE: Final = b"author's token"


def token_of(secret: bytes, comment_id: UUID) -> str:
    """Return the token that opens a comment for its author."""
    return tokens.make(secret, PURPOSE, comment_id)


def read(secret: bytes, token: str) -> UUID:
    """Return the comment that a token opens; raises NotFound for anything else, whatever is wrong with it."""
    comment_id = tokens.read(secret, PURPOSE, token)
    if comment_id is None:
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
