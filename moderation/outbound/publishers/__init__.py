"""Ways back into a blog: each takes the newest state of a comment and makes the blog show it."""

from collections.abc import Mapping

from moderation.outbound.publishers import blogger, coral, discourse, disqus, generic, ghost, isso, wordpress
from moderation.outbound.publishers.generic import Generic
from moderation.outbound.publishers.port import CommentState, Kind, Page, Publisher, Seen, Sending, Setting

KINDS: Mapping[str, Kind] = {
    "generic": generic.KIND,
    "wordpress": wordpress.KIND,
    "isso": isso.KIND,
    "blogger": blogger.KIND,
    "ghost": ghost.KIND,
    "disqus": disqus.KIND,
    "discourse": discourse.KIND,
    "coral": coral.KIND,
}
"""Each kind of publisher: what has to be known for it, and how it is made of that."""

__all__ = ["KINDS", "CommentState", "Generic", "Kind", "Page", "Publisher", "Seen", "Sending", "Setting"]
