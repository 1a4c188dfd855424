"""Discourse by its API: what waits for review is decided there, and what is decided already is removed, recovered or unhidden.

Only posts have numbers: what Discourse has queued before it became a post cannot be named, and is left to it. The actions that an
item of the review queue takes are listed with it and differ, so the first usable one of ours is picked; the item's version goes
along, and a colleague who was faster makes it a 409, which is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from moderation.outbound.http import Reply
from moderation.outbound.publishers import port
from moderation.outbound.publishers.port import UP_TO_DATE, CommentState, Kind, Seen, Sending, Setting, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "discourse"
SHOWING: Final = (
    "approve_post", "disagree_and_restore", "approve_and_unhide", "approve_and_restore", "unhide_post", "restore_post",
    "disagree", "approve",
)  # fmt: skip
HIDING: Final = ("reject_post", "agree_and_hide", "hide_post", "reject_and_delete", "delete_and_agree", "delete_post", "reject")
"""Discourse's actions for what was flagged, what it asks about by itself, and their newer names; the gentlest first."""

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
        """Decide the item of the review queue where there is one, else remove the post, or recover and unhide it."""
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
        return self._show(number, post, sending) if state.visible else self._ask("DELETE", f"/posts/{number}.json", sending)[0]

    def _show(self, number: str, post: Mapping[str, Any], sending: Sending) -> Reply:
        reply = UP_TO_DATE
        if post.get("deleted_at") or post.get("user_deleted"):
            reply, _ = self._ask("PUT", f"/posts/{number}/recover", sending)
        return self._ask("PUT", f"/posts/{number}/unhide", sending)[0] if reply.ok and post.get("hidden") else reply

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
                usable = _actions(item, found)
                return next((each for each in (SHOWING if state.visible else HIDING) if each in usable), None), item
        return None, None

    def _ask(self, method: str, path: str, sending: Sending) -> tuple[Reply, dict[str, Any]]:
        headers = {**JSON, "Api-Key": self.api_key, "Api-Username": self.username}
        return sending.ask(method, self.url + path, headers=headers)


def _actions(item: Mapping[str, Any], listed: Mapping[str, Any]) -> set[str]:
    """Return the actions that an item takes, by the names that Discourse is asked for them.

    An item names bundles, a bundle names actions, and what both are stands beside the items.
    """
    bundles, actions = (_by_id(listed.get(name)) for name in ("bundled_actions", "actions"))
    taken = [name for each in _names(item, "bundled_action") for name in _names(bundles.get(each, {}), "action")]
    # Before they had one, the name was the last part of the id, such as 12-agree_and_hide.
    return {str(actions.get(name, {}).get("server_action") or name.rpartition("-")[2]) for name in taken}


def _by_id(listed: object) -> dict[str, Mapping[str, Any]]:
    return {str(each.get("id")): each for each in (listed if isinstance(listed, list) else []) if isinstance(each, dict)}


def _names(holder: Mapping[str, Any], kind: str) -> list[str]:
    found = holder.get(f"{kind}_ids") or holder.get(f"{kind}s")
    return [str(each.get("id") if isinstance(each, dict) else each) for each in (found if isinstance(found, list) else [])]


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
