"""Coral's external moderation phase: it asks before it publishes, signs what it asks, and goes on without us after 200 ms.

Coral publishes upon every answer but a 2xx with a status, so once a request is known to be Coral's, whatever goes wrong here is
answered with ``SYSTEM_WITHHELD``, which puts the comment into Coral's queue of pending ones. A comment is stored with its
decision in one transaction (``services.admission``).
"""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any
from uuid import UUID

import orjson
import structlog
from flask import Blueprint, Response, g, request
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from api import errors
from api.auth import needs
from api.context import context
from api.doors import CORAL
from api.doors.entrance import enter_signed
from api.doors.json_request import json_object, sent_bytes, storable
from api.errors import Problem
from api.schemas.comment import CommentIn
from moderation.ids import new_id
from moderation.models import Comment, Status
from moderation.policy.shipped import REASONS, SPAM
from moderation.policy.verdict import Verdict
from moderation.scoring.choice import SiteModels
from moderation.services import admission, decisions, feedback
from moderation.services.admission import Admitted
from moderation.services.asking import Scored
from moderation.services.posts import PostReference
from moderation.services.submission import Submission

log = structlog.get_logger(__name__)

blp = Blueprint(CORAL, __name__)

SCORED_BY = 0.11
"""Seconds after the request's arrival by which the models must have answered; what is left until the next is for storing."""

ANSWERED_BY = 0.16
"""Seconds after the request's arrival by which Coral has its answer; the rest of its 200 ms is for the way."""

WAITING = 32
"""Comments of a process that may be on their way into the database; more are withheld at once, and Coral alone has them."""

MAX_BYTES = 256 * 1024
LONGEST_ID = 200
SIGNATURE = "X-Coral-Signature"
PUBLISH = "NONE"
"""Coral publishes it; unlike an approved comment it can still be reported to Coral's moderators by its readers."""

HOLD = "SYSTEM_WITHHELD"
TOXIC = frozenset({1, 2, 3, 6})
"""The reasons that Coral calls toxic; of the others it knows only spam."""

VERDICTS = {"APPROVED": Verdict.APPROVE, "REJECTED": Verdict.REJECT}
"""What Coral's moderators can make of a comment that left their queue."""

LEFT = "COMMENT_LEFT_MODERATION_QUEUE"
TOLD = frozenset({"COMMENT_CREATED", "COMMENT_REPLY_CREATED", "COMMENT_ENTERED_MODERATION_QUEUE", LEFT})


@blp.post("/coral/<site>", strict_slashes=False)
@needs("door:coral")
def phase(site: str) -> Response:
    """Judge a comment before Coral publishes it."""
    data, site_id = _entered(site)
    sent = json_object(data)
    comment, author, story = (_part(sent, name) for name in ("comment", "author", "story"))
    body = _text(comment, "body", "/comment").strip()
    if not body:
        # A rating or a picture without a word: nothing to judge.
        return Response(status=204)
    parent = comment.get("parentID")
    parent = storable(parent)[:LONGEST_ID] if isinstance(parent, str) else None
    asked = {
        "post": {"id": _text(story, "id", "/story"), "url": _text(story, "url", "/story")},
        "author": {"id": _text(author, "id", "/author")},
        "body": body,
        "parent_id": parent or None,
    }
    try:
        submission: Submission = CommentIn().load(asked)
    except ValidationError as error:
        log.info("phase_held", cause="unusable", fields=sorted(map(str, error.messages_dict)))
        return _answer({"status": HOLD})
    here = context()
    secret = here.runtime.settings.secret
    began, models, database, now = float(g.began), here.models, here.runtime.database, here.runtime.clock.now()
    answer = _Answer()

    def score(text: str, chosen: SiteModels) -> Scored:
        return models.within(max(began + SCORED_BY - time.perf_counter(), 0.0), text, chosen)

    if not _room.acquire(blocking=False):
        log.warning("phase_held", cause="busy")
        return _answer({"status": HOLD})
    work = here.behind.submit(
        admission.admit,
        database,
        score,
        site_id,
        Submission(
            post=submission.post,
            author=submission.author,
            body=submission.body,
            parent_id=submission.parent_id,
            external_id=feedback.known_as(site_id, submission, door=CORAL, secret=secret),
        ),
        door=CORAL,
        edit=sent.get("action") == "EDIT",
        is_awaited=answer.take,
        secret=secret,
        now=now,
    )
    work.add_done_callback(_finished)
    try:
        return _answer(_of(work.result(timeout=max(began + ANSWERED_BY - time.perf_counter(), 0.0))))
    except Late:
        if answer.give_up():
            log.warning("phase_held", cause="late")
            return _answer({"status": HOLD})
        # It is decided and being written down.
        return _answer(_of(work.result()))


