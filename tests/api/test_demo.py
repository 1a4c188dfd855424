"""The demo blog against the real API: it reads and writes threads as a client, and believes only genuine webhooks."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.serving import make_server

from api.demo import Demo, Inbox, create_app, verify
from api.demo import text_of as article_text
from api.demo_blog.articles import ARTICLES
from moderation.database import Database
from moderation.outbound.webhooks import derive_secret, show_secret, signed_headers
from moderation.services import demo, posts, sites
from tests.api.conftest import ABUSIVE, CIVIL, Door

HOOK = "/webhooks/tidegate"
BODY = (
    b'{"type":"comment.approved","timestamp":"2026-11-24T04:00:00Z","data":{"comment":{"id":"cmt_1"},"post":{"id":"x"},"seq":2}}'
)
BLOG = "http://127.0.0.1:8571"


@dataclass
class Blog:
    """The demo blog, and the installation behind it."""

    app: Flask
    home: Path
    door: Door

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def demo(self) -> Demo:
        found = Demo.read(self.home)
        assert found is not None
        return found

    def say(self, body: str = CIVIL, **changes: str) -> str:
        """Post a comment on an article as a reader's browser would, and return what became of it."""
        comment = {
            "post": {"id": "defence-treaty", "url": f"{BLOG}/defence-treaty", "title": "As the page says"},
            "author": {"name": changes.pop("name", "Ada")},
            "body": body,
            **changes,
        }
        headers = {"Origin": BLOG, "Prefer": "wait=10"}
        answer = self.door.post("/v1/comments", comment, key=self.demo.publishable_key, headers=headers)
        return str(answer.json["status"])

    def page(self, path: str = "/defence-treaty") -> str:
        return self.client.get(path).text

    def told(self, body: bytes = BODY, *, message: str = "evt_1", changes: dict[str, str] | None = None) -> Any:
        now = datetime.now(UTC)
        signer = Webhook(self.demo.webhook_secret)
        headers = {
            "webhook-id": message,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(message, now, body.decode()),
        }
        return self.client.post(HOOK, data=body, headers={**headers, **(changes or {})})

    def received(self) -> list[Any]:
        path = self.home / "data" / "demo-received.jsonl"
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@contextmanager
def served(app: Flask) -> Iterator[int]:
    """Serve an application on a free port of the loopback address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def working(door: Door) -> Iterator[None]:
    """Keep a worker at work."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            door.work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def prepare(door: Door, *, base_url: str, blog_url: str = BLOG) -> demo.DemoSite:
    settings = door.runtime.settings
    settings.make_directories()
    return demo.prepare(door.runtime.database, settings, base_url=base_url, blog_url=blog_url, now=datetime.now(UTC))


@pytest.fixture
def blog(sqlite_door: Door) -> Iterator[Blog]:
    home = sqlite_door.runtime.settings.home
    with served(sqlite_door.app) as port, working(sqlite_door):
        prepare(sqlite_door, base_url=f"http://127.0.0.1:{port}")
        yield Blog(create_app(home), home, sqlite_door)


def thread_of(page: str) -> str:
    found = re.search(r"<tidegate-comments>(.*?)</tidegate-comments>", page, re.DOTALL)
    assert found
    return found[1]


# ----------------------------------------------------------------------------------------------------------- the pages


def test_every_article_is_there_and_nobody_has_commented(blog: Blog) -> None:
    index = blog.page("/")
    for article in ARTICLES:
        assert article.title in index
        page = blog.page(f"/{article.slug}")
        assert article.title in page
        assert "No comments" in thread_of(page)


def test_approved_comments_are_in_the_page_itself(blog: Blog) -> None:
    assert blog.say() == "approved"
    assert CIVIL in thread_of(blog.page())
    assert f"{blog.demo.base_url}/embed.js" not in thread_of(blog.page())


def test_what_waits_for_a_moderator_is_not_shown(blog: Blog) -> None:
    assert blog.say(ABUSIVE) == "flagged"
    assert "No comments" in thread_of(blog.page())


