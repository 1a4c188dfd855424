"""A site's own words for reasons: by language, checked as phrases, versions of its settings; ours where there are none."""

from datetime import UTC, datetime
from typing import Any

import pytest

from moderation.errors import Refused
from moderation.policy.verdict import Verdict
from moderation.services import authorship, own, policies, rewording, wording
from tests.moderation.services.conftest import ABUSIVE, SECRET

MINE = {"1": "goes for the player and not for the ball.", "8_ground": "is more than our lawyer allows ({ground})"}


def reword(blog: Any, phrases: dict[str, str], language: str = "en") -> None:
    with blog.database.transaction() as session:
        rewording.reword(session, blog.site_id, language, phrases, by="test", now=datetime.now(UTC))


def told(blog: Any, comment: Any, language: str = "en") -> str:
    with blog.database.reading() as session:
        token = authorship.token_of(SECRET, blog.id_of(comment.id))
        return wording.said(own.view(session, token, secret=SECRET, now=datetime.now(UTC)), language)


def test_an_author_reads_the_sites_words_and_ours_where_it_has_none(blog: Any) -> None:
    comment = blog.judged(ABUSIVE)
    blog.decide(comment, Verdict.REJECT, reason=1)
    ours, german = told(blog, comment), told(blog, comment, "de")
    reword(blog, MINE)
    assert told(blog, comment) == "We did not publish this: it goes for the player and not for the ball. Decided by a moderator."
    assert told(blog, comment, "de") == german, "in another language it says nothing else"
    reword(blog, {"2": "is not how we speak of people"})
    assert told(blog, comment) == ours, "what is left out is said in our words again"


def test_a_ground_stands_where_the_site_wants_it(blog: Any) -> None:
    comment = blog.judged(ABUSIVE)
    blog.decide(comment, Verdict.REJECT, reason=8, note="an insult.")
    reword(blog, MINE)
    assert "it is more than our lawyer allows (an insult). Decided" in told(blog, comment)


def test_braces_are_text_and_no_format(sqlite_blog: Any) -> None:
    comment = sqlite_blog.judged(ABUSIVE)
    sqlite_blog.decide(comment, Verdict.REJECT, reason=1)
    reword(sqlite_blog, {"1": "is {0.__class__} {reason} {"})
    assert "it is {0.__class__} {reason} {. Decided" in told(sqlite_blog, comment)


def test_whoever_asks_again_is_told_when_the_words_changed(sqlite_blog: Any) -> None:
    comment = sqlite_blog.judged(ABUSIVE)
    sqlite_blog.decide(comment, Verdict.REJECT, reason=1)

    def tag() -> str:
        with sqlite_blog.database.reading() as session:
            token = authorship.token_of(SECRET, sqlite_blog.id_of(comment.id))
            return own.view(session, token, secret=SECRET, now=datetime.now(UTC)).tag

    before = tag()
    assert tag() == before
    reword(sqlite_blog, MINE)
    assert tag() != before


@pytest.mark.parametrize(
    "phrases",
    [{"9": "is not for us"}, {"1": "x" * 201}, {"1": "is\u202e"}, {"1": "is {ground}"}, {"8_ground": "is"}, {"no": "such"}],
)
def test_what_is_no_phrase_is_refused(sqlite_blog: Any, phrases: dict[str, str]) -> None:
    with pytest.raises(Refused):
        reword(sqlite_blog, phrases)


def test_words_are_a_version_of_the_settings_and_only_what_differs_is_stored(sqlite_blog: Any) -> None:
    reword(sqlite_blog, dict.fromkeys(rewording.shipped("en"), ""))
    reword(sqlite_blog, {**rewording.shipped("de"), "1": "ist ein\n Foul"}, "de")
    with sqlite_blog.database.reading() as session:
        in_force = policies.in_force(session, sqlite_blog.site_id)
        assert (in_force.settings, in_force.versions["settings"]) == ({"reason": {"de": {"1": "ist ein Foul"}}}, "settings@2")
        assert rewording.own_words(session, sqlite_blog.site_id, "en") == {}
    reword(sqlite_blog, {}, "de")
    with sqlite_blog.database.reading() as session:
        assert policies.settings(session, sqlite_blog.site_id) == {}


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_the_shipped_words_are_phrases_themselves(language: str) -> None:
    assert rewording.checked(language, rewording.shipped(language)) == {}
