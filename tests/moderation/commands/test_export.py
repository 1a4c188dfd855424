"""A site's comments as a file: all of it, and back in again."""

import stat
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from moderation.database import Database
from moderation.ids import show
from moderation.models import Comment, Revision
from moderation.services import exporting
from tests.moderation.commands.conftest import Cli, answer


def imported(cli: Cli, folder: Path, *rows: dict[str, Any]) -> None:
    path = folder / "old.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps({"url": "https://blog.example/arms", "text": "hello", **row}) for row in rows))
    cli("import", str(path), "--site", "blog", "--from", "jsonl")


def rows(number: int) -> list[dict[str, Any]]:
    return [{"id": f"c{each}", "created_at": 1_500_000_000 + each, "author_name": f"Reader {each % 3}"} for each in range(number)]


def test_an_export_holds_every_comment_with_all_that_belongs_to_it(cli: Cli, installed: Database, tmp_path: Path) -> None:
    imported(cli, tmp_path, *rows(3), {"id": "c9", "created_at": 1_500_000_009, "parent_id": "c1", "status": "spam"})
    target = tmp_path / "all.jsonl"
    said = answer(cli("export", str(target), "--site", "blog", "--json"))
    assert said["comments"] == 4
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    site, *lines = map(orjson.loads, target.read_bytes().splitlines())
    assert (site["type"], site["name"], site["format"]) == ("site", "blog", 1)
    assert [line["external_id"] for line in lines] == ["c0", "c1", "c2", "c9"]
    last = lines[-1]
    assert (last["status"], last["parent_external_id"], last["post"]["url"]) == ("rejected", "c1", "https://blog.example/arms")
    assert last["revisions"][0]["body"] == last["body"] == "hello"
    assert lines[0]["author"]["name"] == "Reader 0"


def test_an_export_comes_in_again_as_it_stood_and_once(cli: Cli, installed: Database, tmp_path: Path) -> None:
    imported(cli, tmp_path, *rows(4), {"id": "c9", "created_at": 1_500_000_009, "parent_id": "c1", "status": "held"})
    target = tmp_path / "all.jsonl"
    cli("export", str(target), "--site", "blog")
    known = answer(cli("import", str(target), "--site", "blog", "--from", "tidegate", "--json"))
    assert (known["imported"], known["known"], known["bad"]) == (0, 5, 0)
    cli("site", "add", "other", "--title", "Another", "--origin", "https://other.example", "--policy", "standard")
    moved = answer(cli("import", str(target), "--site", "other", "--from", "tidegate", "--json"))
    assert (moved["imported"], moved["bad"]) == (5, 0)
    with installed.reading() as session:
        found = session.execute(
            select(Comment.external_id, Comment.status, Revision.body)
            .join(Revision, Revision.comment_id == Comment.id)
            .order_by(Comment.site_id, Comment.id)
        ).all()
    assert found[:5] == found[5:]


def test_a_comment_that_came_from_here_is_known_by_our_id_whatever_the_blog_calls_it(
    cli: Cli, installed: Database, tmp_path: Path
) -> None:
    imported(cli, tmp_path, *rows(1))
    with installed.reading() as session:
        ours = show("comment", session.scalars(select(Comment)).one().id)
    path = tmp_path / "again.jsonl"
    line = {"type": "comment", "id": ours, "external_id": "wordpress:77", "status": "approved", "body": "hello"}
    path.write_bytes(orjson.dumps({**line, "post": {"url": "https://blog.example/arms"}, "created_at": "2020-01-01T00:00:00Z"}))
    said = answer(cli("import", str(path), "--site", "blog", "--from", "tidegate", "--json"))
    assert (said["imported"], said["known"]) == (0, 1)


def test_more_than_a_chunk_is_exported_in_order(cli: Cli, installed: Database, tmp_path: Path) -> None:
    imported(cli, tmp_path, *rows(exporting.CHUNK + 7))
    lines = cli("export", "-", "--site", "blog").stdout.splitlines()
    assert [orjson.loads(line)["external_id"] for line in lines[1:]] == [f"c{each}" for each in range(exporting.CHUNK + 7)]
