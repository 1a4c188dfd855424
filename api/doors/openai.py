"""OpenAI's moderations endpoint: texts in, thirteen categories out, scored by the models of this installation; nothing is stored.

The categories are OpenAI's and the evidence is ours: ``SIGNALS`` says which of our attributes backs which category, and what no
attribute backs scores 0 (docs/migrate/openai.md). What could not be scored in time is an error that clients try again, and a text
in a language that no model knows one that they do not: neither is ever a text that is not flagged. ``/v1`` is also the prefix of
our own API; the door's key opens this path and no other of them.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog
from flask import Blueprint, Response, request

from api import errors
from api.auth import needs, shown_key
from api.context import context
from api.doors import OPENAI
from api.doors.entrance import enter
from api.doors.json_request import json_object, sent_bytes, storable
from api.doors.languages import told_apart
from api.errors import RETRY_AFTER, Problem
from api.schemas.fields import MAX_BODY
from moderation.ids import new_id
from moderation.models import Site
from moderation.services import facts, policies

log = structlog.get_logger(__name__)

blp = Blueprint(OPENAI, __name__)

DEADLINE = 10.0
"""Seconds for all texts of a request; its clients wait for ten minutes, but a thread of ours does not."""

MAX_BYTES = 1024 * 1024
MOST_TEXTS = 100
LONGEST_MODEL = 200

SIGNALS: Final[Mapping[str, tuple[str, ...]]] = {
    "harassment": ("insult",),
    "harassment/threatening": ("threat",),
    "hate": ("identity_attack",),
    "hate/threatening": ("identity_attack", "threat"),
    "illicit": (),
    "illicit/violent": (),
    "self-harm": (),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": ("sexual_explicit",),
    "sexual/minors": (),
    "violence": ("threat",),
    "violence/graphic": (),
}
"""Category to the attributes that must all be high for it: its score is the lowest of theirs, 0 where there are none."""

FLAGGED_FROM: Final[Mapping[str, float]] = {"insult": 0.40, "threat": 0.15, "identity_attack": 0.25, "sexual_explicit": 0.80}
"""Attribute to the score from which on it speaks for its categories: those of the shipped policy ``standard``."""

INSTEAD: Final[Mapping[str, str]] = {"sexual_explicit": "obscene"}
"""Attribute to the one that is taken where the model does not have it, as the policies do."""


class Unscored(Exception):
    """The models did not answer in time, or not at all."""


@blp.post("/v1/moderations", strict_slashes=False)
@needs("door:openai")
def moderations() -> Response:
    """Score a text, several texts, or one message of several parts."""
    holder = enter(shown_key())
    sent = json_object(sent_bytes(MAX_BYTES))
    model = sent.get("model")
    if model is not None and (not isinstance(model, str) or not 0 < len(model) <= LONGEST_MODEL):
        raise _wrong("model", "invalid_type", "'model' must be a string with a model's name.")
    texts = _texts(sent)
    here = context()
    with here.runtime.database.reading() as session:
        own = session.get_one(Site, holder.site_id).language
        in_force = policies.in_force(session, holder.site_id)
        served = facts.languages_served(in_force)
    until = time.monotonic() + DEADLINE
    results, version = [], ""
    for number, text in enumerate(texts, 1):
        found = told_apart(text, own, served)
        if found is None:
            raise Unscored
        if found.letters and not found.language_served:
            raise _foreign(number, found.language)
        scored = here.models.within(max(until - time.monotonic(), 0.0), text, in_force.models)
        if scored.values is None:
            raise Unscored
        results.append(_result(scored.values))
        version = scored.model_version
    return _json({"id": f"modr-{new_id().hex}", "model": version, "results": results})


@blp.route("/v1/moderations", methods=["GET", "PUT", "PATCH", "DELETE"], strict_slashes=False)
@needs("door:openai")
def other_methods() -> Response:
    """Refuse what the protocol does not have, in its own shape."""
    raise Problem(405, "method_not_supported", f"Not allowed to {request.method} on this path.", headers={"Allow": "POST"})


@blp.errorhandler(Exception)
def refused(error: Exception) -> Response:
    """Answer a failure in OpenAI's shape; one of ours with a status upon which clients try again."""
    if isinstance(error, Unscored):
        retry = {"Retry-After": str(RETRY_AFTER)}
        return _error(503, "server_error", "not_scored", "The text could not be scored in time; please try again.", headers=retry)
    problem = errors.said(error)
    code, kind = problem.code.replace("-", "_"), "invalid_request_error"
    param = problem.members.get("param")
    if problem.status == 401:
        code, detail = "invalid_api_key", "Incorrect API key provided. Make one with: tidegate key add --kind door"
    elif problem.status == 429:
        code = kind = "rate_limit_exceeded"
        detail = problem.detail
    else:
        kind = kind if problem.status < 500 else "server_error"
        detail = problem.detail
    return _error(problem.status, kind, code, detail, param=param, headers=problem.headers)


