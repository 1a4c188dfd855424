"""What each reader makes of its system's export, and of a file made to hurt."""

import gzip
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest

from moderation.sources import READERS, BadRow, Options, Record, rows
from moderation.sources.html import plain
from moderation.sources.markup import DEEPEST, LARGEST

DISQUS = """<?xml version="1.0" encoding="utf-8"?>
<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">
<thread dsq:id="7"><id>arms</id><link>https://blog.example/arms</link><title>Arms</title></thread>
%s
</disqus>
"""
POST = """<post dsq:id="%s"><message><![CDATA[<p>One<br>two</p><p><a href="https://x.example/">here</a></p>]]></message>
<createdAt>2014-05-06T07:08:09Z</createdAt><isDeleted>%s</isDeleted><isSpam>%s</isSpam>
<author><name>Ann</name><isAnonymous>false</isAnonymous><username>ann</username></author>
<thread dsq:id="%s"/>%s</post>"""


def read(kind: str, path: Path, base_url: str | None = None) -> tuple[list[Record], list[BadRow]]:
    found: Iterable[Record | BadRow] = list(READERS[kind](path, Options(base_url=base_url)))
    return [row for row in found if isinstance(row, Record)], [row for row in found if isinstance(row, BadRow)]


def written(folder: Path, text: str | bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_disqus_posts_come_with_their_thread_state_and_plain_text(tmp_path: Path) -> None:
    posts = [
        POST % ("1", "false", "false", "7", ""),
        POST % ("2", "false", "true", "7", '<parent dsq:id="1"/>'),
        POST % ("3", "true", "false", "7", ""),
        POST % ("4", "false", "false", "unknown", ""),
    ]
    records, bad = read("disqus", written(tmp_path, DISQUS % "".join(posts)))
    assert [(each.external_id, each.state, each.parent_id) for each in records] == [
        ("1", "approved", None),
        ("2", "rejected", "1"),
        ("3", "deleted", None),
    ]
    first, _, deleted = records
    assert first.body == "One\ntwo\n\nhere (https://x.example/)"
    assert deleted.body == ""
    assert (first.post_url, first.post_id, first.author_handle) == ("https://blog.example/arms", "arms", "disqus:ann")
    assert [row.code for row in bad] == ["thread"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('<!DOCTYPE d [<!ENTITY a "b">]><d>&a;</d>', "doctype"),
        ('<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>', "doctype"),
        ("<a>" * (DEEPEST + 1), "too-deep"),
        (DISQUS % f"<post><message>{'a' * (LARGEST + 1)}</message></post>", "too-large"),
        ("no XML", "malformed"),
        ("", "malformed"),
    ],
)
def test_xml_made_to_hurt_is_one_bad_row(tmp_path: Path, content: str, code: str) -> None:
    records, bad = read("disqus", written(tmp_path, content))
    assert records == []
    assert [row.code for row in bad] == [code]


def test_what_stands_before_a_break_in_the_xml_is_read(tmp_path: Path) -> None:
    cut = (DISQUS % (POST % ("1", "false", "false", "7", "")))[:-5]
    records, bad = read("disqus", written(tmp_path, cut))
    assert [each.external_id for each in records] == ["1"]
    assert [row.code for row in bad] == ["malformed"]


def test_isso_is_read_from_its_own_tables_and_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "comments.db"
    with sqlite3.connect(path) as isso:
        isso.execute("CREATE TABLE threads (id INTEGER PRIMARY KEY, uri VARCHAR(256) UNIQUE, title VARCHAR(256))")
        isso.execute(
            "CREATE TABLE comments (tid REFERENCES threads(id), id INTEGER PRIMARY KEY, parent INTEGER, created FLOAT, "
            "modified FLOAT, mode INTEGER, remote_addr VARCHAR, text VARCHAR, author VARCHAR, email VARCHAR, website VARCHAR)"
        )
        isso.execute("INSERT INTO threads VALUES (1, '/arms', 'Arms')")
        for number, mode in ((1, 1), (2, 2), (3, 4), (4, 9)):
            isso.execute(
                "INSERT INTO comments VALUES (1, ?, ?, 1400000000.5, NULL, ?, '1.2.3.4', 'said', 'Ann', 'ann@x.example', NULL)",
                (number, 1 if number == 2 else None, mode),
            )
    isso.close()
    before = path.read_bytes()
    records, bad = read("isso", path, "https://blog.example")
    assert [(each.external_id, each.state, each.parent_id) for each in records] == [
        ("1", "approved", None),
        ("2", "held", "1"),
        ("3", "deleted", None),
    ]
    assert {each.post_url for each in records} == {"https://blog.example/arms"}
    assert [(row.line, row.code) for row in bad] == [(4, "state")]
    assert path.read_bytes() == before
    assert [row.code for row in read("isso", written(tmp_path, "no database at all, but long enough" * 9))[1]] == ["malformed"]


