"""The script for a blog's pages and its texts: public, the same for everybody, and free to be used by any origin."""

from functools import cache
from hashlib import blake2b
from pathlib import Path

import orjson
from flask import Blueprint, Response, request

from api.auth import PUBLIC, needs
from api.context import context
from api.errors import Problem
from api.widget import texts

STATIC = Path(__file__).with_name("static")
FRESH = "public, max-age=600, stale-while-revalidate=86400"
"""A script that blogs name without a version is asked about again after ten minutes, and meanwhile the old one is good enough."""

blp = Blueprint("embed", __name__)


@blp.get("/embed.js")
@needs(PUBLIC)
def script() -> Response:
    """Return the comment section's script."""
    return _file("embed.js", "text/javascript; charset=utf-8")


@blp.get("/embed/page.css")
@needs(PUBLIC)
def style() -> Response:
    """Return the style of the pages without JavaScript."""
    return _file("page.css", "text/css; charset=utf-8")


@blp.get("/embed/icon.svg")
@needs(PUBLIC)
def icon() -> Response:
    """Return the icon of the pages without JavaScript."""
    return _file("icon.svg", "image/svg+xml")


@blp.get("/embed/texts/<language>.json")
@needs(PUBLIC)
def sentences(language: str) -> Response:
    """Return what the script says in one language."""
    if language not in texts.LANGUAGES:
        raise Problem(404, "no-such-language", "There are texts in: " + ", ".join(texts.LANGUAGES))
    found = {part: texts.texts(language)[part] for part in texts.FOR_THE_SCRIPT}
    if context().runtime.settings.smtp_url is None:
        # Without the words the script does not offer it.
        found["form"] = {name: words for name, words in found["form"].items() if name not in texts.FOR_MAIL}
    return _answer(orjson.dumps(found), "application/json")


def for_everybody(answer: Response) -> Response:
    """Let the pages of any origin use the answer: it is the same for all and holds nothing that is not public."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return answer


def _file(name: str, kind: str) -> Response:
    return _answer(_read(name), kind)


@cache
def _read(name: str) -> bytes:
    return (STATIC / name).read_bytes()


def _answer(body: bytes, kind: str) -> Response:
    answer = Response(body, content_type=kind)
    answer.headers["Cache-Control"] = FRESH
    answer.set_etag(blake2b(body, digest_size=12).hexdigest())
    answer.make_conditional(request)
    return for_everybody(answer)
