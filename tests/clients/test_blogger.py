"""Blogger's own description of its API, as Google's client brings it along, beside every request that our publisher makes."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from moderation.outbound.http import Client, Guard
from moderation.outbound.publishers import KINDS, CommentState, Sending
from moderation.outbound.publishers.blogger import API, Blogger
from tests.clients.conftest import CLIENTS
from tests.moderation.outbound.publishers.blogs import BloggerBlog, Written
from tests.moderation.outbound.receiver import listening

pytestmark = [pytest.mark.clients, pytest.mark.slow]

DOCUMENTS = "lib/python3*/site-packages/googleapiclient/discovery_cache/documents"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What Google says that Blogger takes."""
    found = sorted(CLIENTS.glob(f"{DOCUMENTS}/blogger.v3.json"))
    if not found:
        pytest.skip("the clients are not installed: make test-clients")
    return dict(json.loads(found[0].read_text()))


def methods(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from methods(inner)


def state(word: str) -> CommentState:
    visible = word == "approved"
    return CommentState(
        id="cmt_" + "0" * 32, external_id=BloggerBlog.known, version=1, status=word, visible=visible, revision=1, body="the text",
        author_name=None, author_url=None, parent_id=None, post_id=None, post_url="https://blog.example/1", created_at=NOW,
    )  # fmt: skip


def test_every_request_is_one_that_the_document_has_with_its_parameters_and_words(document: dict[str, Any]) -> None:
    assert f"{API}/" == document["rootUrl"]
    with listening() as receiver:
        blog = BloggerBlog(f"http://127.0.0.1:{receiver.port}")
        blog.written = [Written(number=number, at=NOW, text="said") for number in range(25)]
        receiver.answer = blog.answer
        way = KINDS["blogger"].make(blog.config())
        assert isinstance(way, Blogger)
        client = Client(Guard(("127.0.0.0/8",)), timeout=10)

        def sending() -> Sending:
            return Sending(client=client, message_id="pub_1", secrets=(), now=NOW)

        assert way.missing(sending()) == []
        for word in ("approved", "flagged", "approved", "rejected", "erased"):
            assert way.publish(state(word), sending()).ok
        assert [seen.visible for seen in way.look([state("approved")], sending())] == [False]
        first = way.pull(NOW - timedelta(days=1), "", sending())
        assert first.next is not None
        way.pull(NOW - timedelta(days=1), first.next, sending())
        asked = [(got.method, urlsplit(got.path)) for got in receiver.got if not got.path.startswith("/token")]
    known = [(re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(f"/{each['path']}"))), each) for each in methods(document)]
    seen = set()
    for method, address in asked:
        (found,) = [each for path, each in known if path.fullmatch(address.path) and each["httpMethod"] == method]
        seen.add(found["id"])
        parameters = {**document["parameters"], **found["parameters"]}
        for name, value in parse_qsl(address.query):
            assert value in parameters[name].get("enum", [value]), f"{method} {address.geturl()}"
    actions = ("approve", "get", "markAsSpam", "removeContent", "listByBlog")
    assert seen == {*(f"blogger.comments.{each}" for each in actions), "blogger.blogUserInfos.get", "blogger.posts.get"}


def test_the_fields_that_we_read_are_those_of_the_document(document: dict[str, Any]) -> None:
    properties = {name: schema["properties"] for name, schema in document["schemas"].items()}
    assert {"id", "content", "published", "status", "author", "post", "inReplyTo"} <= set(properties["Comment"])
    assert {"LIVE", "EMPTIED", "PENDING", "SPAM"} == set(properties["Comment"]["status"]["enum"])
    assert {"displayName", "url"} <= set(properties["Comment"]["author"]["properties"])
    assert "hasAdminAccess" in properties["BlogPerUserInfo"]
    assert {"id", "url", "title"} <= set(properties["Post"])
    assert {"items", "nextPageToken"} <= set(properties["CommentList"])
