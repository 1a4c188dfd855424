"""Coral: the collections ``comments``, ``stories`` and ``users`` as mongoexport writes them, one JSON object a line.

The path is a folder with ``comments.json``, ``stories.json`` and, for names, ``users.json``. No e-mail address is read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from moderation.sources.html import plain
from moderation.sources.record import APPROVED, DELETED, HELD, REJECTED, BadRow, Options, Record, record
from moderation.sources.rows import lines

STATES: Final = {
    "NONE": APPROVED,
    "APPROVED": APPROVED,
    "REJECTED": REJECTED,
    "PREMOD": HELD,
    "SYSTEM_WITHHELD": HELD,
}
"""NONE is what Coral publishes without anybody having looked."""


def read(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the comments of a Coral installation."""
    stories = {
        str(story.get("id")): (story.get("url"), _title(story))
        for _, story in lines(path / "stories.json")
        if isinstance(story, dict)
    }
    users = path / "users.json"
    names = (
        {str(user.get("id")): str(user.get("username") or "") for _, user in lines(users) if isinstance(user, dict)}
        if users.is_file()
        else {}
    )
    for number, comment in lines(path / "comments.json"):
        if isinstance(comment, BadRow):
            yield comment
        else:
            yield _comment(number, comment, stories, names, options)


def _comment(
    number: int, comment: dict[str, Any], stories: dict[str, tuple[Any, Any]], names: dict[str, str], options: Options
) -> Record | BadRow:
    url, title = stories.get(str(comment.get("storyID")), (None, None))
    if url is None:
        return BadRow(line=number, code="story", detail="the story of this comment is not in stories.json")
    state = DELETED if comment.get("deletedAt") else STATES.get(str(comment.get("status")))
    if state is None:
        return BadRow(line=number, code="state", detail="Coral has no such status")
    revisions = comment.get("revisions")
    newest = revisions[-1] if isinstance(revisions, list) and revisions and isinstance(revisions[-1], dict) else {}
    author = str(comment.get("authorID") or "")
    return record(
        number,
        {
            "external_id": comment.get("id"),
            "post_url": url,
            "post_id": comment.get("storyID"),
            "post_title": title,
            "parent_id": comment.get("parentID"),
            "body": plain(str(newest.get("body") or "")),
            "state": state,
            "created_at": _moment(comment.get("createdAt")),
            "author_id": author,
            "author_name": names.get(author),
        },
        options,
    )


def _title(story: dict[str, Any]) -> Any:
    about = story.get("metadata")
    return about.get("title") if isinstance(about, dict) else None


def _moment(value: Any) -> Any:
    """Return the time in MongoDB's extended JSON, which has three ways to write one."""
    if not isinstance(value, dict):
        return value
    inner = value.get("$date")
    if isinstance(inner, dict):
        inner = inner.get("$numberLong")
    return int(inner) / 1000 if isinstance(inner, int) or (isinstance(inner, str) and inner.isdigit()) else inner
