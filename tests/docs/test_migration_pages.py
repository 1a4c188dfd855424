"""docs/migrate says what is true: its commands work in the order of each page, and its scripts bring comments in.

What needs somebody else's service runs against the stand-in that the publishers' contract has for it, or is named below.
"""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moderation.models import Comment, Status
from tests.api.conftest import CIVIL, SECRET, Door, found_site, open_door, settings
from tests.docs.pages import DOCS, Reader, blocks, commands, listening
from tests.moderation.outbound.publishers.blogs import BLOGS, Blog, Written
from tests.moderation.outbound.receiver import listening as receiving

PAGES = sorted(f"migrate/{path.name}" for path in (DOCS / "migrate").glob("*.md"))
ASKS_GOOGLE = "--ask google-key.txt"
ISSO = """
CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, title VARCHAR(256));
CREATE TABLE comments (tid REFERENCES threads(id), id INTEGER PRIMARY KEY, parent INTEGER, created FLOAT, modified FLOAT,
                       mode INTEGER, remote_addr VARCHAR, text VARCHAR, author VARCHAR, email VARCHAR, website VARCHAR);
INSERT INTO threads VALUES (1, '/arms', 'Arms');
INSERT INTO comments VALUES (1, 7, NULL, 1400000000.5, NULL, 1, '1.2.3.4', 'Long public.', 'Ann', NULL, NULL);
INSERT INTO comments VALUES (1, 8, 7, 1400000001.5, NULL, 2, '1.2.3.4', 'Still waiting.', 'Bob', 'bob@x.example', NULL);
"""
DISQUS = """<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<thread dsq:id="7"><id>arms</id><link>https://blog.example/arms</link><title>Arms</title></thread>
<post dsq:id="1"><message><![CDATA[<p>Said.</p>]]></message><createdAt>2014-05-06T07:08:09Z</createdAt>
<isDeleted>false</isDeleted><isSpam>false</isSpam>
<author><name>Ann</name><username>ann</username></author><thread dsq:id="7"/></post></disqus>"""
WORDPRESS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/"><channel><item><title>Arms</title><link>https://blog.example/arms</link>
<wp:comment><wp:comment_id>7</wp:comment_id><wp:comment_author>Ann</wp:comment_author><wp:comment_content>Said.</wp:comment_content>
<wp:comment_date_gmt>2014-05-06 07:08:09</wp:comment_date_gmt><wp:comment_approved>1</wp:comment_approved></wp:comment>
</item></channel></rss>"""


@pytest.fixture
def running(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Door, Reader]]:
    """A running Tidegate with the pages' sites, and a reader with the exports that the pages speak of in their folder."""
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    given = settings(tmp_path, sqlite_url, webhook_allow=("127.0.0.1",))
    monkeypatch.setenv("TIDEGATE_HOME", str(given.home))
    monkeypatch.setenv("TIDEGATE_SECRET", SECRET.decode())
    monkeypatch.setenv("TIDEGATE_WEBHOOK_ALLOW", "127.0.0.1")
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    exports(tmp_path / "exports")
    monkeypatch.chdir(tmp_path / "exports")
    for door in open_door(given):
        found_site(door.runtime, "my-blog", "https://my-blog.example")
        with listening(door.app) as base:
            monkeypatch.setenv("TIDEGATE_URL", base)
            yield door, Reader(base, tmp_path / "exports")


def exports(folder: Path) -> None:
    """Write one small export of each system, under the names that the pages use."""
    folder.mkdir()
    (folder / "blog.xml").write_text(WORDPRESS)
    (folder / "comments.xml").write_text(DISQUS)
    with sqlite3.connect(folder / "comments.db") as isso:
        isso.executescript(ISSO)
    isso.close()
    coral = folder / "coral-export"
    coral.mkdir()
    said = {"id": "c1", "storyID": "s1", "authorID": "u1", "status": "NONE", "createdAt": {"$date": "2020-01-02T03:04:05Z"}}
    (coral / "comments.json").write_text(json.dumps({**said, "revisions": [{"body": "Said."}]}))
    (coral / "stories.json").write_text(json.dumps({"id": "s1", "url": "https://blog.example/arms"}))
    (coral / "users.json").write_text(json.dumps({"id": "u1", "username": "ann"}))
    (folder / "comments.csv").write_text(
        "id,url,created_at,text,toxicity\n"
        f"1,https://blog.example/arms,2020-01-02T03:04:05Z,{CIVIL.replace(',', ';')},0.1\n"
        "2,https://blog.example/arms,2020-01-02T03:04:06Z,You are a stupid idiot and everybody hates you.,0.9\n"
    )


