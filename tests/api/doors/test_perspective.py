"""The Perspective door: shapes, the table of errors with its exact sentences, nothing stored, and nothing late a low score."""

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from limits import RateLimitItemPerMinute
from sqlalchemy import func, select

from api import limits
from api.doors import languages, perspective
from api.limits import Rule
from api.scoring import GuardedModels
from moderation.models import Author, Comment, Event, Label, Post, Revision
from moderation.scoring.choice import Chosen
from moderation.scoring.perspective import SOURCES
from moderation.services import choosing, labels, sites
from moderation.services.asking import Scored
from moderation.signals import language
from tests.api.conftest import ABUSIVE, CIVIL

ANALYZE = "/v1alpha1/comments:analyze"
SUGGEST = "/v1alpha1/comments:suggestscore"
ANALYZER = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
GERMAN = "Das ist ein sehr schöner und kluger Artikel, vielen Dank an die Redaktion dafür."
PRODUCTION = ("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT")
ALL = (
    *PRODUCTION, *(f"{name}_EXPERIMENTAL" for name in PRODUCTION), "SEXUALLY_EXPLICIT", "FLIRTATION",
    "ATTACK_ON_AUTHOR", "ATTACK_ON_COMMENTER", "INCOHERENT", "INFLAMMATORY", "LIKELY_TO_REJECT", "OBSCENE", "SPAM",
    "UNSUBSTANTIAL",
)  # fmt: skip


class Client:
    """A client of Perspective, with the door's key in the query as they all have it."""

    def __init__(self, door: Any) -> None:
        self.door = door
        self.key = door.keys["door"]

    def send(self, path: str, body: Any, *, key: str | None = "", **options: Any) -> Any:
        shown = self.key if key == "" else key
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        query = {"key": shown} if shown else {}
        return self.door.client.post(path, data=data, query_string=query, **{"content_type": "application/json", **options})

    def analyze(self, text: str = CIVIL, *names: str, **changes: Any) -> Any:
        wanted: dict[str, Any] = {name: {} for name in names or ("TOXICITY",)}
        return self.send(ANALYZE, {"comment": {"text": text}, "requestedAttributes": wanted, **changes})

    def value(self, text: str, name: str = "TOXICITY") -> float:
        return float(self.analyze(text, name).json["attributeScores"][name]["summaryScore"]["value"])

    def suggest(self, text: str = CIVIL, value: Any = 1, **changes: Any) -> Any:
        scores = {"TOXICITY": {"summaryScore": {"value": value}}}
        return self.send(SUGGEST, {"comment": {"text": text}, "attributeScores": scores, **changes})


@pytest.fixture
def client(sqlite_door: Any) -> Client:
    return Client(sqlite_door)


@pytest.fixture
def either(door: Any) -> Client:
    """On either database."""
    return Client(door)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer wait however slow the machine is, and load beforehand what is loaded beside the first requests."""
    language.warm()
    monkeypatch.setattr(perspective, "WAIT", 60.0)


@pytest.fixture
def busy(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Occupy the one scoring thread, so that every score is late."""
    monkeypatch.setattr(perspective, "WAIT", 0.05)
    monkeypatch.setattr(perspective, "LOADED_WITHIN", 0.05)
    free = threading.Event()
    client.door.context.models._thread.submit(free.wait)
    yield
    free.set()


def test_the_answer_has_the_fields_of_the_protocol_and_no_others(client: Client) -> None:
    answer = client.analyze(CIVIL, "TOXICITY", "SPAM", clientToken="t-1", sessionId="s", communityId="c", doNotStore=True)
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    found = answer.json
    assert set(found) == {"attributeScores", "languages", "detectedLanguages", "clientToken"}
    assert (found["languages"], found["detectedLanguages"], found["clientToken"]) == (["en"], ["en"], "t-1")
    assert list(found["attributeScores"]) == ["TOXICITY", "SPAM"]
    for scores in found["attributeScores"].values():
        assert set(scores) == {"summaryScore", "spanScores"}
        assert scores["summaryScore"]["type"] == "PROBABILITY"
        assert 0 <= scores["summaryScore"]["value"] <= 1
        assert scores["spanScores"] == [{"begin": 0, "end": len(CIVIL), "score": scores["summaryScore"]}]
    assert "clientToken" not in client.analyze().json


