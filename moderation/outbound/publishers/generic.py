"""The publisher for any blog that can take an HTTP request: the comment's state, signed, to an address of its own.

The request is a PUT of the whole state and verifies with any Standard Webhooks library. ``{id}`` in the address
stands for the comment's id.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from moderation.outbound.http import Reply
from moderation.outbound.publishers.port import CommentState, Sending
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
