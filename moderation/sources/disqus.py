"""Disqus: the XML that its export sends by mail. Threads come first, the posts (their word for comments) after them.

It holds no e-mail addresses since 2018 and never says who deleted a comment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from moderation.sources.html import plain
from moderation.sources.markup import Element, elements
from moderation.sources.record import APPROVED, DELETED, HELD, REJECTED, BadRow, Options, Record, record

NS: Final = "http://disqus.com "
ID: Final = "http://disqus.com/disqus-internals id"
THREAD: Final = f"{NS}thread"
POST: Final = f"{NS}post"


def read(path: Path, options: Options) -> Iterator[Record | BadRow]:
    """Yield the posts of a Disqus export."""
    threads: dict[str, tuple[str, str, str]] = {}
    for element in elements(path, frozenset({THREAD, POST})):
        if isinstance(element, BadRow):
            yield element
        elif element.name == THREAD:
            threads[element.attributes.get(ID, "")] = (_value(element, "link"), _value(element, "title"), _value(element, "id"))
        else:
            yield _post(element, threads, options)


def _post(element: Element, threads: dict[str, tuple[str, str, str]], options: Options) -> Record | BadRow:
    thread = element.child(f"{NS}thread")
    known = threads.get(thread.attributes.get(ID, "") if thread else "")
    if known is None:
        return BadRow(line=element.line, code="thread", detail="the thread of this post is not in the file")
    url, title, identifier = known
    parent = element.child(f"{NS}parent")
    handle = _value(element, "author", "username")
    return record(
        element.line,
        {
            "external_id": element.attributes.get(ID),
            "post_url": url,
            "post_id": identifier,
            "post_title": title,
            "parent_id": parent.attributes.get(ID) if parent else None,
            "body": plain(_value(element, "message")),
            "state": _state(element),
            "created_at": _value(element, "createdAt"),
            "author_handle": f"disqus:{handle}" if handle else None,
            "author_name": _value(element, "author", "name"),
            "author_email": _value(element, "author", "email"),
        },
        options,
    )


def _state(element: Element) -> str:
    if _value(element, "isSpam") == "true":
        return REJECTED
    if _value(element, "isDeleted") == "true":
        return DELETED
    return HELD if _value(element, "isApproved") == "false" else APPROVED


def _value(element: Element, *path: str) -> str:
    return element.value(*(NS + name for name in path)).strip()
