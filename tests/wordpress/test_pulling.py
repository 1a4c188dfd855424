"""A real WordPress that cannot call us: what its readers wrote is found by asking, whatever its time zone and its permalinks."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from moderation.outbound.http import Client, Guard
from moderation.outbound.publishers import KINDS, Sending
from tests.servers import open_folder
from tests.wordpress.blog import WordPress, package

pytestmark = [pytest.mark.wordpress, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITE = """
require 'wp-load.php';
update_option( 'timezone_string', 'America/New_York' );
wp_delete_comment( 1, true );
foreach ( json_decode( '{rows}', true ) as $row ) {{
	$row['comment_post_ID'] = 1;
	$row['comment_date'] = get_date_from_gmt( $row['comment_date_gmt'] );
	wp_insert_comment( $row );
}}
"""


@pytest.fixture(scope="module", params=["/%postname%/", ""], ids=["pretty", "plain"])
def blog(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    """A blog with neither our file nor the Akismet plugin at work, in New York."""
    with open_folder("tidegate-wordpress-") as folder:
        made = WordPress(folder, package(ROOT / ".wordpress"))
        try:
            made.start(plugin="<?php", key="", permalinks=request.param)
            rows = [*written(), extra(90, comment_approved="spam"), extra(91, comment_type="pingback")]
            made.php(WRITE.format(rows=json.dumps(rows)))
            yield made
        finally:
            made.stop()


def written() -> list[dict[str, Any]]:
    """Return forty-five comments, of which the first twenty-five were written within one second, and every other one waits."""
    return [
        extra(0 if number < 25 else number, comment_content=f"Text {number}.", comment_approved=number % 2)
        for number in range(45)
    ]


def extra(seconds: int, **changes: Any) -> dict[str, Any]:
    at = START + timedelta(seconds=seconds)
    row = {"comment_author": "Ann", "comment_author_email": "ann@blog.example", "comment_author_IP": "203.0.113.9"}
    return {**row, "comment_content": "x", "comment_approved": 1, "comment_date_gmt": f"{at:%Y-%m-%d %H:%M:%S}", **changes}


def pulled(blog: WordPress, since: datetime) -> list[list[dict[str, Any]]]:
    """Walk through all pages since a time."""
    kind = KINDS["wordpress"]
    way = kind.make({"url": blog.url, "username": "tidegate", "password": blog.password})
    pages, place = [], ""
    assert kind.pull is not None
    while True:
        client = Client(Guard(("127.0.0.0/8",)), timeout=30)
        sending = Sending(client=client, message_id="x", secrets=(), now=datetime.now(UTC))
        page = kind.pull(way, since, place, sending)
        assert page.reply.ok, page.reply
        pages.append([dict(row) for row in page.rows])
        if page.next is None:
            return pages
        place = page.next


def test_every_comment_comes_once_with_its_page_and_its_author_and_no_spam(blog: WordPress) -> None:
    pages = pulled(blog, START)
    rows = [row for page in pages for row in page if row["external_id"] is not None]
    assert [len(page) for page in pages][:4] == [10, 10, 10, 10]
    assert sorted(row["body"] for row in rows) == sorted(f"Text {number}." for number in range(45))
    assert len({row["external_id"] for row in rows}) == 45
    assert {row["state"] for row in rows} == {"approved", "held"}
    first = next(row for row in rows if row["body"] == "Text 0.")
    assert (first["state"], first["created_at"], first["address"]) == ("held", "2026-03-01T12:00:00", "203.0.113.9")
    assert (first["author_name"], first["author_email"]) == ("Ann", "ann@blog.example")
    assert first["post_url"].startswith(blog.url)
    assert "#" not in first["post_url"]
    assert first["post_title"] == "Hello world!"


def test_only_what_was_written_since_then_comes(blog: WordPress) -> None:
    (page,) = pulled(blog, START + timedelta(seconds=40))
    assert {row["body"] for row in page if row["external_id"] is not None} == {f"Text {number}." for number in range(40, 45)}
