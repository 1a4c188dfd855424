"""The demo blog: a small news site on an origin of its own, with the comment section in its pages as any blog would have it.

It is a client. All it knows of the installation is ``demo.json``, and it verifies webhooks with a few lines of its own, as a
receiver in another language would. Its pages hold the approved comments as HTML, which the comment section's script takes over,
and it tells Tidegate what its articles say. ``python -m api.demo --port N`` serves it on the loopback address.
"""

import argparse
import base64
import binascii
import contextlib
import hmac
import http.client
import json
import logging
import os
import re
import signal
import threading
import time
from collections import deque
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from types import FrameType
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from flask import Flask, Response, abort, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from api.demo_blog.articles import ARTICLES, BY_SLUG, Article
from moderation.config import Settings

HOST: Final = "127.0.0.1"
PATIENCE: Final = 3.0
"""Seconds that a page waits for the API; a thread that does not come in time is left out, and the article still appears."""

TOLERANCE: Final = 300
"""Seconds by which a webhook's time may differ from ours: an old one that somebody recorded is refused (Standard Webhooks)."""

LARGEST: Final = 256 * 1024
SHOWN: Final = 50


class Unreachable(Exception):
    """The API did not answer, or not with JSON."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the blog has to know of the installation: the contents of ``demo.json`` that it uses."""

    base_url: str
    site: str
    publishable_key: str
    secret_key: str
    webhook_secret: str
    demo_blog_url: str

    @classmethod
    def read(cls, home: Path) -> "Demo | None":
        """Return what ``demo.json`` says now; None before the demo site is made."""
        try:
            found = json.loads((home / "demo.json").read_text(encoding="utf-8"))
            return cls(**{name: str(found[name]) for name in cls.__slots__})
        except (FileNotFoundError, json.JSONDecodeError, KeyError):
            return None

    def page_of(self, article: Article) -> str:
        """Return an article's address, whatever the request at hand called this host."""
        return self.demo_blog_url + url_for("article", slug=article.slug)

    def comments_of(self, article: Article) -> str | None:
        """Return an article's approved comments as HTML, None where they cannot be had."""
        query = urlencode({"post": article.slug, "url": self.page_of(article), "title": article.title, "lang": "en"})
        try:
            status, found = self._ask("GET", f"/s/{self.site}/fragment?{query}")
        except Unreachable:
            return None
        return found.decode() if status == http.HTTPStatus.OK else None

    def tell_of(self, article: Article) -> None:
        """Tell Tidegate what an article says, so that what a comment quotes from it is known; raises Unreachable."""
        facts = {
            "url": self.page_of(article),
            "title": article.title,
            "excerpt": text_of(article),
            "author_names": [article.author],
            "published_at": article.published_at.isoformat(),
        }
        status, _ = self._ask("PUT", f"/v1/posts/{quote(article.slug)}", facts)
        if status != http.HTTPStatus.OK:
            raise Unreachable(f"status {status}")

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        parts = urlsplit(self.base_url)
        connection = (http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection)(
            parts.netloc, timeout=PATIENCE
        )
        sent = {"Authorization": f"Bearer {self.secret_key}", "Content-Type": "application/json"} if body is not None else {}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(type(error).__name__) from error
        finally:
            connection.close()


