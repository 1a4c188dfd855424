"""Perspective's protocol (v1alpha1): the comment analyzer that is out of service after 2026, at its own paths.

A request is scored and nothing of it is stored, whether ``doNotStore`` says so or not. What is late, or what a model could not
judge, is this protocol's error 503, upon which clients ask again, and never a low score. A suggested score is a person's word
about a text: it is kept for learning (``services.labels``), and decides and publishes nothing.
"""

from typing import Final
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, g, request

from api import auth, errors, limits
from api.auth import PUBLIC, needs
from api.context import context
from api.doors import PERSPECTIVE
from api.doors.entrance import enter
from api.doors.languages import told_apart
from api.doors.perspective_discovery import document
from api.doors.perspective_errors import (
    NO_LANGUAGE,
    RPC,
    SERVICE,
    Failure,
    answered,
    invalid,
    no_key,
    not_in_language,
    of_problem,
    try_again,
    wrong_key,
)
from api.doors.perspective_request import LONGEST_NOTE, PROBABILITY, Analysis, Comment, analysis, fit, suggestion
from api.scoring import LOADED_WITHIN
from moderation.ids import show
from moderation.models import Site
from moderation.scoring.choice import SiteModels
from moderation.scoring.perspective import ENGLISH_ONLY, score_of, spans
from moderation.services import facts, labels, policies
from moderation.services.asking import Scored
from moderation.services.keys import BadKey, Principal
from moderation.signals import language
from moderation.signals.language import LanguageSignals

log = structlog.get_logger(__name__)

blp = Blueprint(PERSPECTIVE, __name__)

WAIT: Final = 0.65
"""Seconds that scoring may take; the most impatient client (Coral) gives up after 0.8."""

UNKNOWN: Final = "und"
"""The language tag (BCP 47) of a text without a language."""

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@blp.get("/$discovery/rest", strict_slashes=False)
@blp.get("/discovery/v1/apis/commentanalyzer/v1alpha1/rest", strict_slashes=False)
@needs(PUBLIC)
def discovery() -> Response:
    """Return the discovery document; a key that comes with the request has to be a good one."""
    if request.args.get("version", "v1alpha1") != "v1alpha1":
        raise Failure(404, "Discovery document not found for API service: commentanalyzer", [{"reason": "notFound"}])
    shown = _shown_key()
    if shown:
        here = context()
        try:
            found = auth.recognise(here.runtime, shown)
        except BadKey:
            here.limits.spend(limits.STRANGER, here.limits.caller())
            raise
        if not auth.may(found, "door:perspective"):
            raise BadKey
        limits.enforce(here.limits, found)
    return answered(document(_root()))


@blp.post("/v1alpha1/comments:analyze", strict_slashes=False)
@needs("door:perspective")
def analyze() -> Response:
    """Score a comment, as a whole and by sentence."""
    holder = _holder()
    asked = analysis()
    comment = asked.comment
    with context().runtime.database.reading() as session:
        site = session.get_one(Site, holder.site_id)
        in_force = policies.in_force(session, site.id)
        own, served = site.language, facts.languages_served(in_force)
    found_in = _language(comment, own, served)
    detected = found_in.language if found_in.letters and found_in.language != UNKNOWN else None
    languages = comment.languages or ((detected,) if detected else ())
    if not languages:
        raise invalid(*NO_LANGUAGE)
    # Whatever the client calls it: of a language that no model knows nobody is told a score.
    foreign = () if found_in.language_served or not found_in.letters else (found_in.language,)
    _require(asked, tuple(dict.fromkeys((*languages, *foreign))), detected, served)
    ranges = spans(comment.text) if asked.spans else []
    whole, *parts = _scored(comment.readable, ranges, in_force.models)
    found = {}
    for name, threshold in asked.thresholds.items():
        summary = _value(name, whole)
        if summary < threshold:
            continue
        each = [(begin, end, _value(name, part)) for (begin, end), part in zip(ranges, parts, strict=True)]
        found[name] = {
            "spanScores": [
                {"begin": begin, "end": end, "score": {"value": value, "type": PROBABILITY}}
                for begin, end, value in each or [(0, len(comment.text), summary)]
                if value >= threshold
            ],
            "summaryScore": {"value": summary, "type": PROBABILITY},
        }
    body = {
        **({"attributeScores": found} if found else {}),
        "languages": list(languages),
        "detectedLanguages": [detected or UNKNOWN],
        **({"clientToken": comment.token} if comment.token is not None else {}),
    }
    return answered(body)


