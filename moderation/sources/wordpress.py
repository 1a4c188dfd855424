"""WordPress: the WXR file of Tools, Export. Each comment stands inside its post, behind the post's title and address.

Only those three are kept while reading, so that a post with a hundred thousand comments takes no more memory than one with none.
Pingbacks and trackbacks are nobody's comments and are left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from moderation.sources.html import plain
from moderation.sources.markup import Element, elements
from moderation.sources.record import APPROVED, DELETED, HELD, REJECTED, BadRow, Options, Record, record

SPACES: Final = tuple(f"http://wordpress.org/export/{version}/ " for version in ("1.0", "1.1", "1.2"))
COMMENTS: Final = frozenset(f"{space}comment" for space in SPACES)
TITLE: Final = "title"
LINK: Final = "link"
STATES: Final = {"1": APPROVED, "0": HELD, "spam": REJECTED, "trash": REJECTED, "post-trashed": DELETED}
KINDS: Final = frozenset({"", "comment"})
SYSTEM: Final = "wordpress:"
NO_DATE: Final = "0000-"
OURS: Final = "tidegate_id"
"""Where the must-use plugin keeps our id of a comment that we were asked about."""


def read(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the comments of a WXR file."""
    title = url = ""
    for element in elements(path, COMMENTS | {TITLE, LINK}):
        if isinstance(element, BadRow):
            yield element
        elif element.name == TITLE:
            # A post begins: whatever address follows is its own.
            title, url = element.text.strip(), ""
        elif element.name == LINK:
            url = element.text.strip()
        elif _value(element, "comment_type") in KINDS:
            yield _comment(element, url, title, options)


def _comment(comment: Element, url: str, title: str, options: Options) -> Record | BadRow:
    state = STATES.get(_value(comment, "comment_approved"))
    if state is None:
        return BadRow(line=comment.line, code="state", detail="WordPress has no such status")
    number, parent, user = (_value(comment, name) for name in ("comment_id", "comment_parent", "comment_user_id"))
    # The time is naive (2026-11-25 16:00:00) and in UTC, which the reader of times takes it for. Blogs that came from elsewhere
    # have comments without it, of which the blog's own time is better than none.
    written = _value(comment, "comment_date_gmt")
    fields: dict[str, Any] = {
        "external_id": SYSTEM + number if number else None,
        "post_url": url,
        "post_title": title,
        "parent_id": SYSTEM + parent if parent not in {"", "0"} else None,
        "body": plain(_value(comment, "comment_content")),
        "state": state,
        "created_at": _value(comment, "comment_date") if written.startswith(NO_DATE) else written,
        "author_handle": SYSTEM + user if user not in {"", "0"} else None,
        "author_name": _value(comment, "comment_author"),
        "author_email": _value(comment, "comment_author_email"),
        "author_url": _value(comment, "comment_author_url"),
        "ours": _meta(comment, OURS),
    }
    return record(comment.line, fields, options)


def _meta(comment: Element, key: str) -> str | None:
    space = comment.name.removesuffix("comment")
    for each in comment.children:
        if each.name == f"{space}commentmeta" and each.value(f"{space}meta_key").strip() == key:
            return each.value(f"{space}meta_value").strip()
    return None


def _value(comment: Element, name: str) -> str:
    return comment.value(comment.name.removesuffix("comment") + name).strip()
