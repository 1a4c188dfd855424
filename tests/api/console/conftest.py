"""A moderator with a browser that runs no script: it follows redirects, keeps cookies and sends the forms it was shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient

from moderation.services import signing_in, sites
from tests.api.conftest import ABUSIVE, Door

VOID = frozenset({"input", "meta", "link", "br"})


@dataclass
class Form:
    """A form of a page: where its buttons send it, and what it says unless told otherwise."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """What a test looks at in a page: forms, links, text, and each element with its attributes."""

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.status: int = answer.status_code
        self.html: str = answer.text
        self.headers = answer.headers
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self._button: str | None = None
        self.feed(answer.text)
        self.text = " ".join(self.text.split())
        assert self._open == [], f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "form" and given.get("method") == "post":
            self.forms.append(Form(given["action"] or ""))
        if tag == "input" and self.forms and "name" in given:
            self.forms[-1].fields[given["name"] or ""] = given.get("value") or ""
        if tag == "button" and given.get("formaction") and given.get("data-key"):
            self.forms[-1].actions[given["data-key"] or ""] = given["formaction"] or ""
        if tag == "a":
            self.links.append(given["href"] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.text += f"{data} " if self._open and self._open[-1] not in {"q", "bdi", "del", "ins"} else data

    def form(self, end: str) -> Form:
        found = [form for form in self.forms if end in form.action]
        return next((form for form in found if form.action.endswith(end)), found[0])


class Browser:
    """One person's browser."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page: Page | None = None

    def open(self, path: str, **options: Any) -> Page:
        self.page = Page(self.client.get(path, follow_redirects=True, **options))
        return self.page

    def send(self, end: str, *, to: str | None = None, **said: Any) -> Page:
        """Send a form of the page that lies open, by the end of its address; ``to`` presses a button with its own."""
        assert self.page is not None
        form = self.page.form(end)
        fields = {**form.fields, **{name: str(value) for name, value in said.items()}}
        answer = self.client.post(form.actions[to] if to else form.action, data=fields, follow_redirects=True)
        self.page = Page(answer)
        return self.page

    def decide(self, **said: Any) -> Page:
        return self.send("/decision", **said)


def link_for(door: Door, role: str, *, site: str = "blog", now: datetime | None = None) -> str:
    """Make a sign-in link for the member of a site with that role."""
    with door.runtime.database.transaction() as session:
        found = sites.find(session, site)
        person = next(user for user, given in sites.members(session, found.id) if given == role)
        token = signing_in.offer(session, found.id, person.id, by="test", now=now or datetime.now(UTC))
    return signing_in.address("", token)


SignIn = Callable[..., Browser]


def sign_in_to(door: Door) -> SignIn:
    def sign_in(role: str = "moderator", *, site: str = "blog") -> Browser:
        browser = Browser(door.app.test_client())
        browser.open(link_for(door, role, site=site))
        browser.send("/login")
        return browser

    return sign_in


@pytest.fixture
def sign_in(door: Door) -> SignIn:
    """Sign somebody in, on either database."""
    return sign_in_to(door)


@pytest.fixture
def sqlite_sign_in(sqlite_door: Door) -> SignIn:
    """Sign somebody in, for what no database can make a difference to."""
    return sign_in_to(sqlite_door)


@pytest.fixture
def held(door: Door) -> dict[str, Any]:
    """A comment that waits for a moderator."""
    return door.decided(ABUSIVE)
