"""Leaving Perspective from the command line: comments scored anew, what changes, and the pin of the models."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from moderation.commands import perspective_asking
from moderation.database import Database
from moderation.scoring.choice import Chosen
from moderation.services import choosing, sites
from tests.moderation.commands.conftest import Cli, answer

COMMENTS = {
    "You are a stupid, worthless idiot and everybody here hates you.": 0.95,
    "What a pathetic little loser this reporter is, shut up.": 0.9,
    "I disagree with the treaty, but thank you for this clear article.": 0.04,
    "Could somebody explain how the pension formula works?": 0.85,
}


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "comments.csv"
    path.write_text(
        "id,text,toxicity\n" + "".join(f'{place},"{text}",{score}\n' for place, (text, score) in enumerate(COMMENTS.items()))
    )
    return path


class Perspective(BaseHTTPRequestHandler):
    """What is left of Perspective: one answer in the way of the limit, then scores, and none for what is no English."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seen: list[Any] = self.server.seen  # type: ignore[attr-defined]
        seen.append((self.path, asked))
        text = asked["comment"]["text"]
        status: int
        body: dict[str, Any]
        if len(seen) == 1:
            status, body = 429, {"error": {"code": 429}}
        elif text not in COMMENTS:
            status, body = 400, {"error": {"code": 400, "details": [{"errorType": "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"}]}}
        else:
            status, body = 200, {"attributeScores": {"TOXICITY": {"summaryScore": {"value": COMMENTS[text]}}}}
        written = json.dumps(body)
        if self.server.always is not None:  # type: ignore[attr-defined]
            status, written = self.server.always  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", self.server.retry_after)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(written.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def google() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Perspective)
    server.seen, server.always, server.retry_after = [], None, "0"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_export_shows_what_changes_at_the_old_threshold_and_which_one_keeps_the_rate(
    cli: Cli, csv: Path, tmp_path: Path
) -> None:
    found = answer(cli("perspective", "compare", str(csv), "--threshold", "0.8", "--json"))
    assert (found["comments"], found["attribute"], found["left_out"]) == (4, "TOXICITY", [])
    at = next(each for each in found["thresholds"] if each["same"]["old_threshold"] == 0.8)
    assert (at["same"]["old_flagged"], at["keeping_the_rate"]["new_flagged"]) == (3, 3)
    assert at["same"]["no_longer_flagged"] >= 1
    picture = tmp_path / "plot.svg"
    said = cli("perspective", "compare", str(csv), "--svg", str(picture)).stdout
    assert said.startswith("4 comments, TOXICITY, by bundled-")
    assert "Perspective flags 3 (75.0%) of them at 0.8" in said
    assert "the flag rate stays" in said
    drawn = ET.fromstring(picture.read_text())
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == 4


def test_json_lines_and_whole_answers_are_read_and_bad_rows_are_told(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "comments.jsonl"
    rows = [
        {"body": "A fine day.", "score": 0.2},
        {"comment": {"text": "A fine day."}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.3}}}},
        {"text": "A fine day.", "TOXICITY": 7},
        {"text": " ", "TOXICITY": 0.1},
        {"text": "A fine day."},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\nnonsense\n")
    found = answer(cli("perspective", "compare", str(path), "--json", code=1))
    assert found["comments"] == 2
    assert [(each["line"], each["code"]) for each in found["left_out"]] == [
        (3, "score"), (4, "missing"), (5, "no-score"), (6, "malformed"),
    ]  # fmt: skip


def test_a_comment_in_a_language_that_our_model_does_not_read_is_left_out_and_not_asked_about(
    cli: Cli, google: Any, tmp_path: Path
) -> None:
    path, key = tmp_path / "comments.jsonl", tmp_path / "key"
    german = "Das ist wirklich ein sehr schlechter Artikel und ich mag ihn überhaupt nicht."
    rows = [{"text": german, "TOXICITY": 0.9}, {"text": german}, {"text": "A fine day.", "TOXICITY": 0.1}]
    path.write_text("\n".join(map(json.dumps, rows)))
    key.write_text("k")
    at = f"http://127.0.0.1:{google.server_address[1]}"
    asked = ("perspective", "compare", str(path), "--ask", str(key), "--ask-at", at, "--pace", "0", "--json")
    found = answer(cli(*asked, code=1))
    assert (found["comments"], [(each["line"], each["code"]) for each in found["left_out"]]) == (
        1, [(1, "language"), (2, "language")],
    )  # fmt: skip
    assert "(de)" in found["left_out"][0]["detail"]
    assert google.seen == []


