"""The port: what a publisher is told about a comment, and what it has to do with it.

A publisher gets the newest state and never a history, so that attempts may be repeated, skipped and lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from moderation.outbound.http import Client, Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentState:
    """A comment as the blog should show it; without ``visible`` there is neither text nor author in it.

    ``version`` grows with every change, so that a blog can drop what comes late; ids are those of the API.
    """

    id: str
    external_id: str | None
    version: int
    status: str
    visible: bool
    revision: int | None
    body: str | None
    author_name: str | None
    author_url: str | None
    parent_id: str | None
    post_id: str | None
    post_url: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What an attempt goes out with: the client, the message's id (the same for the same state), secrets and the time."""

    client: Client
    message_id: str
    secrets: Sequence[bytes]
    now: datetime


class Publisher(Protocol):
    """Makes a blog show a comment as it is now."""

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Send the state; an ok reply means that the blog shows it. A second time with the same state changes nothing."""
        ...
