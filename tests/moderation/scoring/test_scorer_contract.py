"""What every scorer promises, held against each of them."""

import math
import re

import pytest

from moderation.scoring.choice import ENGINES
from moderation.scoring.scorer import ATTRIBUTES, Scorer, ScoringFailed

ODD_TEXTS = {
    "empty": "",
    "blank": " \n\t ",
    "emoji": "😀🔪❤️👩🏽‍🚀🇫🇷",
    "chinese": "今天天气很好,我们去公园吧。",
    "arabic": "شكرا على هذا المقال الجميل",
    "german": "Schöner Artikel, vielen Dank für die Mühe.",
    "marks": "z" + "\u0301" * 400,
    "bidi": "abc \u202edrawkcab\u202c def",
    "one word without end": "a" * 3000,
    "markup": "<b>bold</b> & [CLS] [SEP] [MASK] <script>",
}


def test_it_is_a_scorer_with_a_version_that_names_model_and_weights(scorer: Scorer) -> None:
    assert isinstance(scorer, Scorer)
    assert scorer.engine in ENGINES
    assert re.fullmatch(r"[a-z][a-z0-9-]*\+[0-9a-f]{8}(-[a-z]+)?", scorer.version)


def test_its_attributes_are_ours_and_in_our_order(scorer: Scorer) -> None:
    assert scorer.attributes
    assert [attribute for attribute in ATTRIBUTES if attribute in scorer.attributes] == list(scorer.attributes)


@pytest.mark.parametrize("text", ODD_TEXTS.values(), ids=ODD_TEXTS.keys())
def test_every_score_is_a_probability_also_for_odd_texts(scorer: Scorer, text: str) -> None:
    (scores,) = scorer.score([text])
    assert set(scores) == set(scorer.attributes)
    assert all(math.isfinite(score) and 0 <= score <= 1 for score in scores.values())


def test_texts_come_back_in_the_order_given_whatever_their_lengths(scorer: Scorer) -> None:
    texts = [
        "You are a worthless idiot.",
        "Thank you for this thorough report about the harbour and its history.",
        "You are a worthless idiot.",
        "Thanks!",
    ]
    together = [scores["toxicity"] for scores in scorer.score(texts)]
    alone = [scorer.score([text])[0]["toxicity"] for text in texts]
    assert together == pytest.approx(alone, abs=0.02)
    assert together[0] == pytest.approx(together[2], abs=1e-6)
    assert min(together[0], together[2]) > max(together[1], together[3])


def test_no_texts_give_no_scores(scorer: Scorer) -> None:
    assert scorer.score([]) == []


def test_the_same_text_gives_the_same_scores(scorer: Scorer) -> None:
    text = "I disagree with the mayor, and the last paragraph is wrong."
    assert scorer.score([text]) == scorer.score([text])


def test_abuse_after_a_thousand_harmless_words_is_still_seen(scorer: Scorer) -> None:
    calm = "The library opens at nine and the garden is quiet. " * 100
    quiet, loud = scorer.score([calm, calm + "You are all worthless idiots, go kill yourselves."])
    assert loud["toxicity"] > 0.1 + 5 * quiet["toxicity"]


def test_the_estimate_grows_with_the_text_and_is_cheap(scorer: Scorer) -> None:
    estimates = [scorer.estimate_ms("word " * length) for length in (0, 10, 100, 1000)]
    assert estimates == sorted(estimates)
    assert estimates[0] > 0
    assert scorer.estimate_ms("字" * 100) > scorer.estimate_ms("a" * 100)


def test_a_text_that_is_no_text_fails_as_a_whole_and_is_not_repeated_in_the_message(scorer: Scorer) -> None:
    with pytest.raises(ScoringFailed) as failure:
        scorer.score(["a secret sentence", None])  # type: ignore[list-item]
    assert "secret" not in str(failure.value)
