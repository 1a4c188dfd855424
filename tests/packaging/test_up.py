"""`tidegate up` as a person runs it: ready in seconds, small, used by script, stopped by Ctrl-C, resumed by a second start."""

import json
import os
import re
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from moderation.embedded import free_port
from tests.packaging.compose import ROOT
from tests.packaging.installation import Up

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

RESIDENT = 1200
"""MB that the whole stack may take, shared pages counted once."""
SMALL_RESIDENT = 700
"""The same for the small profile: a machine with 1 GB has to hold the system, too."""
COMMENT = {
    "post": {"id": "p", "url": "https://example.org/p"},
    "author": {"name": "Ada"},
    "body": "A fine and thoughtful article.",
}


def test_a_first_start_serves_and_a_second_one_resumes(start: Any) -> None:
    first: Up = start()
    first.wait_ready()
    demo = first.demo()
    addresses, keys = {"base_url", "login_url", "console_url", "demo_blog_url"}, {"secret_key", "publishable_key", "door_key"}
    assert set(demo) == addresses | keys | {"site", "webhook_secret"}
    assert stat.S_IMODE((first.home / "demo.json").stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in (first.home, first.home / "data", first.home / "keys")} == {0o700}
    comment = first.call("/v1/comments", COMMENT)
    assert comment["status"] == "approved"
    assert first.resident() <= RESIDENT
    with urlopen(demo["demo_blog_url"], timeout=10) as page:
        assert page.status == 200
    assert first.end(signal.SIGINT) == 0
    assert first.processes() == []

    second: Up = start()
    second.wait_ready()
    assert second.demo() == demo
    assert second.call(f"/v1/comments/{comment['id']}")["body"] == COMMENT["body"]
    assert second.end(signal.SIGTERM) == 0
    assert second.processes() == []
    left = {path.name for path in second.home.parent.iterdir()}
    assert left == {second.home.name}, "whatever else is in the home of the person who started it, a library put there"


def test_parts_that_are_killed_come_back_and_the_comments_of_that_time_are_decided(start: Any) -> None:
    up: Up = start()
    up.wait_ready()
    for name in ("moderate", "valkey", "relay", "deliver"):
        os.killpg(int((up.home / "run" / f"{name}.pid").read_text()), signal.SIGKILL)
        assert up.call("/v1/comments", COMMENT | {"external_id": name})["id"]
    deadline = time.monotonic() + 30
    while pending := up.call("/v1/comments?status=pending")["items"]:
        assert time.monotonic() < deadline, pending
        time.sleep(0.2)


def test_nothing_outlives_a_supervisor_that_is_killed_outright(start: Any) -> None:
    up: Up = start()
    up.wait_ready()
    up.end(signal.SIGKILL)
    up.wait_gone()
    again: Up = start()
    again.wait_ready()


def test_with_redis_dead_for_good_comments_are_decided_and_no_worker_ends(start: Any) -> None:
    up: Up = start(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    up.wait_ready()
    workers = [int((up.home / "run" / f"{name}.pid").read_text()) for name in ("moderate", "deliver", "relay")]
    for number in range(3):
        comment = up.call("/v1/comments", COMMENT | {"external_id": str(number)})
        assert comment["decision"]["by"] == "machine"
    assert [int((up.home / "run" / f"{name}.pid").read_text()) for name in ("moderate", "deliver", "relay")] == workers
    assert up.end(signal.SIGTERM) == 0
    assert up.processes() == []


def test_the_small_profile_judges_and_delivers_in_one_worker(start: Any) -> None:
    up: Up = start(TIDEGATE_PROFILE="small")
    up.wait_ready()
    assert up.call("/v1/comments", COMMENT)["status"] == "approved"
    deadline = time.monotonic() + 15
    while {delivery["state"] for delivery in up.call("/v1/deliveries")["items"]} != {"delivered"}:
        assert time.monotonic() < deadline, up.call("/v1/deliveries")
        time.sleep(0.1)
    assert up.resident() <= SMALL_RESIDENT


def test_the_readme_leads_from_a_comment_to_a_signed_webhook(start: Any, port: int, tmp_path: Path) -> None:
    """Word for word, but for the ports."""
    up: Up = start()
    up.wait_ready()
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (journey,) = (block for block in blocks if "/v1/comments" in block)
    journey = journey.replace("localhost:8080", f"localhost:{port}").replace("127.0.0.1:8081", f"127.0.0.1:{port + 1}")
    done = subprocess.run(["sh", "-c", journey], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    decoder, answers, text = json.JSONDecoder(), [], done.stdout
    for _ in range(4):
        answer, end = decoder.raw_decode(text)
        answers.append(answer)
        text = text[end:].lstrip()
    comment, checked, cases, deliveries = answers
    assert (comment["status"], comment["decision"]["verdict"]) == ("approved", "approve")
    assert (checked["verdict"], cases["items"]) == ("flag", [])
    assert deliveries["items"][0]["comment_id"] == comment["id"]
    deadline = time.monotonic() + 10
    while "comment.approved" not in (page := urlopen(up.demo()["demo_blog_url"] + "/received", timeout=10).read().decode()):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
