"""``tidegate learning``: what a site learnt, and making it forget."""

import pytest

from moderation.database import Database
from moderation.models import Subject
from moderation.services import learning, sites
from tests.moderation.commands.conftest import Cli, answer
from tests.moderation.services.lessons_of import ADVERT, taught


@pytest.fixture
def learnt(installed: Database) -> Database:
    with installed.reading() as session:
        site_id = sites.find(session, "blog").id
    taught(installed, site_id)
    return installed


def test_a_site_that_learnt_nothing_says_so(cli: Cli, installed: Database) -> None:
    shown = cli("learning", "show", "blog").stdout
    assert shown.startswith("Spam (no version yet)\n  Nothing was learnt: no decision of a person says spam or no spam.\n")
    found = answer(cli("learning", "show", "blog", "--json"))
    assert [(each["layer"], each["version"], each["used"]) for each in found] == [
        ("spam", None, False), ("toxicity", None, False),
    ]  # fmt: skip


def test_what_was_learnt_is_shown_in_words_and_in_json(cli: Cli, learnt: Database) -> None:
    shown = cli("learning", "show", "blog").stdout
    assert "Spam (spam@1)\n  Learnt from 24 decisions of people: 12 spam, 12 no spam (24 held by the policy).\n" in shown
    assert "It is used" in shown
    spam = answer(cli("learning", "show", "blog", "--json"))[0]
    assert (spam["version"], spam["used"], spam["why"], spam["lessons"]) == ("spam@1", True, "better", 24)
    assert spam["compared"]["own_loss"] < spam["compared"]["shared_loss"]


def test_a_reset_takes_the_layer_out_of_use(cli: Cli, learnt: Database) -> None:
    assert cli("learning", "reset", "blog", "--layer", "spam").stdout == "reset: spam@2\n"
    with learnt.reading() as session:
        found = {each.subject: each for each in learning.standing(session, sites.find(session, "blog").id)}
    assert (found[Subject.SPAM_LAYER].used, found[Subject.SPAM_LAYER].why) == (False, learning.Why.RESET)
    assert answer(cli("learning", "reset", "blog", "--json")) == {"reset": ["spam@3", "toxicity@1"]}


def test_a_site_that_is_none_has_learnt_nothing(cli: Cli, installed: Database) -> None:
    for command in ("show", "reset"):
        cli("learning", command, "elsewhere", code=3)
    cli("learning", "reset", "blog", "--layer", "anger", code=2)


def test_explain_says_what_the_site_made_of_the_shared_score(cli: Cli, learnt: Database) -> None:
    text = ADVERT.format("next")
    (spam,) = answer(cli("explain", text, "--site", "blog", "--json"))["learnt"]
    assert (spam["score"], spam["layer"]) == ("spam", "spam@1")
    assert spam["shared"] < 0.5 < spam["own"]
    assert f"by the shared model, {spam['own']:.2f} by blog's layer spam@1" in cli("explain", text, "--site", "blog").stdout
    without = answer(cli("explain", text, "--json"))
    assert "learnt" not in without
    assert without["signals"]["spam"] == spam["shared"]
    cli("learning", "reset", "blog")
    assert "Nothing that blog learnt corrects these scores" in cli("explain", text, "--site", "blog").stdout
    cli("explain", text, "--site", "elsewhere", code=3)