def text_of(article: Article) -> str:
    """Return the words of an article without its markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", render_template(f"articles/{article.slug}.html"))).split())


def verify(secret: str, headers: Any, body: bytes, *, now: float) -> str | None:
    """Return the id of a genuine webhook (Standard Webhooks 1.0), None for any other; ``now`` is in seconds since 1970.

    All that a receiver needs: the secret's bytes, HMAC-SHA256 over id, time and body, a comparison in constant time with each
    signature given, and a look at the clock.
    """
    message, sent_at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message or not sent_at.isascii() or not sent_at.isdigit() or abs(now - int(sent_at)) > TOLERANCE:
        return None
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return None
    right = hmac.digest(key, f"{message}.{sent_at}.".encode() + body, "sha256")
    for given in headers.get("webhook-signature", "").split():
        version, _, signature = given.partition(",")
        if version == "v1" and hmac.compare_digest(base64.b64encode(right), signature.encode()):
            return str(message)
    return None


class Inbox:
    """Webhooks that came in: each id once, on the disk before it is acknowledged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._newest: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    self._note(json.loads(line))
                except (json.JSONDecodeError, KeyError):
                    # The last line of a process that was killed while it wrote: it was not acknowledged and comes again.
                    continue

    def take(self, message: str, body: bytes) -> bool:
        """Store a webhook; false for one that is here already. Returns once it is on the disk."""
        with self._lock:
            if message in self._known:
                return False
            entry = {"id": message, "received_at": time.time(), "body": json.loads(body)}
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "r+b") as file:
                torn = file.seek(0, os.SEEK_END) > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
                file.write((b"\n" if torn else b"") + json.dumps(entry).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            self._note(entry)
            return True

    def newest(self) -> tuple[int, list[dict[str, Any]]]:
        """Return how many came in, and the newest of them, newest first."""
        with self._lock:
            return len(self._known), list(reversed(self._newest))

    def _note(self, entry: dict[str, Any]) -> None:
        body = entry["body"]
        data = body.get("data") or {}
        self._known.add(entry["id"])
        self._newest.append(
            {
                "timestamp": body.get("timestamp"),
                "type": body.get("type"),
                "comment": (data.get("comment") or {}).get("id"),
                "post": (data.get("post") or {}).get("id"),
                "seq": data.get("seq"),
            }
        )


def create_app(home: Path) -> Flask:
    """Return the blog of the installation in ``home``."""
    here = Path(__file__).parent / "demo_blog"
    app = Flask("api.demo_blog", root_path=str(here))
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _serve_pages(app, home)
    _serve_inbox(app, home)

    @app.errorhandler(HTTPException)
    def fault(error: HTTPException) -> tuple[str, int]:
        return render_template("fault.html", title=error.name, detail=error.description), error.code or 500

    @app.after_request
    def harden(response: Response) -> Response:
        demo = Demo.read(home)
        api = demo.base_url if demo else ""
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self' {api}; style-src 'self'; img-src 'self'; "
            f"connect-src 'self' {api}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "strict-origin"
        response.headers.setdefault("Cache-Control", "no-cache")
        return response

    return app


def _serve_pages(app: Flask, home: Path) -> None:
    @app.get("/")
    def index() -> str:
        return render_template("index.html", articles=ARTICLES, demo=Demo.read(home))

    told: set[tuple[Demo, str]] = set()

    @app.get("/<slug>")
    def article(slug: str) -> str:
        found = BY_SLUG.get(slug) or abort(404)
        demo = Demo.read(home)
        if demo is not None and (demo, slug) not in told:
            # It is told again with the next reader where the API is away.
            with contextlib.suppress(Unreachable):
                demo.tell_of(found)
                told.add((demo, slug))
        return render_template("article.html", article=found, demo=demo, comments=demo.comments_of(found) if demo else None)


def _serve_inbox(app: Flask, home: Path) -> None:
    inbox = Inbox(home / "data" / "demo-received.jsonl")

    @app.get("/received")
    def received() -> str:
        total, newest = inbox.newest()
        return render_template("received.html", total=total, events=newest)

    @app.post("/webhooks/tidegate")
    def webhook() -> tuple[str, int]:
        demo = Demo.read(home)
        if demo is None:
            return "not ready\n", 503
        body = request.get_data()
        message = verify(demo.webhook_secret, request.headers, body, now=time.time())
        if message is None:
            return "the signature does not verify\n", 401
        return ("received\n", 200) if inbox.take(message, body) else ("received before\n", 200)


def main() -> None:
    """Serve the blog until SIGTERM or SIGINT."""
    settings = Settings.from_env()
    parser = argparse.ArgumentParser(prog="python -m api.demo", description="Serve the demo blog on the loopback address.")
    parser.add_argument("--port", type=int, default=settings.port + 1, help="TCP port; the API's next one by default")
    port = parser.parse_args().port
    settings.make_directories()
    # One line per request is not worth a log of a demo.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server(HOST, port, create_app(settings.home), threaded=True)

    def end(_number: int, _frame: FrameType | None) -> None:
        # shutdown() waits for the loop, which this thread runs.
        threading.Thread(target=server.shutdown, name="end").start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with server:
        server.serve_forever()


if __name__ == "__main__":
    main()