def test_text_stays_text(blog: Blog) -> None:
    hostile = "I think <script>alert(1)</script> and <img src=x onerror=alert(1)> are odd words in a treaty."
    blog.say(hostile, name="<i>Eve</i>")
    shown = blog.page()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in thread_of(shown)
    assert "<script>alert" not in shown
    assert "<i>Eve" not in shown


def test_a_quotation_from_an_article_is_known_as_one(blog: Blog) -> None:
    blog.page()
    words = text_of(blog, "defence-treaty")
    assert "&" not in words
    post = {"id": "defence-treaty", "url": f"{BLOG}/defence-treaty"}
    blog.say(f'It says "{words[200:300]}", and I wonder what that means for us.')
    with blog.door.runtime.database.reading() as session:
        stored = posts.find(session, sites.find(session, "demo").id, post["id"])
    assert (stored.excerpt, stored.title) == (words, "Three northern states promise to defend each other")


def text_of(blog: Blog, slug: str) -> str:
    with blog.app.test_request_context():
        return article_text(next(article for article in ARTICLES if article.slug == slug))


def test_a_forged_host_does_not_name_the_page(blog: Blog) -> None:
    assert "evil.example" not in blog.client.get("/observers", headers={"Host": "evil.example"}).text


def test_pages_allow_their_own_scripts_and_the_api_and_nothing_else(blog: Blog) -> None:
    for path in ("/", "/defence-treaty", "/received", "/nowhere", "/static/demo.css"):
        with blog.client.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert f"connect-src 'self' {blog.demo.base_url};" in policy
        assert f"script-src 'self' {blog.demo.base_url};" in policy
        assert "unsafe" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script>", blog.page())
    elsewhere = set(re.findall(r'(?:src|href)="((?:https?:)?//[^/"]+)', blog.page()))
    assert elsewhere == {blog.demo.base_url, blog.door.runtime.settings.public_url}


def test_the_secret_key_is_in_no_page(blog: Blog) -> None:
    assert blog.demo.publishable_key in blog.page()
    for path in ("/", "/defence-treaty", "/received"):
        assert blog.demo.secret_key not in blog.page(path)


def test_articles_are_served_while_the_api_is_away(blog: Blog) -> None:
    path = blog.home / "demo.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "base_url": "http://127.0.0.1:1"}))
    assert "cannot be shown at the moment" in blog.page()


def test_articles_are_served_before_there_is_a_demo_site(tmp_path: Path) -> None:
    client = create_app(tmp_path).test_client()
    assert client.get("/").status_code == client.get("/observers").status_code == 200
    assert client.post(HOOK, data=BODY).status_code == 503


# -------------------------------------------------------------------------------------------------------- the receiver


def test_a_genuine_webhook_is_on_the_disk_before_it_is_acknowledged(blog: Blog) -> None:
    assert blog.told().status_code == 200
    (entry,) = blog.received()
    assert (entry["id"], entry["body"]) == ("evt_1", json.loads(BODY))
    assert "comment.approved" in blog.page("/received")


def test_a_repeat_is_acknowledged_and_not_stored_again(blog: Blog) -> None:
    assert [blog.told().status_code for _ in range(3)] == [200, 200, 200]
    restarted = create_app(blog.home).test_client()
    assert "1 signed webhooks came in" in restarted.get("/received").text
    assert len(blog.received()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook-id": "evt_2"},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1a,AAAA v1"},
    ],
)
def test_a_forged_webhook_is_refused(blog: Blog, changes: dict[str, str]) -> None:
    assert blog.told(changes=changes).status_code == 401
    assert blog.received() == []


def test_a_changed_body_is_refused(blog: Blog) -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(blog.demo.webhook_secret).sign("evt_1", now, BODY.decode()),
    }
    assert blog.client.post(HOOK, data=BODY.replace(b"approved", b"rejected"), headers=headers).status_code == 401


