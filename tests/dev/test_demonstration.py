"""The demonstration and the page about it."""

import re
from pathlib import Path

from dev.demonstration import TITLES

PAGE = Path(__file__).parents[2] / "docs" / "demonstration.md"


def test_the_page_shows_a_run_of_every_step_in_order() -> None:
    shown = re.findall(r"^\[ *[\d.]+ s\] \d+\. (.+)$", PAGE.read_text(), re.MULTILINE)
    assert tuple(shown) == TITLES


def test_the_page_explains_every_step() -> None:
    explained = re.findall(r"^(\d+)\. ", PAGE.read_text().partition("## What you saw")[2], re.MULTILINE)
    assert explained == [str(number) for number in range(1, len(TITLES) + 1)]
