"""What is on its way out: a claimed job with all that its attempt needs, so that none needs the database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from moderation.outbound.http import Client, Reply
from moderation.queue import Claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A job in our hands and how to send what it is about.

    ``receiver`` is the endpoint's or publisher's id, ``version`` the comment's version that is sent (publications only);
    ``probe`` says that the receiver's breaker is open and this one attempt is to find out whether it is back; ``learned`` are
    the ids by which it was found to know the comment, once sent (publications only).
    """

    held: Claim
    receiver: UUID
    send: Callable[[Client, datetime], Reply]
    version: int = 0
    probe: bool = False
    learned: list[str] = field(default_factory=list)
