"""The content half of the spam score."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderation.scoring import spam
from moderation.scoring.spam import BUCKETS, COUNTS, SpamScorer, features

SPAM = [
    "CLICK HERE to get your FREE iPhone now!!! http://free-phones.example.net/win",
    "I made $4,500 last month working from home, ask me how on WhatsApp +1 555 0134 770",
    "Please check out my channel and subscribe, I post new music every day!",
    "Online pharmacy: cheap pills, no prescription, worldwide shipping www.pills.example.com",
    "Invest in bitcoin with expert trader Mrs Anna, she turned my $300 into $9,000. Telegram @annatrades",
]
HAM = [
    "I was there on Saturday and the queue was not half as long as you write.",
    "Thanks for the article. One correction: the bridge was built in 1911, not 1921.",
    "Does anybody know whether the pool opens in June?",
    "The council's own figures are at https://data.example.gov/budget, table 3.",
    "I could not disagree more. Rents rose by $200 in my street.",
    "Free speech is not freedom from criticism.",
]


@pytest.mark.parametrize("text", SPAM)
def test_plain_advertising_is_called_spam(spam_scorer: SpamScorer, text: str) -> None:
    assert spam_scorer.score([text])[0] >= 0.5


@pytest.mark.parametrize("text", HAM)
def test_an_honest_comment_stays_below_the_newcomers_threshold(spam_scorer: SpamScorer, text: str) -> None:
    assert spam_scorer.score([text])[0] < 0.3


@pytest.mark.parametrize("text", ["", " ", "😀", "http://a.example", "今天天气很好", "\u0301" * 500, "x" * 100_000, "\ud800"])
def test_any_text_gets_a_probability(spam_scorer: SpamScorer, text: str) -> None:
    (score,) = spam_scorer.score([text])
    assert math.isfinite(score)
    assert 0 <= score <= 1


def test_scoring_is_deterministic_and_keeps_the_order(spam_scorer: SpamScorer) -> None:
    together = spam_scorer.score([*SPAM, *HAM])
    assert together == [spam_scorer.score([text])[0] for text in [*SPAM, *HAM]]


def test_features_are_a_sparse_row_of_unit_length_and_bounded_counts() -> None:
    columns, values = features("Buy now at http://shop.example.com, call +44 7700 900 123!")
    assert len(columns) == len(set(columns.tolist()))
    assert columns.max() < BUCKETS + len(COUNTS)
    assert np.linalg.norm(values[columns < BUCKETS]) == pytest.approx(1.0)
    counts = dict(zip(COUNTS, values[-len(COUNTS) :], strict=True))
    assert counts["links"] == 0.5
    assert counts["phone_numbers"] == 1
    assert counts["mail_addresses"] == 0


selling = st.sampled_from([
    "WhatsApp me", "whats app +44 20", "sub to us", "Sub4", "Check out my", "my channel", "My WebSite", "my site", "CLICK HERE",
    "click the link", "follow me", "share this", "visit my", "insta: x", "Email us", "KIK @x", "skype on a", "Signal at 5",
    "wechat id q", "snapchat me", "telegram: y", "instagram z", "my blog", "subscribe", "ſub4", "İnsta x", "nothing", "é", "12",
])  # fmt: skip


@given(st.lists(selling | st.text(max_size=6), max_size=6).map(" ".join))
def test_a_pattern_is_spared_only_where_it_could_not_match(text: str) -> None:
    for pattern, needed in ((spam._HANDLE, spam._IN_A_HANDLE), (spam._SUBSCRIBE, spam._IN_A_CALL)):
        assert spam._times(pattern, text, needed) == len(pattern.findall(text))


def test_an_advertisement_at_the_end_of_a_long_text_is_read(spam_scorer: SpamScorer) -> None:
    filler = "The garden was quiet and the library was open. " * 400
    assert spam_scorer.logit(filler + SPAM[3]) > spam_scorer.logit(filler)


def test_a_model_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    points = np.array([0.0, 1.0])
    np.savez(
        path, name=np.array("odd"), weights=np.zeros(10), bias=np.float64(0), curve_logits=points, curve_probabilities=points
    )
    with pytest.raises(ValueError, match="10"):
        SpamScorer(path)


@pytest.mark.parametrize("text", [*SPAM, *HAM])
def test_the_parts_of_a_score_make_the_whole(spam_scorer: SpamScorer, text: str) -> None:
    parts = spam_scorer.parts(text)
    nothing = spam_scorer.logit("") - sum(spam_scorer.parts("").values())
    assert sum(parts.values()) + nothing == pytest.approx(spam_scorer.logit(text))
    assert parts.keys() <= {"words", *COUNTS}