def _texts(sent: Mapping[str, Any]) -> list[str]:
    """Return the texts to be scored, one for each result; raises Problem."""
    given = sent.get("input")
    if given is None:
        raise _wrong("input", "missing_required_parameter", "Missing required parameter: 'input'.")
    items = given if isinstance(given, list) else [given]
    if not items:
        raise _wrong("input", "empty_array", "'input' must not be an empty array.")
    if len(items) > MOST_TEXTS:
        raise _wrong("input", "array_above_max_length", f"'input' has at most {MOST_TEXTS} elements.")
    if all(isinstance(item, dict) for item in items):
        texts = ["\n\n".join(_part(item) for item in items)]
    elif all(isinstance(item, str) for item in items):
        texts = items
    else:
        raise _wrong("input", "invalid_type", "'input' must be a string, an array of strings or an array of parts.")
    if any(len(text) > MAX_BODY for text in texts):
        raise _wrong("input", "string_above_max_length", f"A text has at most {MAX_BODY} characters.")
    return [storable(text) for text in texts]


def _part(item: Mapping[str, Any]) -> str:
    if item.get("type") == "image_url":
        raise _wrong("input", "image_not_supported", "Images cannot be scored here; send the text alone.")
    if item.get("type") != "text" or not isinstance(item.get("text"), str):
        raise _wrong("input", "invalid_type", 'A part is {"type": "text", "text": "..."}.')
    return str(item["text"])


def _result(values: Mapping[str, float]) -> dict[str, Any]:
    categories: dict[str, bool] = {}
    scores: dict[str, float] = {}
    for category, attributes in SIGNALS.items():
        found = {name: _value(values, name) for name in attributes}
        scores[category] = min(found.values(), default=0.0)
        categories[category] = bool(found) and all(value >= FLAGGED_FROM[name] for name, value in found.items())
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {category: ["text"] for category in SIGNALS},
    }


def _value(values: Mapping[str, float], name: str) -> float:
    """Return an attribute's score; one that the model owes and did not give leaves the text unscored."""
    found = values.get(name, values.get(INSTEAD.get(name, name)))
    if found is None:
        raise Unscored
    return float(found)


def _foreign(number: int, language: str) -> Problem:
    """Refuse a text that no model here knows the language of: a score of it would look like one of any other text."""
    said = f"Text {number} of 'input' is in a language ({language}) that no model here knows, so it has no score."
    return _wrong("input", "language_not_supported", said)


def _wrong(param: str, code: str, detail: str) -> Problem:
    return Problem(400, code, detail, param=param)


def _error(
    status: int, kind: str, code: str, message: str, *, param: object = None, headers: Mapping[str, str] | None = None
) -> Response:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    answer = _json(body)
    answer.status_code = status
    answer.headers.extend(headers or {})
    return answer


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), content_type="application/json")
