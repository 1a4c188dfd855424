"""What editors set for the whole site or one page of it: what posts accept, the words, the thresholds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from flask import Response, request
from marshmallow import ValidationError
from sqlalchemy import select
from werkzeug.wrappers import Response as Answer

from api.auth import by, needs, principal
from api.console.door import back, blp, form, page, refusal, said, signed_in
from api.console.forms import ClosingForm, PostForm, PostsQuery, ReasonsForm, ReasonsQuery, ThresholdsForm, WordsForm
from api.context import context
from api.schemas.fields import Line
from moderation.clock import zone_of
from moderation.errors import NotFound, Refused
from moderation.ids import read
from moderation.models import Openness, Site, Subject, Version
from moderation.policy.rules import Policy
from moderation.policy.thresholds import dials, turned
from moderation.services import controls, drafts, openness, policies, rewording, wording
from moderation.services import posts as threads

USUAL = "usual"
"""What leaves a post to the site's rule."""

OPENNESS = {
    USUAL: "As posts usually are here",
    Openness.OPEN: "Open",
    Openness.NEWCOMERS_HELD: "Newcomers held",
    Openness.PREMODERATED: "A person reads all first",
    Openness.CLOSED: "Closed",
}
DEADLINE = 5.0
"""Seconds for scoring a pasted comment; later, it counts as not scored, as it would in the queue."""

WORD_LISTS = {"banned": Subject.BANNED_WORDS, "suspect": Subject.SUSPECT_WORDS}


@blp.get("/posts")
@needs("console:lead")
def posts() -> Response:
    """Show what the posts accept."""
    return _posts(PostsQuery().load(request.args.to_dict()))


@blp.post("/posts/<post_id>")
@needs("console:lead")
def set_post(post_id: str) -> Answer:
    """Say what a post accepts, and until when."""
    number = read("post", post_id)
    asked = form(PostForm())
    try:
        until, now = _moment(asked["until"]), context().runtime.clock.now()
    except ValidationError as invalid:
        return _posts({"post": post_id}, problem=said(invalid), written=asked)
    word = None if asked["openness"] == USUAL else Openness(asked["openness"])
    problem = refusal(
        lambda session: openness.set_post(session, principal().site_id, number, word, until=until, by=by(), now=now)
    )
    if problem:
        return _posts({"post": post_id}, problem=problem, written=asked)
    return back("posts", "post", post=post_id)


@blp.post("/posts/closing")
@needs("console:lead")
def set_closing() -> Answer:
    """Say after how many days posts are closed."""
    try:
        days, now = form(ClosingForm())["days"], context().runtime.clock.now()
    except ValidationError as invalid:
        return _posts({}, problem=said(invalid), written=request.form)
    if problem := refusal(lambda session: openness.close_after(session, principal().site_id, days, by=by(), now=now)):
        return _posts({}, problem=problem, written=request.form)
    return back("posts", "closing")


@blp.get("/words")
@needs("console:lead")
def words() -> Response:
    """Show the word lists."""
    return _words({})


@blp.post("/words/<name>")
@needs("console:lead")
def set_words(name: str) -> Answer:
    """Put a list into force."""
    if name not in WORD_LISTS:
        raise NotFound("list", name)
    written, now = form(WordsForm())["words"], context().runtime.clock.now()
    problem = refusal(
        lambda session: controls.save_words(
            session, principal().site_id, WORD_LISTS[name], written.splitlines(), by=by(), now=now
        )
    )
    if problem:
        return _words({name: written}, problem=problem)
    return back("words", "words")


@blp.get("/reasons")
@needs("console:lead")
def reasons() -> Response:
    """Show what authors read as reasons in a language."""
    asked = ReasonsQuery().load(request.args.to_dict())["language"]
    with context().runtime.database.reading() as session:
        site = session.get_one(Site, principal().site_id)
        language = asked or wording.known(site.language) or wording.LANGUAGES[0]
        words = rewording.own_words(session, principal().site_id, language)
    return _reasons(language, words)


@blp.post("/reasons")
@needs("console:lead")
def set_reasons() -> Answer:
    """Show what authors would read, or let them read it."""
    asked = form(ReasonsForm())
    language, runtime = asked["language"], context().runtime
    line = Line(longest=rewording.LONGEST)
    written = {name: str(line.deserialize(request.form.get(f"reason-{name}", ""))) for name in rewording.shipped(language)}
    try:
        words = rewording.checked(language, written)
    except Refused as refused:
        return _reasons(language, written, problem=refused.detail)
    if asked["act"] == "preview":
        return _reasons(language, words)
    runtime.database.transact(
        lambda session: rewording.reword(session, principal().site_id, language, words, by=by(), now=runtime.clock.now())
    )
    return back("reasons", "reasons", language=language)


@blp.get("/policy")
@needs("console:lead")
def policy() -> Response:
    """Show the thresholds of a policy, and the site's policies."""
    return _policy(ThresholdsForm().load(request.args.to_dict()), tried={})