def test_our_own_signatures_verify_also_during_a_rotation() -> None:
    now = datetime.now(UTC)
    old, new = (derive_secret(b"m" * 32, UUID(int=number), "salt") for number in (1, 2))
    headers = signed_headers("evt_9", BODY, [new, old], now=now)
    for secret in (old, new):
        assert verify(show_secret(secret), headers, BODY, now=now.timestamp()) == "evt_9"
    assert verify(show_secret(b"x" * 32), headers, BODY, now=now.timestamp()) is None
    assert verify("whsec_ not base64", headers, BODY, now=now.timestamp()) is None


def test_a_line_torn_by_a_kill_is_left_behind_and_comes_again(tmp_path: Path) -> None:
    path = tmp_path / "received.jsonl"
    Inbox(path).take("evt_1", BODY)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"evt_1", b"evt_2")[:40])
    restarted = Inbox(path)
    assert restarted.take("evt_2", BODY)
    assert not restarted.take("evt_1", BODY)
    assert Inbox(path).newest()[0] == 2


def test_two_webhooks_at_once_are_two_lines(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "received.jsonl")
    threads = [threading.Thread(target=inbox.take, args=(f"evt_{number % 20}", BODY)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [json.loads(line)["id"] for line in (tmp_path / "received.jsonl").read_bytes().splitlines()]
    assert sorted(ids) == sorted({f"evt_{number}" for number in range(20)})


# ------------------------------------------------------------------------------------------------------ the demo site


def test_a_second_start_keeps_the_keys_and_follows_the_port(door: Door) -> None:
    first = prepare(door, base_url="http://localhost:8080", blog_url="http://127.0.0.1:8081")
    again = prepare(door, base_url="http://localhost:8090", blog_url="http://127.0.0.1:8091")
    kept = ("site", "secret_key", "publishable_key", "door_key", "webhook_secret")
    assert {name: getattr(first, name) for name in kept} == {name: getattr(again, name) for name in kept}
    assert (again.base_url, again.demo_blog_url) == ("http://localhost:8090", "http://127.0.0.1:8091")
    (endpoint,) = door.get("/v1/endpoints", key=again.secret_key).json["items"]
    assert endpoint["url"] == "http://127.0.0.1:8091/webhooks/tidegate"
    assert "http://127.0.0.1:8091" in origins(door.runtime.database)


def origins(database: Database) -> list[str]:
    with database.reading() as session:
        return sites.find(session, "demo").origins


def test_the_file_holds_what_scripts_need_and_is_its_owners_alone(door: Door) -> None:
    prepare(door, base_url="http://localhost:8080")
    path = demo.file_of(door.runtime.settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(path.read_text())) == {
        "base_url",
        "site",
        "secret_key",
        "publishable_key",
        "door_key",
        "webhook_secret",
        "login_url",
        "console_url",
        "demo_blog_url",
    }


@pytest.mark.parametrize("lost", ["", "{", "{}"])
def test_a_lost_file_means_new_keys_and_the_end_of_the_old_ones(door: Door, lost: str) -> None:
    first = prepare(door, base_url="http://localhost:8080")
    path = demo.file_of(door.runtime.settings)
    path.write_text(lost) if lost else path.unlink()
    again = prepare(door, base_url="http://localhost:8080")
    assert again.webhook_secret == first.webhook_secret
    assert door.get("/v1/comments", key=first.secret_key).status_code == 401
    assert door.get("/v1/comments", key=again.secret_key).status_code == 200


def test_the_demo_opens_its_own_port_of_this_machine_and_no_other(door: Door) -> None:
    shown = prepare(door, base_url="http://localhost:8080", blog_url="http://127.0.0.1:8081")
    body = {"url": "http://127.0.0.1:6379/webhooks/tidegate"}
    assert door.post("/v1/endpoints", body, key=shown.secret_key).status_code == 422


def test_a_webhook_from_the_future_or_the_past_is_refused() -> None:
    secret = show_secret(b"s" * 32)
    now = time.time()
    for off in (-301, 301):
        headers = signed_headers("evt_1", BODY, [b"s" * 32], now=datetime.fromtimestamp(now + off, UTC))
        assert verify(secret, headers, BODY, now=now) is None