class _Answer:
    """Who speaks first: the judgement that is about to be stored, or the request that has to answer now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: bool | None = None

    def take(self) -> bool:
        """Tell whether the judgement will be the answer; says the same again."""
        with self._lock:
            if self._taken is None:
                self._taken = True
            return self._taken

    def give_up(self) -> bool:
        """Tell whether the request answers without the judgement."""
        with self._lock:
            if self._taken is None:
                self._taken = False
            return not self._taken


_room = threading.BoundedSemaphore(WAITING)


def _finished(work: Future[Admitted]) -> None:
    _room.release()
    if not work.cancelled() and (failure := work.exception()) is not None:
        log.error("admission_failed", error=type(failure).__name__)


@blp.post("/coral/<site>/events", strict_slashes=False)
@needs("door:coral")
def told(site: str) -> Response:
    """Learn from Coral's webhooks which id a comment has there, and what its moderators decided."""
    data, site_id = _entered(site)
    sent = json_object(data)
    kind = sent.get("type")
    if not isinstance(kind, str) or kind not in TOLD:
        return Response(status=204)
    given = _part(sent, "data")
    comment_id = _text(given, "commentID", "/data").strip()
    if not 0 < len(comment_id) <= LONGEST_ID:
        raise _unusable("/data/commentID", f"1 to {LONGEST_ID} characters")
    verdict = VERDICTS.get(str(given.get("status"))) if kind == LEFT else None
    here = context()
    now = here.runtime.clock.now()
    cause = f"{CORAL}:{new_id().hex}"

    def unit(session: Session) -> bool:
        known = admission.by_external_id(session, site_id, comment_id)
        if known is None and (known := _joined(session, site_id, comment_id, given)) is not None:
            known.external_id = comment_id
            session.flush()
        if known is not None and verdict is not None and not feedback.was_carried_back(session, known, CORAL, verdict):
            feedback.tell(session, site_id, known.id, verdict=verdict, cause=cause, now=now)
        return known is not None

    return _answer({"joined": here.runtime.database.transact(unit)})


@blp.errorhandler(Exception)
def refused(error: Exception) -> Response:
    """Answer a failure: a request that is not Coral's, or that nobody can read, as a problem; anything else holds the comment."""
    problem = errors.said(error)
    told_so = isinstance(error, Problem) and problem.status in {400, 401, 422}
    if told_so or request.path.rstrip("/").endswith("/events"):
        return problem.response()
    log.warning("phase_held", cause=problem.code)
    return _answer({"status": HOLD})


def _entered(site: str) -> tuple[bytes, UUID]:
    data = sent_bytes(MAX_BYTES)
    parts = (each.strip().partition("=") for each in request.headers.get(SIGNATURE, "").split(","))
    shown = [value for name, _, value in parts if name == "sha256"]
    return data, enter_signed(site, door=CORAL, body=data, signatures=shown)


def _of(found: Admitted) -> dict[str, Any]:
    """Say where a comment stands in Coral's words."""
    keys = [found.reason] if found.reason else [rule["reason"] for rule in found.reasons]
    noticed = [
        *(["COMMENT_DETECTED_TOXIC"] if TOXIC & {key for key in keys if isinstance(key, int)} else []),
        *(["COMMENT_DETECTED_SPAM"] if SPAM in keys else []),
    ]
    said: dict[str, Any] = {"actions": [{"actionType": "FLAG", "reason": reason} for reason in noticed]} if noticed else {}
    if found.status is Status.REJECTED:
        return {**said, "status": "REJECTED", "moderationAction": {"status": "REJECTED", "rejectionReason": _rejection(found)}}
    return {**said, "status": PUBLISH if found.public else HOLD}


def _rejection(found: Admitted) -> dict[str, str]:
    """Return Coral's code for a rejection; without one Coral tells the author ``OTHER``."""
    rejecting = [rule for rule in found.reasons if rule.get("verdict") == Verdict.REJECT]
    key = found.reason or next((rule["reason"] for rule in rejecting if rule["reason"] in REASONS), 9)
    explained = next((str(rule["explanation"]) for rule in rejecting if rule.get("explanation")), "")
    return {"code": REASONS[key].coral_code, **({"detailedExplanation": explained} if explained else {})}


def _joined(session: Session, site_id: UUID, comment_id: str, given: Mapping[str, Any]) -> Comment | None:
    """Find the comment that an event is about: as our publisher found it in Coral, or by story, author and text.

    Coral tells neither author nor text: whoever passes the event on may have added them.
    """
    carried = feedback.found_as(session, site_id, CORAL, comment_id)
    if carried is not None:
        return decisions.lock(session, site_id, carried.id)
    story, author, body = (given.get(name) for name in ("storyID", "authorID", "body"))
    if not (isinstance(story, str) and isinstance(author, str) and isinstance(body, str)):
        return None
    post = PostReference(id=storable(story), url="")
    found = admission.by_text(session, site_id, post=post, body=storable(body).strip(), author_id=storable(author))
    return found if found is not None and admission.is_provisional(found.external_id, like=f"{CORAL}:") else None


def _part(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = sent.get(name)
    if not isinstance(found, dict):
        raise _unusable(f"/{name}", "an object")
    return found


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    found = given.get(name)
    if not isinstance(found, str):
        raise _unusable(f"{where}/{name}", "a text")
    return storable(found)


def _unusable(pointer: str, wanted: str) -> Problem:
    return Problem(
        422, "invalid", "This is no request of Coral's.", faults=[errors.fault(pointer, "required", f"Send {wanted}.")]
    )


def _answer(body: object) -> Response:
    return Response(orjson.dumps(body), content_type="application/json")
