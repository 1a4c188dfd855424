"""The same without JavaScript: pages, forms, fragments and feeds."""

import gzip
import re
from html import unescape
from string import Formatter
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest

from api.widget import embed, texts
from tests.api.conftest import ABUSIVE, CIVIL
from tests.api.widget.conftest import PAGE

QUERY = urlencode({"post": PAGE["id"], "url": PAGE["url"], "title": PAGE["title"]})
ATOM = "{http://www.w3.org/2005/Atom}"


def form_of(html: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)}


def sent(reader: Any, body: str = CIVIL, **changes: str) -> Any:
    page = reader.door.client.get(f"/s/blog/comments?{QUERY}")
    assert page.status_code == 200, page.text
    fields = {**form_of(page.text), "name": "Ada", "body": body, **changes}
    with reader.door.working():
        return reader.door.client.post("/s/blog/comments", data=fields)


def test_a_form_leads_to_the_authors_page(reader: Any) -> None:
    answer = sent(reader)
    assert answer.status_code == 303
    page = reader.door.client.get(answer.location)
    assert "Published. Thank you for joining in." in page.text
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert [each["body"] for each in reader.thread()] == [CIVIL]


def test_a_form_sent_twice_is_one_comment(reader: Any) -> None:
    page = reader.door.client.get(f"/s/blog/comments?{QUERY}")
    fields = {**form_of(page.text), "name": "Ada", "body": CIVIL}
    with reader.door.working():
        found = {reader.door.client.post("/s/blog/comments", data=fields).location for _ in range(2)}
    assert len(found) == 1
    assert len(reader.thread()) == 1


def test_a_form_of_somebody_elses_making_is_not_taken(sqlite_reader: Any) -> None:
    for note in ("", "x", "WyJwMSIsIngiXQ.aaaa.bbbb"):
        answer = sent(sqlite_reader, note=note)
        assert answer.status_code == 422
        assert CIVIL in answer.text
    assert sqlite_reader.thread() == []
    elsewhere = sqlite_reader.door.client.get("/s/blog/comments?url=https://evil.example/&title=x")
    assert elsewhere.status_code == 422


def test_an_empty_comment_keeps_the_rest_of_the_form(sqlite_reader: Any) -> None:
    answer = sent(sqlite_reader, body="", name='"><b>Ada')
    assert answer.status_code == 422
    assert "Please write something first." in answer.text
    assert "&#34;&gt;&lt;b&gt;Ada" in answer.text


def test_no_page_sets_a_cookie_or_runs_a_script(reader: Any) -> None:
    location = sent(reader, ABUSIVE).location
    for path in (f"/s/blog/comments?{QUERY}", location, f"/s/blog/fragment?{QUERY}", "/s/blog/feed.atom", "/embed.js"):
        answer = reader.door.client.get(path)
        assert answer.status_code == 200, path
        assert "Set-Cookie" not in answer.headers
        if answer.mimetype == "text/html":
            assert "script" not in answer.headers["Content-Security-Policy"]
            assert "<script" not in answer.text


def test_the_authors_page_changes_withdraws_and_appeals(reader: Any) -> None:
    location = sent(reader, ABUSIVE).location
    reader.token = re.findall(r"/c/([\w-]+)", location)[0]
    client = reader.door.client
    assert ABUSIVE in unescape(client.get(location).text)
    reader.decide("reject", reason=1)
    assert "Ask for a second look" in client.get(location).text
    assert client.post(f"/c/{reader.token}/second-look").status_code == 303
    assert reader.own()["outcome"] == "second_look"
    with reader.door.working():
        assert client.post(f"/c/{reader.token}/edit", data={"body": CIVIL}).status_code == 303
    assert client.post(f"/c/{reader.token}/edit", data={"body": " "}).status_code == 422
    # After a human's rejection a person reads the next version, whatever it says.
    assert (reader.own()["body"], reader.own()["status"]) == (CIVIL, "flagged")
    assert client.post(f"/c/{reader.token}/withdraw").status_code == 303
    assert reader.own()["status"] == "withdrawn"


