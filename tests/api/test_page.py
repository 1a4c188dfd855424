"""docs/api.md says what is true: its examples work, its routes exist, its numbers are the code's."""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from api import limits, parsing
from api.schemas import fields
from api.v1 import check, comments
from tests.api.conftest import DESCRIBED

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
EXAMPLES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in re.findall(r"^curl .*?(?=^curl |\Z)", block, re.DOTALL | re.MULTILINE)
]

CURL = argparse.ArgumentParser(prog="curl")
CURL.add_argument("url")
CURL.add_argument("-s", action="store_true")
CURL.add_argument("-H", action="append", default=[])
CURL.add_argument("-d")


def curl(door: Any, command: str) -> Any:
    """Do what curl would, in the application itself."""
    written = command.replace("\\\n", " ").replace("$BASE", "").replace("$KEY", door.keys["secret"])
    given = CURL.parse_args(shlex.split(written)[1:])
    headers = dict(header.split(": ", 1) for header in given.H)
    return door.call("POST" if given.d else "GET", given.url, key=None, headers=headers, data=given.d)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 6


def test_each_example_works_in_the_order_of_the_page(door: Any) -> None:
    with door.working():
        answers = [curl(door, example) for example in EXAMPLES]
    assert [answer.status_code for answer in answers] == [200] * len(EXAMPLES)
    taken, listed, checked, thread, counts, feed = (answer.json for answer in answers)
    assert (taken["status"], checked["verdict"]) == ("approved", "approve")
    assert [comment["id"] for comment in listed["items"]] == [taken["id"]]
    assert ([comment["id"] for comment in thread["comments"]], counts["counts"]) == ([taken["id"]], {"42": 1, "43": 0})
    assert feed["items"] == []


def test_every_route_that_the_page_names_exists() -> None:
    named = set(re.findall(r"(/v1/[\w/{}-]+)", PAGE))
    routes = {re.sub(r"{\w+}", "{id}", path) for path in DESCRIBED["paths"]}
    concrete = {re.sub(r"/posts/42\b", "/posts/{id}", path).rstrip("/") for path in named}
    assert concrete <= routes


@pytest.mark.parametrize(
    "said",
    [
        f"at most {parsing.MAX_BYTES // 1024} KB and {parsing.DEEPEST} levels",
        f"1 to {fields.MAX_BODY:,} characters",
        f"{limits.KEY.item.amount} requests a second for a secret key",
        f"address {limits.READER.item.amount} a minute and {limits.AUTHOR.item.amount} comments",
        f"at most {comments.LONGEST_WAIT:g} seconds",
        f"late ({check.DEADLINE:g} seconds)",
    ],
)
def test_the_numbers_are_the_codes(said: str) -> None:
    assert said in PAGE