@pytest.fixture
def stand_in(request: pytest.FixtureRequest) -> Iterator[Blog]:
    """The stand-in for one service."""
    kind = next(each for each in BLOGS if each.kind == request.param)
    with receiving() as receiver:
        blog = kind(f"http://127.0.0.1:{receiver.port}")
        receiver.answer = blog.answer
        yield blog


def beside(reader: Reader, blog: Blog, *secrets: str) -> None:
    """Have the reader enter a stand-in's credentials when asked for them."""
    reader.blog = blog.base
    reader.typed = "".join(f"{blog.config()[name]}\n" for name in secrets)


def scripts(page: str) -> dict[str, Any]:
    """Run the scripts of the first page and of another, and return what they define."""
    names: dict[str, Any] = {}
    for script in blocks("migrate/README.md", "python") + blocks(page, "python"):
        exec(script, names)
    return names


def stored(door: Door) -> dict[str | None, Comment]:
    with door.runtime.database.reading() as session:
        return {comment.external_id: comment for comment in session.query(Comment)}


def test_every_page_is_in_the_first_ones_table_and_says_how_scores_compare() -> None:
    first = (DOCS / "migrate" / "README.md").read_text()
    for page in PAGES:
        name = page.removeprefix("migrate/")
        assert name == "README.md" or f"]({name})" in first
        assert name == "importing.md" or "## How scores compare\n" in (DOCS / page).read_text()
        for link in re.findall(r"]\(([\w./-]+)(?:#[\w-]+)?\)", (DOCS / page).read_text()):
            assert (DOCS / "migrate" / link).exists(), f"{page}: {link}"


def test_the_first_page_works(running: tuple[Door, Reader]) -> None:
    _, reader = running
    reader.follow("migrate/README.md", but=("tidegate site add blog",))


