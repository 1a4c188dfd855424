"""The Akismet door: the words and headers of the protocol, and that a check is a comment like any other."""

import gzip
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

import pytest
from sqlalchemy import func, select

from api.doors import akismet
from moderation.ids import new_id
from moderation.models import Case, Comment, Decider, Decision, EndpointState, Publisher
from moderation.services import sites
from tests.api.conftest import ABUSIVE, CIVIL, ORIGIN

WORDPRESS = {"User-Agent": "WordPress/6.1.9 | Akismet/5.0.2"}
THANKS = "Thanks for making the web a better place."


class Blog:
    """A blog with an Akismet client of some kind."""

    def __init__(self, door: Any) -> None:
        self.door = door
        self.key = door.keys["door"]

    def send(self, call: str, *, headers: Any = None, api_key: str | None = "", **fields: Any) -> Any:
        given = {"api_key": self.key if api_key == "" else api_key, "blog": ORIGIN, "user_ip": "192.0.2.7", **fields}
        sent = {name: value for name, value in given.items() if value is not None}
        return self.door.client.post(f"/1.1/{call}", data=sent, headers=headers)

    def check(self, text: str | None = CIVIL, *, headers: Any = None, **fields: Any) -> Any:
        usual = {"permalink": f"{ORIGIN}/arms", "comment_author": "Ada", "comment_author_email": "ada@example.org"}
        return self.send("comment-check", headers=headers, **{**usual, "comment_content": text, **fields})

    def tell(self, call: str, text: str = CIVIL, **fields: Any) -> Any:
        usual = {"permalink": f"{ORIGIN}/arms", "comment_author": "Ada", "comment_author_email": "ada@example.org"}
        return self.send(call, **{**usual, "comment_content": text, **fields})

    def only(self) -> dict[str, Any]:
        (item,) = self.door.get("/v1/comments").json["items"]
        return dict(item)


@pytest.fixture
def blog(door: Any) -> Blog:
    return Blog(door)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works, so nobody needs to wait."""
    monkeypatch.setattr(akismet, "WAIT", 0.01)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a check wait however slow the machine is."""
    monkeypatch.setattr(akismet, "WAIT", 60.0)


def test_a_key_is_valid_in_either_field_and_as_the_hosts_first_label(blog: Blog) -> None:
    key = blog.key
    client = blog.door.client
    for sent, host in (
        ({"key": key}, None),
        ({"api_key": key}, None),
        ({}, f"{key}.rest.akismet.com"),
        ({}, f"{key}.localhost:80"),
        ({}, f"{key.upper()}.rest.akismet.com"),
    ):
        answer = client.post("/1.1/verify-key", data={**sent, "blog": ORIGIN}, headers={"Host": host} if host else None)
        assert (answer.status_code, answer.data, answer.mimetype) == (200, b"valid", "text/plain")
        assert akismet.HELP not in answer.headers


@pytest.mark.parametrize(
    ("written", "charset"), [("ISO-8859-1", "ISO-8859-1"), ("windows-1251", "windows-1251"), ("utf-8", "ISO-8859-1")]
)
@pytest.mark.parametrize("raw", [False, True])
def test_a_form_is_read_in_the_charset_that_it_is_written_in(
    blog: Blog, quick: None, written: str, charset: str, *, raw: bool
) -> None:
    text = "\u0421\u043f\u0430\u0441\u0438\u0431\u043e" if written == "windows-1251" else "Gr\u00fc\u00dfe an alle"
    fields = {"api_key": blog.key, "blog": ORIGIN, "user_ip": "", "comment_content": text, "blog_charset": charset}
    data = urlencode(fields, encoding=written)
    sent = unquote_to_bytes(data) if raw else data.encode()
    assert blog.door.client.post("/1.1/comment-check", data=sent).data in {b"true", b"false"}
    assert blog.only()["body"] == text


@pytest.mark.parametrize("charset", ["", "idna", "rot13", "nonsense", "utf-16"])
def test_a_charset_that_is_none_is_no_reason_not_to_judge(blog: Blog, quick: None, charset: str) -> None:
    data = f"api_key={blog.key}&blog={ORIGIN}&user_ip=&comment_content=Gr%FC%DFe&blog_charset={charset}"
    assert blog.door.client.post("/1.1/comment-check", data=data).data in {b"true", b"false", b"invalid"}


def test_a_packed_form_is_read(blog: Blog, quick: None) -> None:
    data = gzip.compress(urlencode({"api_key": blog.key, "blog": ORIGIN, "user_ip": "", "comment_content": CIVIL}).encode())
    for path in ("/1.1/comment-check", "/1.1//comment-check"):
        answer = blog.door.client.post(path, data=data, headers={"Content-Encoding": "gzip"})
        assert answer.data in {b"true", b"false"}
    assert blog.only()["body"] == CIVIL
    answer = blog.door.client.post("/1.1/comment-check", data=data[:-9], headers={"Content-Encoding": "gzip"})
    assert (answer.data, akismet.HELP in answer.headers) == (b"invalid", True)