def test_coral_comments_find_their_story_and_their_author(tmp_path: Path) -> None:
    comment = {
        "id": "c1",
        "storyID": "s1",
        "authorID": "u1",
        "status": "PREMOD",
        "createdAt": {"$date": "2020-01-02T03:04:05.678Z"},
    }
    comments = [
        {**comment, "revisions": [{"body": "old"}, {"body": "<div>new</div>"}]},
        {
            **comment,
            "id": "c2",
            "status": "NONE",
            "createdAt": {"$date": {"$numberLong": "1577934245678"}},
            "revisions": [{"body": "b"}],
        },
        {**comment, "id": "c3", "storyID": "s9"},
        {**comment, "id": "c4", "status": "WHATEVER"},
    ]
    written(tmp_path, b"\n".join(map(orjson.dumps, comments)), "comments.json")
    written(tmp_path, orjson.dumps({"id": "s1", "url": "https://n.example/a", "metadata": {"title": "A"}}), "stories.json")
    written(tmp_path, orjson.dumps({"id": "u1", "username": "ann"}), "users.json")
    records, bad = read("coral", tmp_path)
    first, second = records
    assert (first.body, first.state, first.author_name, first.author_id, first.post_title) == ("new", "held", "ann", "u1", "A")
    assert second.state == "approved"
    assert first.created_at == second.created_at
    assert [(row.line, row.code) for row in bad] == [(3, "story"), (4, "state")]


def test_rows_that_cannot_be_used_are_told_by_line_and_the_others_read(tmp_path: Path) -> None:
    good = {"id": "1", "url": "https://b.example/", "text": "said", "created_at": "2020-01-02T03:04:05+01:00"}
    lines = [
        orjson.dumps(good),
        b"{no",
        orjson.dumps({**good, "url": "/arms"}),
        orjson.dumps({**good, "text": ""}),
        orjson.dumps({**good, "created_at": "yesterday"}),
        orjson.dumps({**good, "text": {"a": 1}}),
        orjson.dumps({**good, "status": "odd"}),
        b"[1]",
        b"",
        orjson.dumps({**good, "id": 2, "status": "Spam", "created_at": 1500000000}),
    ]
    records, bad = read("jsonl", written(tmp_path, b"\n".join(lines)))
    assert [(each.line, each.external_id, each.state) for each in records] == [(1, "1", "approved"), (10, "2", "rejected")]
    assert records[0].created_at.isoformat() == "2020-01-02T02:04:05+00:00"
    assert [(row.line, row.code) for row in bad] == [
        (2, "malformed"),
        (3, "post_url"),
        (4, "empty"),
        (5, "created_at"),
        (6, "nested"),
        (7, "state"),
        (8, "malformed"),
    ]


