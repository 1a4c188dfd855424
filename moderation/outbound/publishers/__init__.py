"""Ways back into a blog: each takes the newest state of a comment and makes the blog show it."""

from collections.abc import Callable, Mapping
from typing import Any

from moderation.outbound.publishers.generic import Generic
from moderation.outbound.publishers.port import CommentState, Publisher, Sending

KINDS: Mapping[str, Callable[[Mapping[str, Any]], Publisher]] = {"generic": Generic.from_config}
"""Each kind of publisher and how it is made from its stored settings, which hold no secret."""

__all__ = ["KINDS", "CommentState", "Generic", "Publisher", "Sending"]