def test_the_key_that_is_being_entered_counts_and_not_the_one_that_wordpress_still_has(blog: Blog) -> None:
    for call, word in (("verify-key", b"valid"), ("deactivate", b"deactivated")):
        assert blog.send(call, api_key="0123456789ab", key=blog.key).data == word
        assert blog.send(call, key="0123456789ab").data == b"invalid"


def test_feedback_finds_what_was_checked_by_its_guid_whatever_was_edited_since(blog: Blog, patient: None) -> None:
    with blog.door.working():
        guid = blog.check().headers["X-akismet-guid"]
    assert blog.tell("submit-spam", "edited in the blog", guid=guid).text == THANKS
    only = blog.only()
    assert (only["id"], only["status"], only["body"]) == (guid, "rejected", CIVIL)


def test_a_guid_of_another_site_is_none(blog: Blog, quick: None) -> None:
    stranger = blog.door.post("/v1/comments", blog.door.comment(), key="stranger").json["id"]
    assert blog.tell("submit-spam", guid=stranger).text == THANKS
    assert blog.only()["id"] != stranger
    assert blog.door.get(f"/v1/comments/{stranger}", key="stranger").json["status"] == "pending"


def test_what_wordpress_asks_before_it_keeps_a_key(blog: Blog) -> None:
    account = blog.send("get-subscription", key=blog.key).json
    assert (account["status"], account["limit_reached"], account["next_billing_date"]) == ("active", False, False)
    assert blog.send("get-subscription", key="x", api_key="x").data == b"invalid"
    assert blog.send("get-stats", key=blog.key, **{"from": "all"}).data == b""
    assert blog.door.client.get("/1.1/test").data == b"connected"


def test_a_question_may_come_by_get_with_its_fields_in_the_query_or_in_a_body(blog: Blog, quick: None) -> None:
    fields = {"api_key": blog.key, "blog": ORIGIN, "user_ip": "", "comment_content": CIVIL}
    for sent in ({"query_string": fields}, {"data": urlencode(fields)}):
        assert blog.door.client.get("/1.1/verify-key", **sent).data == b"valid"
        assert blog.door.client.get("/1.1/comment-check", **sent).data in {b"true", b"false"}
    assert blog.only()["body"] == CIVIL


def test_what_is_written_into_a_form_without_a_comment_is_judged_and_not_stored(blog: Blog, patient: None) -> None:
    civil, abusive = ({"contact_form_field_subject": "", "contact_form_field_message": text} for text in (CIVIL, ABUSIVE))
    assert blog.check(None, comment_type="contact-form", **civil).data == b"false"
    assert blog.check(None, comment_type="contact-form", **abusive).data == b"true"
    assert blog.door.get("/v1/comments").json["items"] == []


def test_a_text_that_is_too_long_for_us_is_held_by_who_has_a_queue_and_an_error_to_others(blog: Blog, quick: None) -> None:
    long = "Thank you. " * 2900
    for agent in (WORDPRESS, {"User-Agent": "Discourse/3.5 | discourse-akismet/0.1"}):
        answer = blog.check(long, headers=agent)
        assert (answer.data, answer.headers[akismet.ERROR]) == (b"false", akismet.HELD)
        assert blog.check(long, headers=agent, recheck_reason="recheck_queue").data == b"held"
    answer = blog.check(long)
    assert (answer.data, "20000" in answer.headers[akismet.HELP]) == (b"invalid", True)
    assert blog.door.get("/v1/comments").json["items"] == []


def test_a_call_that_there_is_not_is_invalid(blog: Blog) -> None:
    for method, path in (("POST", "/1.1/verify-wpcom-key"), ("GET", "/1.1/submit-spam"), ("PUT", "/1.2/nothing/at/all")):
        answer = blog.door.client.open(path, method=method, query_string={"api_key": blog.key})
        assert (answer.status_code, answer.data, akismet.HELP in answer.headers) == (404, b"invalid", True)


@pytest.mark.parametrize("kind", ["secret", "publishable", "moderator", "abcdefghijkl", "x"])
def test_no_other_key_opens_the_door(blog: Blog, kind: str) -> None:
    key = blog.door.keys.get(kind, kind)
    for call in ("verify-key", "comment-check", "submit-spam", "submit-ham"):
        answer = blog.send(call, api_key=key, comment_content=CIVIL)
        assert (answer.status_code, answer.data) == (200, b"invalid")
    assert blog.door.get("/v1/comments").json["items"] == []