def test_csv_fields_may_hold_lines_and_a_short_row_is_left_out(tmp_path: Path) -> None:
    text = 'id,url,text,created_at\n1,https://b.example/,"one\ntwo",2020-01-02\n2,https://b.example/\n3,https://b.example/,t,2020-01-02\n'
    records, bad = read("csv", written(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert [(each.external_id, each.body) for each in records] == [("1", "one\ntwo"), ("3", "t")]
    assert [row.code for row in bad] == ["columns"]


GOOD = b"1,https://b.example/,said,2020-01-02"


@pytest.mark.parametrize(
    "text",
    [
        b"id,url,text,created_at\r\n" + GOOD + b"\r\n",
        b"\xef\xbb\xbfid;url;text;created_at\n" + GOOD.replace(b",", b";"),
        b"ID\t Url \ttext\tcreated_at\n" + GOOD.replace(b",", b"\t"),
        b"id,url,text,created_at\r" + GOOD + b"\r",
        b"external_id,post_url,body,created_at\n" + GOOD + b"\n",
    ],
)
def test_csv_of_any_spreadsheet_is_read(tmp_path: Path, text: bytes) -> None:
    records, bad = read("csv", written(tmp_path, text))
    assert [(each.external_id, each.post_url, each.body) for each in records] == [("1", "https://b.example/", "said")]
    assert bad == []


@pytest.mark.parametrize(
    ("kind", "text", "codes"),
    [
        ("csv", "id,url,text,created_at\n1,https://b.example/,said,2020-01-02\n".encode("utf-16"), ["encoding"]),
        ("csv", b"id,url,text,created_at\n1,https://b.example/,Gr\xfc\xdfe,2020-01-02\n" + GOOD, ["encoding"]),
        ("csv", b"number,page,said\n1,https://b.example/,x\n2,https://b.example/,x\n", ["columns"]),
        ("csv", b"", []),
        ("csv", b'"id,url\n', ["malformed"]),
        ("csv", b"\0\0\0\0", []),
        ("tidegate", b'{"id": "1", "text": "hi"}\n', ["type"]),
        ("tidegate", b'{"type": "site", "format": 2}\n{"type": "comment"}\n', ["format"]),
        ("csv", b"id,url,text,created_at\n" + GOOD + b'\n2,https://b.example/,"cut o', ["malformed"]),
        ("jsonl", '{"id": 1}\n'.encode("utf-16"), ["encoding"]),
        ("jsonl", b'[{"id": 1},\n{"id": 2}]\n', ["array"]),
        ("jsonl", b'[\n{"id": 1},\n{"id": 2}]\n', ["array"]),
        ("jsonl", b'{"id": "1", "text": "Gr\xfc\xdfe"}\n{"id": ', ["malformed", "malformed"]),
    ],
)
def test_a_file_of_another_form_or_encoding_is_told_once_and_not_mangled(
    tmp_path: Path, kind: str, text: bytes, codes: list[str]
) -> None:
    records, bad = read(kind, written(tmp_path, text))
    assert [row.code for row in bad] == codes
    assert all("\ufffd" not in each.body for each in records)


def test_json_lines_may_begin_with_a_byte_order_mark_and_end_as_on_windows(tmp_path: Path) -> None:
    line = orjson.dumps({"id": "1", "url": "https://b.example/", "text": "said", "created_at": "2020-01-02"})
    records, bad = read("jsonl", written(tmp_path, b"\xef\xbb\xbf" + line + b"\r\n" + line + b"\r\n"))
    assert (len(records), bad) == (2, [])


def test_a_csv_without_line_ends_takes_no_more_memory_than_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, b"id,url,text,created_at\n" + b"x" * (3 * rows.LONGEST_LINE))
    records, bad = read("csv", path)
    assert (records, {row.code for row in bad} <= {"columns", "malformed"}, len(bad)) == ([], True, 3)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("broken", "body"),
    [
        (b"One\x08 \x00two", "One two"),
        (b"Gr\xfc\xdfe", "Gr\ufffd\ufffde"),
        ("a\ufffe\uffffb".encode(), "ab"),
        ("\ud83d".encode("utf-8", "surrogatepass"), "\ufffd\ufffd\ufffd"),
    ],
)
def test_xml_with_bytes_that_are_no_text_is_read_to_its_end(
    tmp_path: Path, pack: Callable[[bytes], bytes], broken: bytes, body: str
) -> None:
    posts = b"".join((POST % (number, "false", "false", "7", "")).encode() for number in (1, 2))
    text = (DISQUS % "POSTS").encode().replace(b"POSTS", posts.replace(b"<p>One<br>two</p>", broken, 1))
    records, bad = read("disqus", written(tmp_path, pack(text)))
    assert [each.external_id for each in records] == ["1", "2"]
    assert records[0].body.startswith(body)
    assert bad == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_xml_is_read_in_the_encoding_that_it_declares(tmp_path: Path, encoding: str) -> None:
    declared = DISQUS.replace("utf-8", encoding.removesuffix("-sig"))
    text = declared % (POST % ("1", "false", "false", "7", "")).replace("One", "Gr\u00fc\u00dfe")
    records, bad = read("disqus", written(tmp_path, text.replace("\n", "\r\n").encode(encoding)))
    assert ([each.body.split("\n")[0] for each in records], bad) == (["Gr\u00fc\u00dfe"], [])