def test_perspectives_page_works(running: tuple[Door, Reader], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.doors.perspective.WAIT", 30.0)
    _, reader = running
    said = reader.follow("migrate/perspective.md", but=(ASKS_GOOGLE,))
    (scored,) = (json.loads(answer) for command, answer in said.items() if command.startswith("curl"))
    assert scored["attributeScores"]["TOXICITY"]["summaryScore"]["value"] < 0.3
    assert (reader.folder / "plot.svg").read_text().startswith("<svg")


def test_openais_page_works(running: tuple[Door, Reader]) -> None:
    _, reader = running
    said = reader.follow("migrate/openai.md")
    (judged,) = (json.loads(answer) for command, answer in said.items() if command.startswith("curl"))
    assert judged["results"][0]["flagged"] is False


def test_akismets_page_works(running: tuple[Door, Reader], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.doors.akismet.WAIT", 30.0)
    door, reader = running
    with door.working():
        said = reader.follow("migrate/akismet.md")
    assert [answer for command, answer in said.items() if command.startswith("curl")] == ["valid", "false"]


@pytest.mark.parametrize("stand_in", ["coral"], indirect=True)
def test_corals_page_works(running: tuple[Door, Reader], stand_in: Blog) -> None:
    _, reader = running
    # Whatever is entered for a signing secret is one, and so is the token.
    beside(reader, stand_in, "token")
    said = reader.follow("migrate/coral.md")
    assert "as documented" in next(answer for command, answer in said.items() if "publisher test" in command)


def test_the_page_on_importing_works(running: tuple[Door, Reader]) -> None:
    door, reader = running
    reader.follow("migrate/importing.md")
    assert {"wordpress:7", "1", "7", "8", "c1", "2"} <= set(stored(door))


@pytest.mark.parametrize("stand_in", ["wordpress"], indirect=True)
def test_the_page_on_wordpress_works(running: tuple[Door, Reader], stand_in: Blog) -> None:
    door, reader = running
    beside(reader, stand_in, "password")
    reader.follow("migrate/wordpress.md")
    assert "wordpress:7" in stored(door)


@pytest.mark.parametrize("stand_in", ["blogger"], indirect=True)
def test_the_page_on_blogger_works(running: tuple[Door, Reader], stand_in: Blog, monkeypatch: pytest.MonkeyPatch) -> None:
    door, reader = running
    beside(reader, stand_in, "client_secret", "refresh_token")
    monkeypatch.setattr("moderation.outbound.publishers.blogger.API", stand_in.base)
    monkeypatch.setattr("moderation.outbound.publishers.blogger.TOKENS", f"{stand_in.base}/token")
    stand_in.written.append(Written(7, datetime.now(UTC) - timedelta(days=1), CIVIL))
    reader.follow("migrate/blogger.md")
    assert set(stored(door)) == {stand_in.known}


@pytest.mark.parametrize("stand_in", ["isso"], indirect=True)
def test_the_page_on_isso_works_and_what_waits_there_is_decided(
    running: tuple[Door, Reader], stand_in: Blog, monkeypatch: pytest.MonkeyPatch
) -> None:
    door, reader = running
    beside(reader, stand_in, "session_key")
    monkeypatch.setenv("TIDEGATE_KEY", door.keys["secret"])
    for _ in range(2):
        scripts("migrate/isso.md")["isso"](reader.folder / "comments.db", "https://blog.example")
    door.work()
    reader.follow("migrate/isso.md")
    found = stored(door)
    assert set(found) == {"7", "8"}
    assert (found["7"].decision_seq, found["8"].decision_seq, found["8"].status) == (0, 1, Status.APPROVED)


SAMPLES: dict[str, dict[str, Any]] = {
    "ghost": {
        "id": "64f0c3b1a7e2d90001aa0007",
        "html": f"<p>{CIVIL}</p><p>Ann &amp; Bob</p>",
        "post": {"id": "p1", "url": "https://blog.example/arms/", "title": "Arms"},
        "member": {"id": "m1", "name": None},
    },
    "disqus": {
        "id": "7",
        "raw_message": CIVIL,
        "author": {"id": "u1", "name": "Ann", "username": "ann"},
        "thread": {"id": "4", "link": "https://blog.example/arms/", "clean_title": "Arms"},
    },
    "discourse": {
        "id": 7,
        "raw": CIVIL,
        "topic_id": 4,
        "topic_slug": "arms",
        "topic_title": "Arms",
        "user_id": 5,
        "username": "ann",
    },
}


@pytest.mark.parametrize(
    ("stand_in", "secrets"),
    [("ghost", ("token",)), ("disqus", ("api_key", "api_secret", "access_token")), ("discourse", ("api_key",))],
    indirect=["stand_in"],
)
def test_the_page_of_a_system_that_cannot_ask_works(
    running: tuple[Door, Reader], stand_in: Blog, secrets: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, reader = running
    beside(reader, stand_in, *secrets)
    monkeypatch.setenv("TIDEGATE_KEY", door.keys["secret"])
    monkeypatch.setattr("moderation.outbound.publishers.disqus.API", stand_in.base)
    page = f"migrate/{stand_in.kind}.md"
    said = reader.follow(page)
    (tried,) = (answer for command, answer in said.items() if "publisher test" in command)
    assert "as documented" in tried
    names = scripts(page)
    more = ("https://forum.example",) if stand_in.kind == "discourse" else ()
    for _ in range(2):
        names["submit"](names[stand_in.kind](SAMPLES[stand_in.kind], *more))
    door.work()
    assert stored(door)[stand_in.known].status is Status.APPROVED


def test_discourses_signature_is_told_from_a_wrong_one() -> None:
    is_signed = scripts("migrate/discourse.md")["is_discourse"]
    good = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert not is_signed(b"{}", good, "key")
    assert is_signed(b"The quick brown fox jumps over the lazy dog", good, "key")


def test_no_command_of_the_pages_is_left_out_but_those_that_ask_google() -> None:
    left_out = [command for page in PAGES for command in commands(page) if ASKS_GOOGLE in command]
    assert len(left_out) == 2