def test_abuse_scores_above_civility_and_each_name_is_one_of_our_attributes(client: Client) -> None:
    assert client.value(CIVIL) < 0.3
    assert client.value(ABUSIVE) > 0.6
    found = client.analyze(ABUSIVE, *SOURCES).json["attributeScores"]
    values = {name: scores["summaryScore"]["value"] for name, scores in found.items()}
    checked = client.door.post("/v1/check", {"body": ABUSIVE}).json["scores"]
    for name, ours in SOURCES.items():
        assert values[name] == max(checked[each] for each in ours), name


def test_all_names_that_clients_ask_for_are_answered_at_once(client: Client) -> None:
    found = client.analyze(CIVIL, *ALL).json["attributeScores"]
    assert (len(ALL), tuple(found)) == (22, ALL)


def test_spans_are_the_sentences_of_the_text_as_it_was_sent(client: Client) -> None:
    text = "  Thank you, \U0001f600 that was clear. You are a worthless idiot!\nSee you."
    scores = client.analyze(text, "INSULT", spanAnnotations=True).json["attributeScores"]["INSULT"]
    spans = scores["spanScores"]
    assert [text[each["begin"] : each["end"]] for each in spans] == [
        "Thank you, \U0001f600 that was clear.", "You are a worthless idiot!", "See you.",
    ]  # fmt: skip
    values = [each["score"]["value"] for each in spans]
    assert values[1] > 10 * max(values[0], values[2])
    assert values[1] == client.value("You are a worthless idiot!", "INSULT")


def test_a_text_of_thousands_of_sentences_has_bounded_spans_without_a_gap(client: Client) -> None:
    text = "No way. " * 700
    spans = client.analyze(text, spanAnnotations=True).json["attributeScores"]["TOXICITY"]["spanScores"]
    assert 32 <= len(spans) <= 64
    assert (spans[0]["begin"], spans[-1]["end"]) == (0, len(text) - 1)
    assert all(after["begin"] - before["end"] == 1 for before, after in pairwise(spans))


def test_what_is_below_a_threshold_is_left_out(client: Client) -> None:
    def asked(threshold: Any) -> Any:
        wanted = {"TOXICITY": {"scoreThreshold": threshold, "scoreType": "PROBABILITY"}}
        return client.analyze(ABUSIVE, requestedAttributes=wanted).json

    value = client.value(ABUSIVE)
    assert asked(value)["attributeScores"]["TOXICITY"]["summaryScore"]["value"] == value
    assert "attributeScores" not in asked(1.1)
    assert set(asked(1.1)) == {"languages", "detectedLanguages"}
    assert "attributeScores" in asked("0.1")
    assert "attributeScores" in asked(None)