@blp.post("/v1alpha1/comments:suggestscore", strict_slashes=False)
@needs("door:perspective")
def suggestscore() -> Response:
    """Keep what a person says that the scores of a text ought to be."""
    holder = _holder()
    asked = suggestion()
    comment = asked.comment
    here = context()
    token = fit(comment.token or "", LONGEST_NOTE)
    label = labels.Suggested(
        source=PERSPECTIVE,
        body=comment.readable,
        values=asked.values,
        languages=tuple(fit(tag, LONGEST_NOTE) for tag in comment.languages[:LONGEST_NOTE]),
        token=token,
        community=fit(comment.community or "", LONGEST_NOTE),
        named=labels.named_by(token, comment.entries),
    )
    now = here.runtime.clock.now()
    here.runtime.database.transact(lambda session: labels.keep(session, holder.site_id, label, now=now))
    return answered({"clientToken": comment.token} if comment.token is not None else {})


@blp.route("/v1alpha1/<path:anything>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@needs("door:perspective")
def no_such_method(anything: str) -> Response:  # noqa: ARG001 (the path's)
    """Refuse what the protocol does not have, in its own shape."""
    raise Failure(404, "Method not found.", [{"@type": f"{RPC}.ErrorInfo", "reason": "METHOD_NOT_FOUND", "domain": SERVICE}])


@blp.errorhandler(Exception)
def refused(error: Exception) -> Response:
    """Answer every failure in the protocol's shape."""
    if isinstance(error, Failure):
        return error.response()
    if isinstance(error, BadKey):
        return wrong_key().response()
    asks = g.get("principal")
    consumer = show("site", asks.site_id) if asks is not None else "unknown"
    return of_problem(errors.said(error), consumer).response()


def _shown_key() -> str:
    return (request.args.get("key") or request.headers.get("X-Goog-Api-Key") or "").strip()


def _holder() -> Principal:
    shown = _shown_key()
    if not shown:
        raise no_key()
    return enter(shown)


def _root() -> str:
    """Return where clients reach us: the public address, and as long as that is this machine's own, the one they used."""
    public = context().runtime.settings.public_url
    return request.host_url.rstrip("/") if urlsplit(public).hostname in LOOPBACK else public


def _language(comment: Comment, own: str, served: tuple[str, ...]) -> LanguageSignals:
    """Return the language of the text, in doubt the one that the client says, else the site's; raises Failure if it is late."""
    found = told_apart(comment.readable, comment.languages[0] if comment.languages else own, served)
    if found is None:
        log.warning("analysis_not_scored", cause="languages")
        raise try_again()
    return found


def _require(asked: Analysis, languages: tuple[str, ...], detected: str | None, served: tuple[str, ...]) -> None:
    """Refuse the first attribute that does not have all languages; raises Failure."""
    have = {language.primary(tag) for tag in served}
    for name in asked.thresholds:
        foreign = [tag for tag in languages if language.primary(tag) not in (have & {"en"} if name in ENGLISH_ONLY else have)]
        if foreign:
            raise not_in_language(name, asked.comment.languages, [detected] if detected else [], foreign)


def _scored(text: str, ranges: list[tuple[int, int]], models: SiteModels) -> list[Scored]:
    """Return the scores of the whole text and of its parts; raises Failure where any is missing or late."""
    here = context()
    # A comment of one sentence is scored once.
    texts = [text] + ([text[begin:end] for begin, end in ranges] if len(ranges) > 1 else [])
    bound = sum(map(here.models.estimate_ms, texts)) / 1000
    # The longest texts cost more than any client's patience; who sends one and waits shall have the answer.
    within = max(LOADED_WITHIN if here.models.state == "loading" else WAIT, 4 * bound)
    scores = here.models.all_within(within, texts, models)
    if any(scored.values is None for scored in scores):
        log.warning("analysis_not_scored", pinned=models.live.version if models.live is not None else None)
        raise try_again()
    return scores if len(scores) > 1 else scores * (1 + len(ranges))


def _value(name: str, scored: Scored) -> float:
    values = {**(scored.values or {}), **({"spam": scored.spam} if scored.spam is not None else {})}
    found = score_of(name, values)
    if found is None:
        raise try_again()
    return found