def test_a_report_without_a_script(reader: Any) -> None:
    comment_id = reader.send().json["id"]
    page = reader.door.client.get(f"/s/blog/report?comment={comment_id}&lang=de")
    assert "Was stimmt nicht" in page.text
    assert reader.door.client.post("/s/blog/report", data={"comment": comment_id, "reason": "9"}).status_code == 422
    assert reader.door.client.post("/s/blog/report", data={"comment": comment_id, "reason": "5"}).status_code == 200
    assert len(reader.door.get("/v1/cases?kind=reported").json["items"]) == 1


def test_feeds_hold_what_is_public_as_plain_text(reader: Any) -> None:
    body = "I think <b>this</b> & ]]> that are odd words in a treaty."
    comment_id = reader.send(body).json["id"]
    reader.send(ABUSIVE)
    for path in ("/s/blog/feed.atom?post=p1", "/s/blog/feed.atom"):
        answer = reader.door.client.get(path)
        (entry,) = ET.fromstring(answer.data).findall(f"{ATOM}entry")
        content, link = entry.find(f"{ATOM}content"), entry.find(f"{ATOM}link")
        assert content is not None
        assert (content.text, content.get("type")) == (body, "text")
        assert link is not None
        assert link.get("href") == f"{PAGE['url']}#{comment_id}"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        again = reader.door.client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    (item,) = reader.door.client.get("/s/blog/feed.json?post=p1").json["items"]
    assert (item["id"], item["content_text"]) == (comment_id, body)
    assert reader.door.client.get("/s/blog/feed.json?post=unknown").json["items"] == []
    assert reader.door.client.get("/s/nobody/feed.json").status_code == 404


def test_a_page_that_nobody_commented_on_has_an_empty_thread(reader: Any) -> None:
    answer = reader.call("GET", "/v1/threads?post=new&url=https://blog.example/new")
    assert (answer.status_code, answer.json["comments"], answer.json["total"]) == (200, [], 0)
    again = reader.call("GET", "/v1/threads?post=new", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert reader.call("GET", "/v1/threads").status_code == 422


def test_the_script_is_small_and_sets_text_only(sqlite_door: Any) -> None:
    answer = sqlite_door.client.get("/embed.js")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert len(gzip.compress(answer.data)) < 15_000
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|document\.cookie|\.style\b", answer.text
    )


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_every_language_says_everything(sqlite_door: Any, language: str) -> None:
    assert holes(texts.texts(language)) == holes(texts.texts("en"))
    answer = sqlite_door.client.get(f"/embed/texts/{language}.json")
    assert set(answer.json) == set(texts.FOR_THE_SCRIPT)
    script = embed._read("embed.js").decode()
    for part, name in set(re.findall(r"\bt\.(\w+)\.(\w+)", script)):
        assert name in answer.json[part] or name in texts.FOR_MAIL, f"{part}.{name}"


def holes(found: Any) -> dict[str, set[str]]:
    """Return every text's name with its placeholders."""
    return {
        f"{part}.{name}": {hole for _, hole, _, _ in Formatter().parse(text) if hole}
        for part, names in found.items()
        if isinstance(names, dict)
        for name, text in names.items()
    }


def test_a_reader_may_do_no_more_than_before(sqlite_reader: Any) -> None:
    comment_id = sqlite_reader.send().json["id"]
    for method, path in (("PATCH", "/v1/comments/"), ("DELETE", "/v1/comments/"), ("GET", "/v1/comments/")):
        assert sqlite_reader.call(method, path + comment_id, {"body": "x"}).status_code == 403
    assert sqlite_reader.call("PUT", "/v1/posts/p1", {"url": PAGE["url"]}).status_code == 403


def test_a_blogs_server_may_fetch_for_all_of_its_readers(sqlite_reader: Any) -> None:
    fetched = {sqlite_reader.door.client.get(f"/s/blog/fragment?{QUERY}").status_code for _ in range(40)}
    assert fetched == {200}
    looked = [sqlite_reader.door.client.get(f"/s/blog/comments?{QUERY}").status_code for _ in range(121)]
    assert looked == [200] * 120 + [429]
