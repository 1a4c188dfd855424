"""A real browser in front of a real installation: Debian's Chromium, the API on one origin, and pages of ours on another.

Every page is watched. A dialog, an uncaught error, a line in the console that is an error or a warning, a violated security
policy, a request that fails: each of them fails the test, unless the test said before that it would come (``Watch.expects``).
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Request, Response, sync_playwright
from standardwebhooks.webhooks import Webhook
from werkzeug.serving import make_server

from api.demo import create_app
from api.demo_blog.articles import ARTICLES
from api.v1 import readers
from moderation.services import demo
from tests.api.conftest import Door, open_door, settings

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 15_000
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 320, "height": 640}
SERIOUS = frozenset({"serious", "critical"})

VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Watch:
    """What went wrong in the pages of a test, and what the test said would."""

    seen: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)

    def expects(self, pattern: str) -> None:
        """Let pass from now on what the pattern is found in."""
        self._expected.append(re.compile(pattern))

    def note(self, what: str) -> None:
        if not any(pattern.search(what) for pattern in self._expected):
            self.seen.append(what)

    def follow(self, page: Page) -> None:
        page.add_init_script(VIOLATIONS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.note(f"uncaught: {error}"))
        page.on("dialog", self._asked)
        page.on("requestfailed", self._failed)
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.note(f"console {message.type}: {message.text} ({message.location['url']})")

    def _asked(self, dialog: Dialog) -> None:
        self.note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _failed(self, request: Request) -> None:
        # A page that is left lets go of what it was still asking for.
        if request.failure != "net::ERR_ABORTED":
            self.note(f"failed: {request.method} {request.url} {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.note(f"answered {response.status}: {response.request.method} {response.url}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, for the session."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What goes wrong in any page of the test; the test fails at its end for what nobody expected."""
    watching = Watch()
    yield watching
    assert watching.seen == []


OpenContext = Callable[..., BrowserContext]


@pytest.fixture
def person(browser: Browser, watch: Watch) -> Iterator[OpenContext]:
    """Open a browser profile of one person's own: ``person(viewport=PHONE, color_scheme="dark", ...)``; its pages are watched."""
    opened: list[BrowserContext] = []

    def open_context(**options: Any) -> BrowserContext:
        context = browser.new_context(**{"viewport": WIDE, "locale": "en-GB", "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", watch.follow)
        opened.append(context)
        return context

    yield open_context
    for context in opened:
        context.close()


@pytest.fixture
def page(person: OpenContext) -> Page:
    """A page of a new person's browser, as wide as a desk's."""
    return person().new_page()


class Server:
    """A WSGI application on a free port of the loopback address, which is known before the application is made."""

    def __init__(self) -> None:
        self.app: Any = None
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._begun = False

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def begin(self, app: Any) -> None:
        self.app = app
        self._begun = True
        self._thread.start()

    def end(self) -> None:
        if self._begun:
            self._begun = False
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _answer(self, environ: Any, start: Any) -> Any:
        return self.app(environ, start)


@contextmanager
def serving(app: Any = None) -> Iterator[Server]:
    """Serve an application, now or once there is one."""
    server = Server()
    try:
        if app is not None:
            server.begin(app)
        yield server
    finally:
        server.end()


@dataclass
class Installation:
    """The API at work on an origin of its own, with a worker that judges what comes."""

    door: Door
    url: str


@pytest.fixture
def installation(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An installation on SQLite under ``http://localhost:PORT``, with the sites and people of the API's tests."""
    # A model that is late nudges nobody, and the machine is busy with other tests.
    monkeypatch.setattr(readers, "DEADLINE", 60.0)
    with serving() as server:
        url = f"http://localhost:{server.port}"
        with contextmanager(open_door)(settings(tmp_path, sqlite_url, public_url=url)) as door:
            server.begin(door.app)
            with door.working():
                yield Installation(door, url)
            server.end()


@dataclass
class Blog:
    """The demo blog on its own origin, and a moderator's hand."""

    url: str
    installation: Installation
    keys: demo.DemoSite

    @property
    def article(self) -> str:
        return f"{self.url}/{ARTICLES[0].slug}"

    def comments(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.installation.door.get(
            "/v1/comments", key=self.keys.secret_key, query_string=query
        ).json["items"]
        return found

    def told(self, number: int, *, type: str, timestamp: str, comment: str, post: str, seq: Any) -> None:  # noqa: A002
        """Send the blog a webhook as the deliver worker does."""
        said = {"type": type, "timestamp": timestamp, "data": {"comment": {"id": comment}, "post": {"id": post}, "seq": seq}}
        body, name, now = json.dumps(said), f"msg_{number}", datetime.now(UTC)
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.keys.webhook_secret).sign(name, now, body),
        }
        with urlopen(HttpRequest(f"{self.url}/webhooks/tidegate", data=body.encode(), headers=headers), timeout=20) as answer:
            assert answer.status == 200

    def decide(self, verdict: str, **more: Any) -> None:
        """Decide about the newest comment."""
        newest = self.comments()[0]
        body = {"verdict": verdict, "revision": newest["revision"], "decision_seq": newest["decision_seq"], **more}
        answer = self.installation.door.post(f"/v1/comments/{newest['id']}/decisions", body, key=self.keys.secret_key)
        assert answer.status_code == 201, answer.text


@pytest.fixture
def blog(installation: Installation) -> Iterator[Blog]:
    """The demo blog under ``http://127.0.0.1:PORT``, which is another origin than the API's."""
    runtime = installation.door.runtime
    runtime.settings.make_directories()
    with serving() as server:
        url = f"http://127.0.0.1:{server.port}"
        keys = demo.prepare(runtime.database, runtime.settings, base_url=installation.url, blog_url=url, now=datetime.now(UTC))
        server.begin(create_app(runtime.settings.home))
        yield Blog(url, installation, keys)
        server.end()


def check_for_everybody(page: Page) -> None:
    """Let axe-core look at the page: nothing that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    shown = [
        f"{each['id']} ({each['impact']}): {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
        for each in found
        if each["impact"] in SERIOUS
    ]
    assert shown == []


def fits(page: Page) -> None:
    """Nothing reaches beyond the sides of the window: nobody has to scroll sideways to read."""
    width, inner = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width <= inner, f"{width} pixels in a window of {inner}"
