"""Learning a site's own layer: deterministic, cautious, and used only while it is better."""

import math
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.scoring.layer import SPAM, TOXICITY
from moderation.scoring.learner import FROM, Comparison, Example, Learner, learnt
from moderation.scoring.spam import features

ADVERTS = ["my new song is on my channel", "watch my cover of this on my channel please", "new beats every week on my channel"]
TALK = ["this song is from my childhood", "who still watches this in june", "the channel of the lake is frozen again"]

examples = st.builds(
    Example,
    score=st.floats(0, 1),
    positive=st.booleans(),
    weight=st.floats(1, 20),
    testifies=st.booleans(),
    features=st.sampled_from(ADVERTS + TALK).map(features),
)


def site(count: int, *, missed: float = 0.2, seed: int = 1) -> list[Example]:
    """Return decisions of a site whose adverts the shared model does not know: it gives both sorts about the same score."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        advert = chance.random() < 0.5
        text = f"{chance.choice(ADVERTS if advert else TALK)} {chance.choice(['now', 'today', 'again', 'really'])}"
        made.append(Example(missed + chance.random() * 0.1, advert, features=features(text)))
    return made


@settings(max_examples=30)
@given(st.lists(examples, max_size=12))
def test_the_same_examples_give_the_same_layer(decisions: list[Example]) -> None:
    first, compared = learnt(SPAM, decisions, base="b")
    second, again = learnt(SPAM, decisions, base="b")
    assert first.as_json() == second.as_json()
    assert compared == again


@settings(max_examples=30)
@given(st.lists(examples, min_size=1, max_size=12))
def test_learning_stays_finite_and_moves_towards_the_decision_but_never_past_it(decisions: list[Example]) -> None:
    learner = Learner(SPAM)
    for example in decisions:
        before = learner.predict(example)
        assert learner.learn(example) == before
        after = learner.predict(example)
        assert 0 < after < 1
        if example.positive:
            assert after >= before - 1e-9
        else:
            assert after <= before + 1e-9
    assert np.isfinite(learner.weights).all()


def test_without_examples_there_is_nothing_learnt_and_nothing_better() -> None:
    layer, compared = learnt(SPAM, [], base="b")
    assert not layer.weights.any()
    assert compared.compared == 0
    assert not compared.better


@given(st.integers(0, FROM - 1))
@settings(max_examples=10)
def test_before_the_tenth_decision_no_layer_is_used(count: int) -> None:
    assert not learnt(SPAM, site(count), base="b")[1].better


def test_a_site_with_adverts_of_its_own_is_served_better_by_its_layer_soon_after_the_tenth() -> None:
    layer, compared = learnt(SPAM, site(30), base="b")
    assert compared.better
    assert compared.own_loss < compared.shared_loss
    assert compared.own_mistakes < compared.shared_mistakes
    advert, talk = (layer(0.25, features(text)) for text in (ADVERTS[0], TALK[1]))
    assert advert > 0.5 > talk


def test_decisions_by_the_toss_of_a_coin_teach_nothing_that_is_used() -> None:
    used = 0
    for seed in range(40):
        chance = random.Random(seed)
        tossed = [Example(0.5, chance.random() < 0.5, features=features(f"{chance.random()} said so")) for _ in range(60)]
        used += learnt(SPAM, tossed, base="b")[1].better
    assert used <= 2


def test_who_only_ever_rejected_has_shown_no_difference() -> None:
    only = [example for example in site(80) if example.positive]
    assert not learnt(SPAM, only, base="b")[1].better


def test_a_layer_falls_back_when_the_site_changes_its_mind() -> None:
    before = site(120)
    assert learnt(SPAM, before, base="b")[1].better
    surer = [Example(0.9 if example.positive else 0.1, example.positive, features=example.features) for example in before]
    turned = [Example(example.score, not example.positive, features=example.features) for example in site(25, seed=2)]
    drifted = [Example(0.95 if example.positive else 0.05, example.positive, features=example.features) for example in turned]
    assert not learnt(SPAM, surer + drifted, base="b")[1].better


def test_mistakes_that_were_pointed_out_teach_but_do_not_testify() -> None:
    told = [Example(example.score, example.positive, testifies=False, features=example.features) for example in site(60)]
    layer, compared = learnt(SPAM, told, base="b")
    assert layer.weights.any()
    assert compared.compared == 0
    assert not compared.better


def test_a_decision_that_speaks_for_many_counts_as_many_in_the_comparison() -> None:
    one = Example(0.9, positive=False, weight=19.0)
    rest = [Example(0.9, positive=True)] * 19
    _, compared = learnt(TOXICITY, [one, *rest], base="b")
    _, alone = learnt(TOXICITY, [Example(0.9, positive=False), *rest], base="b")
    assert compared.shared_loss > 4 * alone.shared_loss


def test_a_strict_site_has_its_toxicity_raised_and_the_order_kept() -> None:
    chance = random.Random(3)
    strict = [Example(score, chance.random() < 3 * score) for score in (chance.random() * 0.33 for _ in range(200))]
    layer, compared = learnt(TOXICITY, strict, base="b")
    assert compared.better
    found = [layer(score / 100) for score in range(101)]
    assert found == sorted(found)
    assert layer(0.2) > 0.35


def test_one_example_moves_a_score_a_little() -> None:
    learner = Learner(TOXICITY)
    learner.learn(Example(0.5, positive=True))
    assert 0.5 < learner.predict(Example(0.5, positive=True)) < 0.7


def test_a_comparison_says_what_it_was_made_of() -> None:
    compared = learnt(SPAM, site(150), base="b")[1]
    assert compared.compared == 150
    assert compared.recent == 100
    assert Comparison(**compared.as_json()) == compared
    assert all(math.isfinite(value) for value in compared.as_json().values())