@blp.post("/policy")
@needs("console:lead")
def try_policy() -> Answer:
    """Try thresholds on a text or the last month, or put them into force."""
    asked = form(ThresholdsForm())
    runtime = context().runtime
    site_id, now = principal().site_id, runtime.clock.now()
    with runtime.database.reading() as session:
        version = _version(session, asked["policy"])
        before = policies.parsed(version.content["toml"])
    draft = turned(before, _values(before))
    if asked["act"] == "save":
        if draft != before:
            runtime.database.transact(lambda session: _save(session, version, draft))
        return back("policy", "thresholds", policy=asked["policy"])
    tried: dict[str, Any] = {}
    if asked["act"] == "month":
        with runtime.database.reading() as session:
            tried["month"] = drafts.over_the_last_month(session, site_id, draft, now=now)
    elif asked["text"].strip():
        tried["text"] = drafts.try_on(
            runtime.database,
            partial(context().models.within, DEADLINE),
            site_id,
            draft,
            asked["text"],
            standing=asked["standing"],
        )
    return _policy(asked, draft=draft, tried=tried)


def _save(session: Any, version: Version, draft: Policy) -> None:
    now = context().runtime.clock.now()
    in_force = policies.in_force(session, version.site_id)
    made = policies.add_version(session, version.site_id, Subject.POLICY, version.name, {"toml": draft.text}, by=by(), now=now)
    # What only watches goes on watching, by its newest version.
    if in_force.policy.name == version.name:
        policies.activate(session, made, by=by(), now=now)


def _values(before: Policy) -> dict[str, float]:
    found = {}
    for dial in dials(before):
        said = request.form.get(f"at-{dial.key}", "")
        if not said:
            continue
        try:
            value = float(said)
        except ValueError:
            value = -1.0
        if not 0.0 <= value <= 1.0:
            raise ValidationError({dial.rule: ["A threshold is a number from 0 to 1, such as 0.40."]})
        found[dial.key] = value
    return found


def _version(session: Any, name: str) -> Version:
    in_force = policies.in_force(session, principal().site_id)
    return policies.find_version(
        session, principal().site_id, Subject.POLICY, name or in_force.policy.shadow or in_force.policy.name
    )


def _policy(asked: dict[str, Any], *, tried: dict[str, Any], draft: Policy | None = None) -> Response:
    site_id = principal().site_id
    with context().runtime.database.reading() as session:
        version = _version(session, asked["policy"])
        in_force = policies.in_force(session, site_id)
        versions = session.scalars(
            select(Version).where(Version.site_id == site_id, Version.subject == Subject.POLICY).order_by(Version.id)
        ).all()
    stored = policies.parsed(version.content["toml"])
    shown = draft or stored
    newest = {each.name: each for each in versions}
    return page(
        "policy.html",
        place="policy",
        version=version,
        label=policies.label,
        in_force=in_force,
        policies=[(each, policies.parsed(each.content["toml"])) for each in newest.values()],
        older=[each for each in versions if newest[each.name] is not each],
        dials=list(zip(dials(shown), dials(stored), strict=True)),
        explanations={rule.name: rule.explanation for rule in shown.rules},
        conditions={rule.name: rule.when.text for rule in shown.rules if rule.when is not None},
        asked=asked,
        standings=list(drafts.STANDINGS),
        changed=draft is not None and draft != stored,
        tried=tried,
    )


def _posts(asked: dict[str, Any], problem: str | None = None, *, written: Mapping[str, str] | None = None) -> Response:
    also = None
    site_id = principal().site_id
    with context().runtime.database.reading() as session:
        if asked.get("post"):
            also = read("post", asked["post"])
        elif asked.get("address"):
            try:
                also = threads.find(session, site_id, asked["address"]).id
            except (NotFound, ValueError):
                problem = "No comment was ever sent for a post with that address."
        found = controls.recent_posts(session, site_id, also=also)
        closes_after = openness.closes_after(policies.settings(session, site_id))
    zone = zone_of(signed_in().time_zone)
    status = 422 if problem and not asked.get("address") else 200
    return page(
        "posts.html",
        status=status,
        place="posts",
        posts=found,
        openness=OPENNESS,
        usual=USUAL,
        closes_after=closes_after,
        most_days=openness.MOST_DAYS,
        zone=zone,
        problem=problem,
        written=written or {},
        also=also,
        two_hours=timedelta(hours=2),
    )


def _words(written: dict[str, str], problem: str | None = None) -> Response:
    with context().runtime.database.reading() as session:
        in_force = policies.in_force(session, principal().site_id)
    lists = {"banned": controls.lines_of(in_force.banned), "suspect": controls.lines_of(in_force.suspect)}
    return page("words.html", status=422 if problem else 200, place="words", lists={**lists, **written}, problem=problem)


def _reasons(language: str, words: Mapping[str, str], problem: str | None = None) -> Response:
    usual = rewording.shipped(language)
    phrases = [
        {
            "name": name,
            "key": key,
            "completed": bool(completed),
            "usual": usual[name],
            "words": words.get(name, ""),
            "said": wording.rejection(words.get(name) or usual[name], language),
        }
        for name in usual
        for key, _, completed in [name.partition("_")]
    ]
    return page(
        "reasons.html",
        status=422 if problem else 200,
        place="words",
        language=language,
        languages={each: wording.texts(each)["language"] for each in wording.LANGUAGES},
        phrases=phrases,
        longest=rewording.LONGEST,
        problem=problem,
    )


def _moment(written: str) -> datetime | None:
    """Return a time that a browser's picker wrote, as the site's clocks show it."""
    if not written:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise ValidationError({"until": ["A time such as 2026-12-01T18:00."]}) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone_of(signed_in().time_zone))
