"""What the model reads."""

import pytest

from moderation.scoring.view import model_view


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I \u2764\ufe0f this", ["heavy", "black", "heart"]),
        ("you \U0001f437", ["pig", "face"]),
        ("\U0001f469\U0001f3fd\u200d\U0001f680", ["woman", "rocket"]),
    ],
)
def test_an_emoji_is_read_by_its_name(text: str, words: list[str]) -> None:
    assert [word for word in model_view(text).split() if word in words] == words
    assert not any(ord(char) > 0x2000 for char in model_view(text))


def test_plain_text_is_left_alone() -> None:
    assert model_view("Plain, calm text.") == "Plain, calm text."