def test_while_languages_cannot_be_told_apart_yet_the_answer_is_try_again_and_no_score(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Event(), threading.Event()

    def load() -> None:
        begun.set()
        free.wait(60)

    monkeypatch.setattr(language, "is_warm", lambda: False)
    monkeypatch.setattr(language, "warm", load)
    monkeypatch.setattr(languages, "LOADED_WITHIN", 0.05)
    for asked in (["en"], []):
        assert client.analyze(GERMAN, languages=asked).status_code == 503
    assert begun.is_set()
    monkeypatch.setattr(languages, "LOADED_WITHIN", 60.0)
    free.set()
    assert client.analyze(ABUSIVE, languages=["en"]).json["detectedLanguages"] == ["en"]


def test_the_first_request_of_a_process_waits_for_its_languages_and_longer_than_for_its_scores(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = threading.Event()
    monkeypatch.setattr(language, "is_warm", known.is_set)
    monkeypatch.setattr(language, "warm", known.set)
    monkeypatch.setattr(perspective, "WAIT", 0.0)
    monkeypatch.setattr(client.door.context.models, "all_within", lambda _, texts, __: [Scored({"toxicity": 0.5}, 0.5, "m")])
    assert client.analyze(CIVIL).status_code == 200


def test_the_first_request_of_a_process_waits_for_its_models(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perspective, "WAIT", 0.0)
    assert client.door.context.models.state == "loading"
    assert client.analyze(CIVIL).status_code == 200
    assert client.door.context.models.state == "ok"


def test_who_was_asked_for_languages_loads_them_at_its_next_start(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = threading.Event()
    monkeypatch.setattr(language, "is_warm", lambda: False)
    monkeypatch.setattr(language, "warm", loaded.set)
    fresh = GuardedModels(client.door.runtime)
    fresh.warm()
    assert not loaded.wait(0.1)
    client.analyze(CIVIL)
    loaded.clear()
    again = GuardedModels(client.door.runtime)
    again.warm()
    assert loaded.wait(10)
    for models in (fresh, again):
        models.close()


def test_a_slash_too_many_is_none(client: Client) -> None:
    for path in ("/v1alpha1//comments:analyze", "/v1alpha1/comments:analyze/"):
        sent = {"comment": {"text": CIVIL}, "requestedAttributes": {"TOXICITY": {}}}
        assert client.send(path, sent).status_code == 200, path


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_body_may_be_packed_and_grows_no_larger_than_others(client: Client, coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    sent = json.dumps({"comment": {"text": CIVIL}, "requestedAttributes": {"TOXICITY": {}}}).encode()
    packed = {"Content-Encoding": coding}
    assert client.send(ANALYZE, pack(sent), headers=packed).json["attributeScores"]
    for wrong, code in ((pack(b" " * 30_000_000), 400), (pack(sent)[:-9], 400), (pack(sent) * 2, 400), (sent, 400)):
        answer = client.send(ANALYZE, wrong, headers=packed)
        assert (answer.status_code, bool(answer.json["error"]["details"])) == (code, True)
    assert client.send(ANALYZE, sent, headers={"Content-Encoding": "br"}).json["error"]["code"] == 400


def test_what_the_protocol_does_not_have_is_refused_in_its_shape(client: Client) -> None:
    for method, path in (("GET", ANALYZE), ("PUT", ANALYZE), ("POST", "/v1alpha1/comments:guess")):
        answer = client.door.client.open(path, method=method, query_string={"key": client.key})
        error = answer.json["error"]
        assert (answer.status_code, error["code"], error["status"], bool(error["details"])) == (404, 404, "NOT_FOUND", True)


def test_languages_that_could_not_be_loaded_are_loaded_with_the_next_text(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [MemoryError()]

    def load() -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(language, "is_warm", lambda: False)
    monkeypatch.setattr(language, "warm", load)
    monkeypatch.setattr(languages, "LOADED_WITHIN", 0.05)
    assert client.analyze(GERMAN).status_code == 503
    for loading in (thread for thread in threading.enumerate() if thread.name == "languages"):
        loading.join()
    monkeypatch.setattr(languages, "LOADED_WITHIN", 10.0)
    assert client.analyze(ABUSIVE).status_code == 200


def test_a_key_comes_in_the_query_or_in_googles_header_and_other_parameters_are_tolerated(client: Client) -> None:
    body = {"comment": {"text": CIVIL}, "requestedAttributes": {"TOXICITY": {}}}
    assert client.send(ANALYZE, body, key=None, headers={"X-Goog-Api-Key": client.key}).status_code == 200
    for path in (
        f"{ANALYZE}?key={client.key}&alt=json&fields=attributeScores&prettyPrint=false&%24.xgafv=2",
        f"/v1alpha1/comments%3Aanalyze?key={client.key}",
        f"{ANALYZE}/?key={client.key}",
    ):
        assert client.door.client.post(path, json=body).status_code == 200, path


@pytest.mark.parametrize(
    "media_type", [None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "charset=utf-8"]
)
def test_a_body_is_json_whatever_it_says_it_is(client: Client, media_type: str | None) -> None:
    body = {"comment": {"text": CIVIL}, "requested_attributes": {"TOXICITY": {"score_threshold": 0}}, "client_token": "x"}
    answer = client.send(ANALYZE, body, content_type=media_type)
    assert (answer.status_code, answer.json["clientToken"]) == (200, "x")


def test_a_lone_surrogate_and_a_nul_are_scored_and_given_back(client: Client) -> None:
    body = rb'{"comment":{"text":"You idiot\ud800\u0000!"},"requestedAttributes":{"INSULT":{}},"clientToken":"\udc00"}'
    answer = client.send(ANALYZE, body)
    found = json.loads(answer.data)
    assert (answer.status_code, found["clientToken"]) == (200, "\udc00")
    assert found["attributeScores"]["INSULT"]["spanScores"][0]["end"] == 12


# (what is sent, the message, the errorType) in the order of the reference's table
REFUSED: dict[str, tuple[Any, str, str]] = {
    "nothing": (b"", "Comment must be non-empty.", "COMMENT_EMPTY"),
    "empty text": ({"comment": {"text": " \n"}, "requestedAttributes": {}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
    "long text": ({"comment": {"text": "\u00e4" * 10_241}}, "Comment text too long.", "COMMENT_TOO_LONG"),
    "no attributes": ({"comment": {"text": CIVIL}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
    "attributes": (
        {"comment": {"text": CIVIL}, "requestedAttributes": {"TOXICITY": {}, "KINDNESS": {}}},
        "Unknown requested attribute: KINDNESS",
        "INVALID_REQUEST",
    ),
    "score type": (
        {"comment": {"text": CIVIL}, "requestedAttributes": {"INSULT": {"scoreType": "PERCENTILE"}}},
        "Requested score type PERCENTILE is not supported by attribute INSULT",
        "INVALID_REQUEST",
    ),
    "html": (
        {"comment": {"text": CIVIL, "type": "HTML"}, "requestedAttributes": {"INSULT": {}}},
        "Currently, only 'PLAIN_TEXT' comments are supported",
        "INVALID_REQUEST",
    ),
    "text type": (
        {"comment": {"text": CIVIL, "type": "RTF"}, "requestedAttributes": {"INSULT": {}}},
        "Unknown text type",
        "INVALID_REQUEST",
    ),
    "contexts": (
        {
            "comment": {"text": CIVIL},
            "context": {"entries": [{"text": "a"}], "articleAndParentComment": {"article": {"text": "b"}}},
            "requestedAttributes": {"INSULT": {}},
        },
        "Context can have either entries or article_and_parent_comment, but both fields were populated.",
        "INVALID_REQUEST",
    ),
    "no letters": (
        {"comment": {"text": "12 + 30 = 42 !!!"}, "requestedAttributes": {"TOXICITY": {}}},
        "Unable to detect language",
        "LANGUAGE_DETECTION_FAILED",
    ),
}


@pytest.mark.parametrize(("sent", "message", "error_type"), REFUSED.values(), ids=REFUSED.keys())
def test_each_error_has_its_exact_sentence_and_details(client: Client, sent: Any, message: str, error_type: str) -> None:
    answer = client.send(ANALYZE, sent)
    assert answer.status_code == 400
    assert answer.json == {
        "error": {
            "code": 400,
            "message": message,
            "status": "INVALID_ARGUMENT",
            "details": [{"@type": ANALYZER, "errorType": error_type}],
        }
    }


def test_the_longest_text_is_20480_bytes_of_utf_8(client: Client) -> None:
    assert client.analyze("\u00e4" * 10_240, languages=["en"]).status_code == 200


@pytest.mark.parametrize(
    ("text", "languages", "detected", "foreign"),
    [
        (GERMAN, [], ["de"], "de"),
        (CIVIL, ["id", "en", "pt-BR"], ["en"], "id, pt-BR"),
        ("42", ["ru"], [], "ru"),
        (GERMAN, ["en"], ["de"], "de"),
        ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23\u0e31\u0e1a", ["en"], ["th"], "th"),
    ],
)
def test_a_language_that_no_model_reads_is_refused_by_name(
    client: Client, text: str, languages: list[str], detected: list[str], foreign: str
) -> None:
    error = client.analyze(text, "FLIRTATION", "TOXICITY", languages=languages).json["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"] == f"Attribute FLIRTATION does not support request languages: {foreign}"
    assert error["details"] == [
        {
            "@type": ANALYZER,
            "errorType": "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
            "languageNotSupportedByAttributeError": {
                "attribute": "FLIRTATION",
                "detectedLanguages": detected,
                "requestedLanguages": languages,
            },
        }
    ]


def test_short_words_are_in_the_language_that_the_client_says(client: Client) -> None:
    with client.door.runtime.database.transaction() as session:
        sites.find(session, "blog").language = "de"
    assert client.analyze("You idiot!", languages=["en"]).status_code == 200
    assert client.analyze("You idiot!").json["error"]["details"][0]["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"


def test_languages_are_mirrored_and_the_detected_one_is_told(client: Client) -> None:
    found = client.analyze(CIVIL, languages=["en-GB", "EN"]).json
    assert (found["languages"], found["detectedLanguages"]) == (["en-GB", "EN"], ["en"])
    assert client.analyze("12 + 30", languages=["en"]).json["detectedLanguages"] == ["und"]


@pytest.mark.parametrize(
    "sent",
    [
        b"{", b"[]", b"\xff\xfe", b"null", b'{"comment":{"text":NaN}}', b'{"a":' * 100_000, b'"' + b"x" * 1_100_000,
        {"comment": "x"},
        {"comment": {"text": 7}}, {"comment": {"text": "x"}, "requestedAttributes": ["TOXICITY"]},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": 1}},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {"scoreType": {}}}},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {"scoreThreshold": "much"}}},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {}}, "languages": "en"},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {}}, "doNotStore": 3},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {}}, "clientToken": 3},
        {"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {}}, "context": {"entries": [1]}},
    ],
)  # fmt: skip
def test_what_is_no_such_request_is_a_400_with_details(client: Client, sent: Any) -> None:
    error = client.send(ANALYZE, sent).json["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"]


def test_the_key_is_looked_at_before_the_body(client: Client) -> None:
    for key in ("AIzaSyWrong", client.door.keys["secret"], client.door.keys["moderator"], client.door.keys["publishable"]):
        for path in (ANALYZE, SUGGEST):
            answer = client.send(path, b"", key=key)
            assert answer.status_code == 400
            error = answer.json["error"]
            assert (error["message"], error["status"]) == ("API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT")
            assert error["details"] == [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "commentanalyzer.googleapis.com"},
                }
            ]
    answer = client.send(ANALYZE, b"", key=None, headers={"Authorization": f"Bearer {client.key}"})
    assert (answer.status_code, answer.json["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert answer.json["error"]["message"].startswith("Method doesn't allow unregistered callers (")
    assert answer.json["error"]["details"]


def test_a_reached_limit_is_the_protocols_quota_error(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEY", Rule("key", RateLimitItemPerMinute(1), moving=False))
    assert client.analyze().status_code == 200
    answer = client.analyze()
    assert (answer.status_code, answer.json["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert int(answer.headers["Retry-After"]) >= 1
    (info,) = answer.json["error"]["details"]
    assert info["reason"] == "RATE_LIMIT_EXCEEDED"
    assert set(info["metadata"]) == {
        "quota_metric", "quota_limit", "quota_limit_value", "quota_location", "consumer", "service",
    }  # fmt: skip
    assert answer.json["error"]["message"] == (
        "Quota exceeded for quota metric 'Analyze requests' and limit 'Analyze requests per minute' of service "
        f"'commentanalyzer.googleapis.com' for consumer '{info['metadata']['consumer']}'."
    )


def test_a_late_score_is_try_again_and_never_a_low_score(client: Client, busy: None) -> None:
    answer = client.analyze(ABUSIVE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["error"]["status"] == "UNAVAILABLE"
    assert answer.json["error"]["details"] == [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]


@pytest.mark.parametrize(
    "found", [Scored(None, 0.1, "m"), Scored({"toxicity": 0.1}, None, "m"), Scored({"insult": 0.1}, 0.1, "m")]
)
def test_a_value_that_a_model_did_not_give_is_try_again(client: Client, monkeypatch: pytest.MonkeyPatch, found: Scored) -> None:
    monkeypatch.setattr(client.door.context.models, "all_within", lambda _, texts, __: [found] * len(texts))
    assert client.analyze(ABUSIVE, "TOXICITY", "SPAM").status_code == 503


def test_a_failing_model_and_a_failing_database_are_errors_of_the_protocol(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("gone")

    monkeypatch.setattr(type(client.door.runtime), "shelf", broken)
    assert client.analyze().status_code == 503
    monkeypatch.setattr(client.door.runtime.database, "transact", broken)
    error = client.suggest().json["error"]
    assert (error["code"], error["status"], error["message"]) == (500, "INTERNAL", "Internal error encountered.")
    assert error["details"]


def test_a_pinned_site_is_scored_by_that_version_or_not_at_all(client: Client) -> None:
    installed = client.door.post("/v1/check", {"body": CIVIL}).json["model"]
    database = client.door.runtime.database

    def pinned(version: str) -> None:
        with database.transaction() as session:
            site = sites.find(session, "blog")
            choosing.use(session, site.id, Chosen(version=version), by="test", now=datetime.now(UTC))

    before = client.value(ABUSIVE)
    pinned(installed.split()[0])
    assert client.value(ABUSIVE) == before
    pinned("bundled-0+00000000")
    assert client.analyze(ABUSIVE).status_code == 503
    checked = client.door.post("/v1/check", {"body": CIVIL}).json
    assert (checked["verdict"], checked["scores"]) == ("flag", {})
    assert client.door.decided(CIVIL)["status"] == "flagged"


def test_a_request_leaves_nothing_behind_whatever_it_says_about_storing(client: Client) -> None:
    for keep_nothing in (True, False):
        assert client.analyze(ABUSIVE, doNotStore=keep_nothing).status_code == 200
    with client.door.runtime.database.reading() as session:
        for table in (Comment, Revision, Author, Post, Event, Label):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def labelled(client: Client) -> list[Label]:
    with client.door.runtime.database.reading() as session:
        found = list(session.scalars(select(Label).order_by(Label.id)))
        session.expunge_all()
        return found


def test_a_suggestion_is_kept_as_a_human_label_and_makes_no_comment(either: Client) -> None:
    coral = {"url": "https://blog.example/arms", "reply_to_id_Coral_comment_id": None, "Coral_comment_id": "c-1"}
    sent = {
        "context": {"entries": [{"text": json.dumps(coral)}]},
        "languages": ["en"],
        "communityId": "Coral:https://blog.example",
        "clientToken": "comment:c-1",
    }
    for _ in range(2):
        answer = either.suggest(ABUSIVE, 1, **sent)
        assert (answer.status_code, answer.json) == (200, {"clientToken": "comment:c-1"})
    (label,) = labelled(either)
    assert (label.source, label.body, label.revision_id) == ("perspective", ABUSIVE, None)
    assert label.values == {"TOXICITY": {"summary": 1.0}}
    assert (label.community, label.languages) == ("Coral:https://blog.example", ["en"])
    assert either.door.get("/v1/comments").json["items"] == []
    assert either.suggest(ABUSIVE, 0, **sent).status_code == 200
    with either.door.runtime.database.reading() as session:
        site = sites.find(session, "blog")
        (example,) = labels.examples(session, site.id, since=datetime.now(UTC) - timedelta(days=1))
        assert (example.body, example.values) == (ABUSIVE, {"TOXICITY": {"summary": 0.0}})


def test_a_suggestion_about_a_comment_of_ours_points_to_it_and_decides_nothing(either: Client) -> None:
    comment = either.door.decided(CIVIL, external_id="c-9")
    assert either.suggest(CIVIL, 1, clientToken="comment:c-9").status_code == 200
    assert either.suggest(CIVIL, 1, clientToken=f"comment:{comment['id']}").status_code == 200
    assert either.suggest("Another text", 1, clientToken="comment:c-9").status_code == 200
    first, second, other = labelled(either)
    assert first.revision_id == second.revision_id is not None
    assert (first.body, other.body, other.revision_id) == (None, "Another text", None)
    assert either.door.shown(comment["id"])["status"] == "approved"
    assert either.door.call("DELETE", f"/v1/comments/{comment['id']}").status_code < 300
    with either.door.runtime.database.reading() as session:
        site = sites.find(session, "blog")
        found = labels.examples(session, site.id, since=datetime.now(UTC) - timedelta(days=1))
        assert [example.body for example in found] == ["Another text"]


def test_odd_suggestions_are_kept_as_far_as_a_database_can(either: Client) -> None:
    spans = {"INSULT": {"spanScores": [{"begin": 0, "end": 3, "score": {"value": 0.5}}]}}
    answer = either.suggest(
        "A\ud800\0c", attributeScores=spans, clientToken="\0\ud800" * 600, context={"entries": [{"text": "{"}]}
    )
    assert answer.status_code == 200
    (label,) = labelled(either)
    assert (label.body, len(label.token)) == ("A\ufffd\ufffdc", 500)
    assert label.values == {"INSULT": {"spans": [{"begin": 0, "end": 3, "value": 0.5}]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributeScores": {}}, "Missing attribute_scores"),
        ({"attributeScores": {"KINDNESS": {}}}, "Unknown requested attribute: KINDNESS"),
        ({"attributeScores": {"INSULT": {}}}, "Attribute INSULT has neither a summary score nor span scores"),
        ({"value": 1.5}, "The suggested score of attribute TOXICITY is not between 0 and 1"),
        ({"value": "high"}, "Invalid value at 'value'"),
        (
            {"attributeScores": {"INSULT": {"spanScores": [{"begin": 2, "end": 1, "score": {"value": 1}}]}}},
            "A span of attribute INSULT does not lie in the comment",
        ),
        ({"text": ""}, "Comment must be non-empty."),
        ({"text": "x" * 20_481}, "Comment text too long."),
    ],
)
def test_an_unusable_suggestion_is_refused_and_not_kept(client: Client, changes: Any, message: str) -> None:
    error = client.suggest(**changes).json["error"]
    assert (error["code"], error["message"]) == (400, message)
    assert error["details"]
    assert labelled(client) == []


def test_the_discovery_document_names_this_service_and_is_free_to_all_but_wrong_keys(client: Client) -> None:
    path = "/$discovery/rest?version=v1alpha1"
    document = client.door.client.get(path).json
    assert document["rootUrl"] == document["baseUrl"] == "https://tidegate.example/"
    assert document["resources"]["comments"]["methods"].keys() == {"analyze", "suggestscore"}
    assert len(document["schemas"]) >= 10
    named = {name for name in json.dumps(document).split('"') if name in document["schemas"]}
    assert named == set(document["schemas"])
    assert client.door.client.get(f"{path}&key={client.key}").json == document
    for key in ("AIzaSyWrong", client.door.keys["secret"]):
        assert client.door.client.get(f"{path}&key={key}").json["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    assert client.door.client.get("/$discovery/rest?version=v1").status_code == 404
    assert client.door.client.get("/discovery/v1/apis/commentanalyzer/v1alpha1/rest").json == document
