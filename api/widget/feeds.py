"""Feeds of approved comments: Atom (RFC 4287) and JSON Feed 1.1, for one page or the whole site."""

import re
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree as ET

import orjson
from flask import Response, g, request

from api import limits
from api.auth import PUBLIC, needs
from api.context import context
from api.widget import forms, texts
from api.widget.door import Place, blp, place
from api.widget.embed import for_everybody
from api.widget.forms import PageQuery
from moderation.errors import NotFound
from moderation.services import threads
from moderation.services.events import iso
from moderation.services.threads import FeedEntry

NEWEST: Final = 50
ATOM: Final = "http://www.w3.org/2005/Atom"
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When a feed without entries was last changed: Atom wants a time."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@blp.get("/s/<site>/feed.atom")
@needs(PUBLIC)
def atom(site: str) -> Response:
    """Return the newest comments as Atom."""
    where, entries, title = _gathered(site)
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    _add(root, "title", title)
    _add(root, "id", request.url)
    _add(root, "updated", iso(max((entry.updated_at for entry in entries), default=BEGINNING)))
    ET.SubElement(root, f"{{{ATOM}}}link", {"rel": "self", "type": "application/atom+xml", "href": request.url})
    for entry in entries:
        item = ET.SubElement(root, f"{{{ATOM}}}entry")
        _add(item, "id", f"urn:uuid:{entry.uuid}")
        _add(item, "title", _title(entry))
        _add(item, "published", iso(entry.published_at))
        _add(item, "updated", iso(entry.updated_at))
        _add(ET.SubElement(item, f"{{{ATOM}}}author"), "name", entry.author_name or texts.texts(g.language)["page"]["anonymous"])
        ET.SubElement(item, f"{{{ATOM}}}link", {"rel": "alternate", "href": _address(entry)})
        _add(item, "content", entry.body, type="text")
    body: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return _answer(body, "application/atom+xml; charset=utf-8", where)


@blp.get("/s/<site>/feed.json")
@needs(PUBLIC)
def json_feed(site: str) -> Response:
    """Return the newest comments as JSON Feed."""
    where, entries, title = _gathered(site)
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "feed_url": request.url,
        "items": [
            {
                "id": entry.id,
                "url": _address(entry),
                "title": _title(entry),
                "content_text": entry.body,
                "date_published": iso(entry.published_at),
                "date_modified": iso(entry.updated_at),
                "authors": [{"name": entry.author_name or texts.texts(g.language)["page"]["anonymous"]}],
            }
            for entry in entries
        ],
    }
    return _answer(orjson.dumps(feed), "application/feed+json", where)


def _gathered(site: str) -> tuple[Place, list[FeedEntry], str]:
    where = place(site, limits.PIECES)
    asked = PageQuery().load(forms.sent(request.args.to_dict()))
    keys = [key for key in (asked["post"], asked.get("url")) if key]
    comments = texts.texts(g.language)["page"]["comments"]
    with context().runtime.database.reading() as session:
        for key in keys:
            try:
                entries = threads.newest(session, where.id, key=key, limit=NEWEST)
            except NotFound:
                continue
            title = entries[0].post_title if entries else key
            return where, entries, f"{comments}: {title or key}"
        if keys:
            return where, [], f"{comments}: {keys[0]}"
        return where, threads.newest(session, where.id, limit=NEWEST), f"{comments}: {where.title}"


def _title(entry: FeedEntry) -> str:
    name = entry.author_name or texts.texts(g.language)["page"]["anonymous"]
    return f"{name}: {entry.post_title}" if entry.post_title else name


def _address(entry: FeedEntry) -> str:
    return f"{entry.post_url.partition('#')[0]}#{entry.id}"


def _add(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = _NOT_XML.sub("\ufffd", text)


def _answer(body: bytes, kind: str, _where: Place) -> Response:
    answer = Response(body, content_type=kind)
    answer.headers["Cache-Control"] = "public, max-age=60"
    answer.add_etag()
    answer.make_conditional(request)
    return for_everybody(answer)