def test_a_civil_comment_is_ham_and_stored(blog: Blog, patient: None) -> None:
    with blog.door.working():
        answer = blog.check()
    assert (answer.status_code, answer.data) == (200, b"false")
    assert not {akismet.ERROR, akismet.HELP} & set(answer.headers.keys())
    stored = blog.only()
    assert (stored["status"], stored["body"], stored["post"]["url"]) == ("approved", CIVIL, f"{ORIGIN}/arms")
    assert answer.headers["X-akismet-guid"] == stored["id"]


def test_a_flag_is_an_error_to_who_holds_and_spam_to_who_does_not(blog: Blog, patient: None) -> None:
    with blog.door.working():
        to_wordpress = blog.check(ABUSIVE, headers=WORDPRESS)
        to_discourse = blog.check(ABUSIVE, headers={"User-Agent": "Discourse/3.4 | Akismet/1.0"})
        to_others = blog.check(ABUSIVE, headers={"User-Agent": "PostmanRuntime/7"})
    for answer in (to_wordpress, to_discourse):
        assert (answer.data, answer.headers[akismet.ERROR]) == (b"false", "held for a moderator")
    assert (to_others.data, akismet.ERROR in to_others.headers, "X-akismet-pro-tip" in to_others.headers) == (
        b"true",
        False,
        False,
    )
    assert blog.only()["status"] == "flagged"


def test_a_late_decision_is_held_and_still_made(blog: Blog, quick: None) -> None:
    assert blog.check(headers=WORDPRESS).headers[akismet.ERROR] == "held for a moderator"
    assert blog.check().data == b"true"
    assert blog.only()["status"] == "pending"
    blog.door.work()
    assert blog.check().data == b"false"
    assert blog.only()["decision_seq"] == 1


@pytest.mark.parametrize(
    ("fields", "word", "discard"),
    [
        ({"comment_author": "viagra-test-123"}, b"true", False),
        ({"comment_author": "akismet-guaranteed-spam"}, b"true", False),
        ({"comment_author_email": "akismet-guaranteed-spam@example.com"}, b"true", False),
        ({"user_role": "administrator"}, b"false", False),
        ({"is_test": "1", "test_discard": "1"}, b"true", True),
    ],
)
def test_guaranteed_answers_are_given_and_leave_nothing(blog: Blog, fields: Any, word: bytes, *, discard: bool) -> None:
    answer = blog.check(**fields)
    assert (answer.data, "X-akismet-pro-tip" in answer.headers) == (word, discard)
    assert blog.door.get("/v1/comments").json["items"] == []


def test_a_test_and_a_form_without_text_are_judged_and_not_stored(blog: Blog, patient: None) -> None:
    assert blog.check(is_test="1").data == b"false"
    assert blog.check(ABUSIVE, is_test="1").data == b"true"
    assert blog.check(None).data == b"false"
    assert blog.door.get("/v1/comments").json["items"] == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"blog": None}, "blog"),
        ({"blog": ""}, "blog"),
        ({"user_ip": None}, "user_ip"),
        ({"comment_content": "x" * 20_001}, "comment_content"),
        ({"blog": "nonsense", "permalink": "ftp://x"}, "permalink"),
    ],
)
def test_an_unusable_check_is_neither_true_nor_false_and_says_why(blog: Blog, fields: Any, named: str) -> None:
    answer = blog.check(**fields)
    assert (answer.status_code, answer.data) == (200, b"invalid")
    assert f'"{named}"' in answer.headers[akismet.HELP]


def test_what_makes_no_sense_beside_the_text_is_left_out(blog: Blog, quick: None) -> None:
    odd = {
        "user_ip": "", "comment_author_url": "call me", "comment_author_email": "none", "comment_date_gmt": "yesterday",
        "permalink": "http://[", "comment_parent": "17", "HTTP_ACCEPT": "*/*", "honeypot_field_name": "trap", "trap": "",
    }  # fmt: skip
    assert blog.check("Fine.\x00 Really\x07.", **odd).data == b"true"
    assert blog.only()["body"] == "Fine. Really."


def test_json_and_odd_media_types_are_read(blog: Blog, quick: None) -> None:
    fields = {"blog": ORIGIN, "user_ip": "", "comment_content": CIVIL, "permalink": f"{ORIGIN}/arms", "comment_author": "Ada"}
    client = blog.door.client
    host = {"Host": f"{blog.key}.rest.akismet.com"}
    form = urlencode(fields)
    for body, media_type in ((form, "charset=utf-8; application/x-www-form-urlencoded"), (form, None)):
        assert client.post("/1.1/comment-check", data=body, content_type=media_type, headers=host).data == b"true"
    assert client.post("/1.1/comment-check/", json=fields, headers=host).data == b"true"
    assert client.post("/1.1/comment-check", data=fields, content_type="multipart/form-data", headers=host).data == b"true"
    assert blog.only()["body"] == CIVIL
    told = {name: value for name, value in fields.items() if name != "blog"}
    assert client.post("/1.1/submit-spam", json=told, headers=host).text == THANKS
    assert blog.only()["status"] == "rejected"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"a":' * 5000, b"\xff\xfe=\x80", b"&" * 2000, b"{}"])
