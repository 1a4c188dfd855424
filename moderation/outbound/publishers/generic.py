"""The publisher for any blog that can take an HTTP request: the comment's state, signed, to an address of its own.

The request is a PUT of the whole state and verifies with any Standard Webhooks library. ``{id}`` in the address
stands for the comment's id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import orjson

from moderation.outbound.http import Reply
from moderation.outbound.publishers.port import CommentState, Kind, Seen, Sending, Setting
from moderation.outbound.publishers.words import because
from moderation.outbound.webhooks import signed_headers

Method = Literal["PUT", "POST"]
NOTHING_THERE = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Generic:
    """Sends a comment's state to the blog's address."""

    url: str
    method: Method = "PUT"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Generic":
        """Return the publisher that the stored settings describe: ``url`` and, where it is not PUT, ``method``."""
        return cls(url=config["url"], method="POST" if config.get("method") == "POST" else "PUT")

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Send the state; a blog that knows nothing of a comment that should not be seen is up to date."""
        body = as_json(state)
        reply = sending.client.send(
            self.method,
            self.url.replace("{id}", state.id),
            headers=signed_headers(sending.message_id, body, sending.secrets, now=sending.now),
            body=body,
        )
        if not state.visible and reply.status in NOTHING_THERE:
            return replace(reply, status=204)
        return reply

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:  # noqa: ARG002 (the port's)
        """Say that nothing is known: this way leads in one direction only."""
        return [Seen(id=state.id, visible=None, detail="cannot be asked") for state in states]

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try whether anything answers at the address; nothing is sent that a blog could take for a state."""
        reply = sending.client.send("OPTIONS", self.url.replace("{id}", "test"), headers={}, body=b"")
        return [f"Nothing answers at {self.url}: {because(reply)}."] if reply.trouble is not None else []


def as_json(state: CommentState) -> bytes:
    """Return the bytes of a state, the same for the same state."""
    return orjson.dumps(
        {
            "type": "comment.state",
            "data": {
                "comment": {
                    "id": state.id,
                    "external_id": state.external_id,
                    "version": state.version,
                    "status": state.status,
                    "visible": state.visible,
                    "revision": state.revision,
                    "body": state.body,
                    "author": {"name": state.author_name, "url": state.author_url} if state.visible else None,
                    "parent_id": state.parent_id,
                    "created_at": state.created_at,
                },
                "post": {"id": state.post_id, "url": state.post_url},
            },
        },
        option=orjson.OPT_UTC_Z,
    )


KIND: Final = Kind(
    make=Generic.from_config,
    settings=(
        Setting(name="url", help="an address that takes a PUT; {id} in it stands for the comment's id", address=True),
        Setting(name="method", help="PUT (default) or POST", required=False),
    ),
    at_once=0,
    tried=True,
)
