"""Discourse by its API: what waits for review is decided there, and what is decided already is removed or recovered.

Only posts have numbers: what Discourse has queued before it became a post cannot be named, and is left to it. The actions that an
item of the review queue takes are listed with it and differ, so the first usable one of ours is picked; the item's version goes
along, and a colleague who was faster makes it a 409, which is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moderation.outbound.http import Reply
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import CommentState, Kind, Seen, Sending, Setting, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "discourse"
SHOWING: Final = ("approve_post", "disagree_and_restore", "disagree", "approve")
HIDING: Final = ("reject_post", "agree_and_hide", "delete_and_agree", "reject")
JSON: Final = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, slots=True)
class Discourse:
    """Moderates posts; comments are known by the numbers of their posts."""

    url: str
    username: str
    api_key: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Discourse":
        """Return the publisher that the settings describe."""
        return cls(url=config["url"].rstrip("/"), username=config["username"], api_key=config["api_key"])

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Decide the item of the review queue where there is one, else remove or recover the post."""
        number = state.number_in(SYSTEM)
        if number is None:
            return unknown_there(state)
        reply, post = self._ask("GET", f"/posts/{number}.json", sending)
        if reply.status == 404:
            return unknown_there(state)
        if not reply.ok or _visible(post) == state.visible:
            return reply
        action, item = self._decision(number, post, state, sending)
        if action is not None and item is not None:
            path = f"/review/{int(item['id'])}/perform/{action}?version={int(item.get('version', 0))}"
            return self._ask("PUT", path, sending)[0]
        if state.visible:
            return self._ask("PUT", f"/posts/{number}/recover", sending)[0]
        return self._ask("DELETE", f"/posts/{number}.json", sending)[0]

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for each post."""
        seen = []
        for state in states:
            number = state.number_in(SYSTEM)
            reply, post = self._ask("GET", f"/posts/{number}.json", sending) if number else (Reply(status=404), {})
            seen.append(port.seen(state, reply, post, _shown))
        return seen

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try whether the key's user sees the review queue."""
        reply, found = self._ask("GET", "/review.json", sending)
        if reply.status in {401, 403, 404}:
            return [
                f"The key does not let {self.username} see the review queue: it has to be a moderator, the key of all scopes."
            ]
        return [] if reply.ok and "reviewables" in found else [f"No Discourse answers at {self.url}: {because(reply)}."]

    def _decision(
        self, number: str, post: Mapping[str, Any], state: CommentState, sending: Sending
    ) -> tuple[str | None, dict[str, Any] | None]:
        """Return which action on which item of the review queue does it, where there is one: the queue is asked by topic."""
        _, found = self._ask("GET", f"/review.json?status=pending&topic_id={int(post.get('topic_id') or 0)}", sending)
        items = found.get("reviewables")
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and number in {str(item.get("target_id")), str(item.get("post_id"))}:
                usable = _actions(item, found.get("bundled_actions"))
                return next((each for each in (SHOWING if state.visible else HIDING) if each in usable), None), item
        return None, None

    def _ask(self, method: str, path: str, sending: Sending) -> tuple[Reply, dict[str, Any]]:
        headers = {**JSON, "Api-Key": self.api_key, "Api-Username": self.username}
        return sending.ask(method, self.url + path, headers=headers)


def _actions(item: Mapping[str, Any], listed: object) -> set[str]:
    """Return the actions that an item takes: names such as ``12-agree_and_hide`` in bundles, which stand beside the items."""
    wanted = {each if isinstance(each, str) else each.get("id") for each in item.get("bundled_actions") or []}
    bundles = [
        each for each in (listed if isinstance(listed, list) else []) if isinstance(each, dict) and each.get("id") in wanted
    ]
    bundles += [each for each in item.get("bundled_actions") or [] if isinstance(each, dict)]
    names = [action.get("id") if isinstance(action, dict) else action for each in bundles for action in each.get("actions") or []]
    return {str(name).rpartition("-")[2] for name in names}


def _visible(post: Mapping[str, Any]) -> bool:
    return not post.get("hidden") and not post.get("deleted_at") and not post.get("user_deleted")


def _shown(post: Mapping[str, Any]) -> tuple[bool, str]:
    return (True, "public") if _visible(post) else (False, "hidden or deleted")


KIND: Final = Kind(
    make=Discourse.from_config,
    settings=(
        Setting(name="url", help="the forum's address", address=True),
        Setting(name="username", help="a moderator, for Tidegate alone"),
        Setting(name="api_key", help="an API key of that user (Admin, API)", secret=True),
    ),
    at_once=5,
)