def test_a_body_that_nobody_can_read_is_invalid_and_no_fault_of_ours(blog: Blog, body: bytes) -> None:
    answer = blog.door.client.post("/1.1/comment-check", data=body, headers={"Host": f"{blog.key}.rest.akismet.com"})
    assert (answer.status_code, answer.data) == (200, b"invalid")


def test_feedback_is_a_human_decision_on_the_comment_that_was_checked(blog: Blog, patient: None) -> None:
    with blog.door.working():
        assert blog.check().data == b"false"
    assert blog.tell("submit-spam", reporter="editor", user_role="editor").text == THANKS
    stored = blog.only()
    assert (stored["status"], stored["decision"]["by"], stored["decision"]["reason"]) == ("rejected", "moderator", 5)
    assert blog.check().data == b"true"
    assert blog.tell("submit-ham").text == THANKS
    assert blog.only()["status"] == "approved"
    assert blog.check().data == b"false"


def test_feedback_closes_the_case_of_a_held_comment(blog: Blog, patient: None) -> None:
    with blog.door.working():
        blog.check(ABUSIVE)
    assert blog.tell("submit-ham", ABUSIVE).text == THANKS
    with blog.door.runtime.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Case).where(Case.closed_at.is_(None))) == 0


def test_feedback_without_an_earlier_check_is_taken_and_kept(blog: Blog) -> None:
    assert blog.tell("submit-spam", "Buy pills now").text == THANKS
    stored = blog.only()
    assert (stored["status"], stored["decision"]["by"]) == ("rejected", "moderator")
    blog.door.work()
    assert blog.only()["decision_seq"] == 1


def test_what_repeats_our_own_state_teaches_nothing(blog: Blog, patient: None) -> None:
    with blog.door.working():
        blog.check()
    assert blog.tell("submit-ham").text == THANKS
    with blog.door.runtime.database.reading() as session:
        assert session.scalars(select(Decision.decider)).all() == [Decider.MACHINE]


def test_an_echo_of_our_own_publisher_teaches_nothing(blog: Blog, patient: None) -> None:
    with blog.door.runtime.database.transaction() as session:
        site = sites.find(session, "blog")
        session.add(
            Publisher(
                id=new_id(),
                site_id=site.id,
                created_at=datetime.now(UTC),
                kind="wordpress",
                config={"username": "tidegate"},
                state=EndpointState.ACTIVE,
            )
        )
    with blog.door.working():
        blog.check()
    assert blog.tell("submit-spam", reporter="Tidegate").text == THANKS
    assert blog.only()["status"] == "approved"


def test_a_failing_database_lets_nothing_through(sqlite_door: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(sqlite_door.runtime.database, "transact", away)
    answer = Blog(sqlite_door).check(headers=WORDPRESS)
    assert (answer.status_code, answer.data, answer.headers[akismet.ERROR]) == (500, b"invalid", "internal")


def test_usage_and_sites_are_counted(blog: Blog, patient: None) -> None:
    with blog.door.working():
        blog.check()
        blog.check(ABUSIVE)
    blog.tell("submit-spam")
    client = blog.door.client
    query = {"api_key": blog.key}
    assert client.get("/1.2/usage-limit", query_string=query).json == {
        "limit": "none", "usage": 2, "percentage": "0.00", "throttled": False,
    }  # fmt: skip
    month = f"{datetime.now(UTC):%Y-%m}"
    found = client.get("/1.2/key-sites", query_string=query).json
    assert found[month] == [
        {
            "site": "blog.example", "api_calls": 2, "spam": 2, "ham": 0, "missed_spam": 1, "false_positives": 0,
            "is_revoked": False,
        }
    ]  # fmt: skip
    assert (found["limit"], found["offset"], found["total"]) == (500, 0, 1)
    assert client.get("/1.2/key-sites", query_string={**query, "month": "2020-01"}).json["2020-01"][0]["api_calls"] == 0
    csv = client.get("/1.2/key-sites", query_string={**query, "format": "csv"}).text.splitlines()
    assert csv[1] == "blog.example,2,2,0,1,0,False"
    assert client.get("/1.2/key-sites").text == "invalid"
    assert client.get("/1.2/usage-limit").text == "invalid"


def test_another_sites_key_sees_nothing_of_this_one(blog: Blog, quick: None) -> None:
    blog.check()
    assert blog.send("deactivate").data == b"deactivated"
    with blog.door.runtime.database.reading() as session:
        site = sites.find(session, "other")
        assert session.scalar(select(func.count()).select_from(Comment).where(Comment.site_id == site.id)) == 0
