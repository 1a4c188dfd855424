"""The pictures of the documentation: each is shown, each that is named is there, and together they stay small."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
IMAGES = DOCS / "images"
MOST = 1_950_000
"""Bytes of all pictures."""


@pytest.mark.parametrize("page", ["console.md", "embed.md", "images/README.md"])
def test_every_picture_that_a_page_names_is_there(page: str) -> None:
    named = re.findall(r"[\"(]((?:images/)?[a-z0-9-]+\.webp)[\")]", (DOCS / page).read_text())
    assert named
    assert [each for each in named if not ((DOCS / page).parent / each).exists()] == []


def test_every_picture_is_shown_and_all_are_small() -> None:
    gallery = (IMAGES / "README.md").read_text()
    pictures = list(IMAGES.glob("*.webp"))
    assert [each.name for each in pictures if f"({each.name})" not in gallery] == []
    assert sum(each.stat().st_size for each in pictures) <= MOST