def test_a_packed_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    posts = "".join(POST % (number, "false", "false", "7", "") for number in range(3000))
    whole = gzip.compress((DISQUS % posts).encode())
    records, bad = read("disqus", written(tmp_path, whole[: len(whole) // 2]))
    assert 0 < len(records) < 3000
    assert [row.code for row in bad] == ["malformed"]


def test_scripts_are_no_text() -> None:
    assert plain("<p>a</p><script>alert(1)</script><style>b{}</style>&lt;b&gt;") == "a\n\n<b>"


WXR = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/%s/">
<channel><title>A blog</title><link>https://blog.example</link>
<item><title>Arms</title><link>https://blog.example/arms</link><content:encoded><![CDATA[<p>long</p>]]></content:encoded>
%s</item>
<item><title>A draft</title><link></link>%s</item>
</channel></rss>
"""


def wxr_comment(number: int, *, approved: str = "1", parent: int = 0, kind: str = "comment", meta: str = "") -> str:
    return f"""<wp:comment><wp:comment_id>{number}</wp:comment_id><wp:comment_author><![CDATA[Ann]]></wp:comment_author>
<wp:comment_author_email>ann@reader.example</wp:comment_author_email><wp:comment_author_url></wp:comment_author_url>
<wp:comment_date>2020-01-02 05:04:05</wp:comment_date><wp:comment_date_gmt>2020-01-02 03:04:05</wp:comment_date_gmt>
<wp:comment_content><![CDATA[Comment <b>{number}</b>]]></wp:comment_content><wp:comment_approved>{approved}</wp:comment_approved>
<wp:comment_type>{kind}</wp:comment_type><wp:comment_parent>{parent}</wp:comment_parent><wp:comment_user_id>0</wp:comment_user_id>
{meta}</wp:comment>"""


def test_a_comment_of_wordpress_without_the_time_in_utc_has_the_blogs_own(tmp_path: Path) -> None:
    undated = wxr_comment(1).replace("2020-01-02 03:04:05", "0000-00-00 00:00:00")
    records, bad = read("wordpress", written(tmp_path, WXR % ("1.2", undated, "")))
    assert ([each.created_at.isoformat() for each in records], bad) == (["2020-01-02T05:04:05+00:00"], [])


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_wordpress_comments_come_with_their_posts_address_and_state(tmp_path: Path, version: str) -> None:
    ours = "<wp:commentmeta><wp:meta_key>tidegate_id</wp:meta_key><wp:meta_value>cmt_1</wp:meta_value></wp:commentmeta>"
    comments = [
        wxr_comment(1),
        wxr_comment(2, approved="0", parent=1),
        wxr_comment(3, approved="spam", meta=ours),
        wxr_comment(4, approved="trash"),
        wxr_comment(5, kind="pingback"),
        wxr_comment(6, approved="odd"),
    ]
    records, bad = read("wordpress", written(tmp_path, WXR % (version, "".join(comments), wxr_comment(7))))
    assert [(each.external_id, each.state, each.body) for each in records] == [
        ("wordpress:1", "approved", "Comment 1"),
        ("wordpress:2", "held", "Comment 2"),
        ("wordpress:3", "rejected", "Comment 3"),
        ("wordpress:4", "rejected", "Comment 4"),
    ]
    assert {(each.post_url, each.post_title) for each in records} == {("https://blog.example/arms", "Arms")}
    assert (records[1].parent_id, records[2].ours) == ("wordpress:1", "cmt_1")
    assert records[0].created_at.isoformat() == "2020-01-02T03:04:05+00:00"
    # One with a state that WordPress has not, and one below a page without an address.
    assert [row.code for row in bad] == ["state", "missing"]
