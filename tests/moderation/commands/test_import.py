"""Bringing comments of another system in: as they stood there, once, and quietly."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import func, select

from moderation.database import Database
from moderation.models import Case, Comment, Delivery, Event, Job, Post, Revision, Status
from moderation.services import threads
from tests.moderation.commands.conftest import Cli, answer


def line(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "url": "https://blog.example/arms",
        "text": f"comment {number}",
        "author_email": "ann@reader.example",
        "author_name": "Ann",
        "created_at": f"2020-01-01T00:{number:02}:00Z",
        **changes,
    }


def file_of(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "old.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return str(path)


def stored(database: Database) -> dict[str, Comment]:
    with database.reading() as session:
        return {str(comment.external_id): comment for comment in session.scalars(select(Comment).order_by(Comment.id))}


def test_comments_come_in_as_they_stood_and_nobody_hears_of_it(cli: Cli, installed: Database, tmp_path: Path) -> None:
    rows = (
        line(2, parent_id="1"),
        line(1),
        line(3, status="held"),
        line(4, status="spam"),
        line(5, status="deleted", parent_id="2"),
    )
    said = answer(cli("import", file_of(tmp_path, *rows), "--site", "blog", "--from", "jsonl", "--json"))
    assert (said["imported"], said["known"], said["bad"]) == (5, 0, 0)
    found = stored(installed)
    assert list(found) == ["1", "2", "3", "4", "5"]  # in the order of their time, whatever that of the file
    assert [str(comment.status) for comment in found.values()] == ["approved", "approved", "flagged", "rejected", "erased"]
    assert [comment.visible_revision for comment in found.values()] == [1, 1, None, None, None]
    assert found["2"].parent_id == found["1"].id
    assert found["5"].parent_id == found["2"].id
    assert found["1"].created_at.isoformat() == "2020-01-01T00:01:00+00:00"
    assert len({comment.author_id for name, comment in found.items() if name != "5"}) == 1
    with installed.reading() as session:
        for table in (Case, Event, Job, Delivery):
            assert session.scalar(select(func.count()).select_from(table)) == 0, table.__tablename__
        assert session.scalar(select(Revision.body).where(Revision.comment_id == found["5"].id)) == ""
        site_id = found["1"].site_id
        thread = threads.thread(session, site_id, "https://blog.example/arms", now=datetime.now(UTC))
        assert [(public.external_id, public.depth) for public in thread.comments] == [("1", 0), ("2", 1)]


def test_the_same_again_or_from_where_it_broke_off_stores_nothing_twice(cli: Cli, installed: Database, tmp_path: Path) -> None:
    first = answer(cli("import", file_of(tmp_path, line(1)), "--site", "blog", "--from", "jsonl", "--json"))
    assert first["imported"] == 1
    with installed.transaction() as session:
        # Decided here since: an import takes nothing back.
        session.scalars(select(Comment)).one().status = Status.REJECTED
    path = file_of(
        tmp_path, *(line(number % 450, id=str(number)) | {"created_at": 1_500_000_000 + number} for number in range(450))
    )
    again = answer(cli("import", path, "--site", "blog", "--from", "jsonl", "--json"))
    assert (again["imported"], again["known"]) == (449, 1)
    third = answer(cli("import", path, "--site", "blog", "--from", "jsonl", "--json"))
    assert (third["imported"], third["known"]) == (0, 450)
    found = stored(installed)
    assert len(found) == 450
    assert found["1"].status is Status.REJECTED
    with installed.reading() as session:
        assert session.scalar(select(func.count()).select_from(Post)) == 1


def test_a_bad_row_is_told_by_its_line_and_makes_the_exit_code_1(cli: Cli, installed: Database, tmp_path: Path) -> None:
    path = file_of(tmp_path, line(1), line(2, url="nowhere"), line(3))
    result = cli("import", path, "--site", "blog", "--from", "jsonl", code=1)
    assert "2 imported, 0 known already, 1 left out" in result.stdout
    assert "post_url" in result.stdout
    assert set(stored(installed)) == {"1", "3"}


def test_a_file_without_a_comment_in_it_is_no_success(cli: Cli, installed: Database, tmp_path: Path) -> None:
    for source, text in (("jsonl", ""), ("csv", "id,url,text,created_at\n"), ("wordpress", "<rss/>"), ("tidegate", "")):
        path = tmp_path / "nothing"
        path.write_text(text)
        said = cli("import", str(path), "--site", "blog", "--from", source, code=1).stderr
        assert f"is it what {source} exports?" in said


def test_two_replies_that_name_each_other_make_no_circle(cli: Cli, installed: Database, tmp_path: Path) -> None:
    path = file_of(tmp_path, line(1, parent_id="2"), line(2, parent_id="1"), line(3, parent_id="3"))
    cli("import", path, "--site", "blog", "--from", "jsonl")
    found = stored(installed)
    assert (found["1"].parent_id, found["2"].parent_id, found["3"].parent_id) == (None, found["1"].id, None)