def test_perspective_is_asked_while_it_still_answers(cli: Cli, google: Any, tmp_path: Path) -> None:
    path, key, kept = tmp_path / "texts.jsonl", tmp_path / "key", tmp_path / "kept.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*COMMENTS, "Guten Tag allerseits"]))
    key.write_text("AIzaSecret\n")
    at = f"http://127.0.0.1:{google.server_address[1]}/v1alpha1"
    asked = ("perspective", "compare", str(path), "--ask", str(key), "--ask-at", at, "--pace", "0", "--save", str(kept), "--json")
    found = answer(cli(*asked, code=1))
    assert (found["comments"], [each["line"] for each in found["left_out"]]) == (4, [5])
    assert google.seen[0][0] == "/v1alpha1/comments:analyze?key=AIzaSecret"
    assert all(body["doNotStore"] for _, body in google.seen)
    again = answer(cli("perspective", "compare", str(kept), "--json"))
    assert again["thresholds"] == found["thresholds"]


def test_a_run_that_broke_off_goes_on_where_it_was(cli: Cli, google: Any, tmp_path: Path) -> None:
    path, key, kept = tmp_path / "texts.jsonl", tmp_path / "key", tmp_path / "kept.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in COMMENTS))
    key.write_text("k")
    known, *rest = COMMENTS
    # Killed within a line.
    kept.write_text(json.dumps({"text": known, "TOXICITY": 0.95, "tidegate": 0.9}) + '\n{"text": "half')
    at = f"http://127.0.0.1:{google.server_address[1]}/v1alpha1"
    asked = ("perspective", "compare", str(path), "--ask", str(key), "--ask-at", at, "--pace", "0", "--save", str(kept), "--json")
    for _ in range(2):
        assert answer(cli(*asked))["comments"] == 4
    # The first question was in the way of the limit.
    assert [body["comment"]["text"] for _, body in google.seen][1:] == rest
    texts = [json.loads(line)["text"] for line in kept.read_text().splitlines() if line.endswith("}")]
    assert texts == list(COMMENTS)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, "<html>", "something else than Perspective answers"),
        (404, "[]", "something else than Perspective answers"),
        (400, '{"error": {"message": "API key not valid."}}', "Perspective refuses: API key not valid."),
        (403, "{}", "Perspective refuses: 403"),
        (429, "", "Perspective asks to wait, again and again"),
    ],
)
def test_what_is_no_score_ends_the_run_in_one_sentence(
    cli: Cli, google: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, status: int, body: str, said: str
) -> None:
    monkeypatch.setattr(perspective_asking, "WAITS", (0.0,))
    google.always = (status, body)
    path, key = tmp_path / "texts.jsonl", tmp_path / "key"
    path.write_text(json.dumps({"text": "A fine day."}))
    key.write_text("k-1234")
    at = f"http://127.0.0.1:{google.server_address[1]}"
    result = cli("perspective", "compare", str(path), "--ask", str(key), "--ask-at", at, "--pace", "0", code=4)
    assert said in result.stderr
    assert "k-1234" not in result.stderr


def test_perspective_is_waited_for_as_long_as_it_asks(monkeypatch: pytest.MonkeyPatch, google: Any) -> None:
    waited: list[float] = []
    monkeypatch.setattr("moderation.commands.perspective_asking.time.sleep", waited.append)
    google.retry_after = "30"
    asker = perspective_asking.Asker(
        address=f"http://127.0.0.1:{google.server_address[1]}", key="k", attribute="TOXICITY", pace=1.1
    )
    assert asker.score(next(iter(COMMENTS))) == 0.95
    asker.close()
    assert waited == [1.1, 30.0]


def test_without_a_score_or_a_source_it_says_what_is_missing(cli: Cli, csv: Path, tmp_path: Path) -> None:
    assert "a file or a site" in cli("perspective", "compare", code=2).stderr
    assert "--ask" in cli("perspective", "compare", "--site", "blog", code=2).stderr
    empty = tmp_path / "empty.csv"
    empty.write_text("text,score\n")
    assert "no comment with both scores" in cli("perspective", "compare", str(empty), code=1).stderr


def test_a_site_is_pinned_to_what_is_installed_and_to_nothing_else(cli: Cli, installed: Database) -> None:
    version = answer(cli("site", "model", "blog", "--json"))["installed"]
    assert "bundled-9 is not installed" in cli("site", "model", "blog", "--pin", "bundled-9", code=2).stderr
    assert answer(cli("site", "model", "blog", "--pin", "installed", "--json"))["pinned"] == version
    assert "settings@1" in cli("site", "show", "blog").stdout
    assert answer(cli("site", "model", "blog", "--unpin", "--json"))["pinned"] is None


def test_a_site_whose_model_is_gone_is_told_so_by_text_and_exit_code(cli: Cli, installed: Database) -> None:
    with installed.transaction() as session:
        gone = Chosen("unbiased", version="unbiased+0123abcd")
        choosing.use(session, sites.find(session, "blog").id, gone, by="test", now=datetime.now(UTC))
    assert "every comment waits for a human" in cli("site", "model", "blog", code=1).stdout
    assert "not installed" in cli("site", "model", "blog", "--pin", "installed", code=2).stderr
    answered = json.loads(cli("site", "model", "blog", "--unpin", "--json", code=1).stdout)
    assert (answered["model"], answered["installed"], answered["pinned"], answered["scored"]) == ("unbiased", None, None, False)
