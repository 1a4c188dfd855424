"""Akismet's protocol, versions 1.1 and 1.2: what WordPress, Discourse and two dozen libraries speak.

Answers are text of exactly one word with status 200. A check is stored as a comment and waits for its decision as long as the
most impatient client does. Akismet knows spam and ham and no third word, so what a person has to read is told to clients that
have a queue as an error, upon which they hold the comment, and to the others as spam: nothing is published unread.
"""

import csv
import io
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import orjson
import structlog
from flask import Blueprint, Response, g, request
from sqlalchemy.orm import Session

from api import errors
from api.auth import PUBLIC, needs
from api.context import context
from api.doors import AKISMET
from api.doors.akismet_request import (
    IS_ABOUT_A_KEY,
    Unusable,
    UnusableText,
    checked_as,
    fields_sent,
    key_of,
    submission_of,
    text_of,
)
from api.doors.entrance import enter
from api.errors import Problem
from api.streams import Full
from moderation.errors import Refused
from moderation.ids import new_id
from moderation.models import Site, Status
from moderation.policy.shipped import SPAM, in_words
from moderation.policy.verdict import Verdict
from moderation.services import assessment, comments, feedback, submission
from moderation.services.assessment import CheckRequest
from moderation.services.comments import CommentView
from moderation.services.keys import BadKey, Principal
from moderation.services.submission import Receipt, Submission

log = structlog.get_logger(__name__)

blp = Blueprint(AKISMET, __name__)

WAIT = 0.65
"""Seconds after a check's arrival until which it waits for its decision; the most impatient client (PyPI akismet) gives up after
one, of which the rest is for the way and for storing while others store.
"""

YEARS = 9999
"""The year that has no next one."""

THANKS = "Thanks for making the web a better place."
INVALID = "invalid"
HELD = "held for a moderator"
WAITING = "held"
ERROR = "X-akismet-error"
HELP = "X-akismet-debug-help"
SPAMMERS = frozenset({"viagra-test-123", "akismet-guaranteed-spam"})
SPAMMERS_ADDRESS = "akismet-guaranteed-spam@example.com"
"""Authors that Akismet's documentation guarantees to be spam; every client's tests rely on them."""

EITHER = ("GET", "POST")
"""Some clients ask by GET, with a body or without."""

HOLDERS = ("wordpress/", "discourse")
"""How the clients begin to name themselves that hold a comment upon an error."""


@blp.route("/1.1/verify-key", methods=EITHER, strict_slashes=False)
@blp.route("/1.2/verify-key", methods=EITHER, strict_slashes=False)
@needs("door:akismet")
def verify_key() -> Response:
    """Say whether a key opens this door."""
    enter(key_of(fields_sent(), IS_ABOUT_A_KEY))
    return _text("valid")


@blp.route("/1.1/comment-check", methods=EITHER, strict_slashes=False)
@blp.route("/1.2/comment-check", methods=EITHER, strict_slashes=False)
@needs("door:akismet")
def comment_check() -> Response:
    """Judge a comment: ``true`` is spam, ``false`` is to be published."""
    sent = fields_sent()
    holder = enter(key_of(sent))
    for name, given in (("blog", sent.get("blog")), ("user_ip", sent.get("user_ip", sent.get("ip")))):
        # Coral sends an empty address where its settings keep none.
        if given is None or (name == "blog" and not given):
            raise Unusable(f'Empty "{name}" value')
    guaranteed = _guaranteed(sent)
    if guaranteed is not None:
        return guaranteed
    try:
        if _says_yes(sent, "is_test") or not sent.get("comment_content", "").strip():
            return _judged(holder, sent)
        return _stored(holder, sent)
    except UnusableText:
        # The blog has it, and somebody there reads it; others are told what is wrong.
        if _holds():
            return _held(sent)
        raise


@blp.post("/1.1/submit-spam", strict_slashes=False)
@blp.post("/1.2/submit-spam", strict_slashes=False)
@needs("door:akismet")
def submit_spam() -> Response:
    """Take a moderator's word that a comment is spam."""
    return _told(Verdict.REJECT)


@blp.post("/1.1/submit-ham", strict_slashes=False)
@blp.post("/1.2/submit-ham", strict_slashes=False)
@needs("door:akismet")
def submit_ham() -> Response:
    """Take a moderator's word that a comment is none."""
    return _told(Verdict.APPROVE)


@blp.post("/1.1/deactivate", strict_slashes=False)
@needs("door:akismet")
def deactivate() -> Response:
    """Take note that a plugin was switched off, which changes nothing here."""
    enter(key_of(fields_sent(), IS_ABOUT_A_KEY))
    return _text("deactivated")


@blp.post("/1.1/get-subscription", strict_slashes=False)
@needs("door:akismet")
def get_subscription() -> Response:
    """Say that the key is in force: WordPress keeps a key that it is given only after it has asked this."""
    enter(key_of(fields_sent(), IS_ABOUT_A_KEY))
    return _json(
        {
            "account_id": False,
            "account_name": "Tidegate",
            "account_type": "tidegate",
            "status": "active",
            "next_billing_date": False,
            "limit_reached": False,
        }
    )


@blp.post("/1.1/get-stats", strict_slashes=False)
@needs("door:akismet")
def get_stats() -> Response:
    """Give WordPress's settings page no figures: beside them it would show a page of Akismet's, to which it tells the key."""
    enter(key_of(fields_sent(), IS_ABOUT_A_KEY))
    return _text("")


@blp.get("/1.1/test", strict_slashes=False)
@needs(PUBLIC)
def test() -> Response:
    """Say that we are here, as WordPress's settings page asks."""
    return _text("connected")


@blp.route("/1.1/<path:call>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@blp.route("/1.2/<path:call>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
@needs("door:akismet")
def no_such_call(call: str) -> Response:  # noqa: ARG001 (the path's)
    """Refuse what the protocol does not have in a word that no client takes for ``false``."""
    answer = _text(INVALID, {HELP: f"There is no such call by {request.method}"})
    answer.status_code = 404
    return answer


@blp.route("/1.2/usage-limit", methods=["GET", "POST"], strict_slashes=False)
@needs("door:akismet")
def usage_limit() -> Response:
    """Say how many checks there were this month; there is no limit."""
    holder = enter(key_of(fields_sent()))
    since, until = _month("")
    with context().runtime.database.reading() as session:
        found = feedback.tally(session, holder.site_id, door=AKISMET, since=since, until=until)
    return _json({"limit": "none", "usage": found.calls, "percentage": "0.00", "throttled": False})


@blp.route("/1.2/key-sites", methods=["GET", "POST"], strict_slashes=False)
@needs("door:akismet")
def key_sites() -> Response:
    """Say what came from the key's site, which is one, in a month (``2026-11``)."""
    sent = fields_sent()
    # One of Akismet's clients never sends the key here and expects to be refused.
    holder = enter(sent.get("api_key"))
    since, until = _month(sent.get("month", ""))
    limit, offset = (_number(sent, name, usual) for name, usual in (("limit", 500), ("offset", 0)))
    with context().runtime.database.reading() as session:
        site = session.get_one(Site, holder.site_id)
        name = next(iter(site.origins), site.name)
        found = feedback.tally(session, holder.site_id, door=AKISMET, since=since, until=until)
    where = name.partition("://")[2] or name
    row = {
        "site": where,
        "api_calls": found.calls,
        "spam": found.spam,
        "ham": found.ham,
        "missed_spam": found.missed,
        "false_positives": found.alarms,
        "is_revoked": False,
    }
    rows = [row] if sent.get("filter", "") in where else []
    page = rows[offset : offset + limit]
    if sent.get("format") == "csv":
        written = io.StringIO()
        table = csv.DictWriter(written, list(row))
        table.writeheader()
        table.writerows(page)
        return Response(written.getvalue(), content_type="text/csv; charset=utf-8")
    return _json({f"{since:%Y-%m}": page, "limit": limit, "offset": offset, "total": len(rows)})


@blp.errorhandler(Exception)
def refused(error: Exception) -> Response:
    """Answer a failure in a word that no client takes for ``false``: a caller's fault as Akismet does, ours with its status."""
    if isinstance(error, Unusable):
        return _text(INVALID, {HELP: str(error)})
    if isinstance(error, BadKey):
        return _text(INVALID, {HELP: "This key does not open this door"})
    problem: Problem = errors.said(error)
    answer = _text(INVALID, {**problem.headers, ERROR: problem.code})
    if problem.status not in {401, 403}:
        answer.status_code = problem.status
    return answer


def _guaranteed(sent: Mapping[str, str]) -> Response | None:
    """Return the answer that the documentation guarantees for a request, if it is one of those."""
    if _says_yes(sent, "is_test") and _says_yes(sent, "test_discard"):
        return _spam(discard=True)
    if sent.get("comment_author") in SPAMMERS or sent.get("comment_author_email") == SPAMMERS_ADDRESS:
        return _spam()
    # The blog itself vouches for who writes as its administrator.
    return _text("false") if sent.get("user_role") == "administrator" else None


def _judged(holder: Principal, sent: Mapping[str, str]) -> Response:
    """Answer for what is no comment, storing nothing: a test, or a form, of which without a text name and address are judged."""
    here = context()
    text = text_of(sent)
    named = text or " ".join(filter(None, (sent.get("comment_author"), sent.get("comment_author_url")))).strip() or "-"
    asked = submission_of({**sent, "comment_content": named})
    found = assessment.check(
        here.runtime.database,
        partial(here.models.within, _left()),
        holder.site_id,
        CheckRequest(body=asked.body, author=asked.author, post=asked.post),
        secret=here.runtime.settings.secret,
        now=here.runtime.clock.now(),
    )
    match found.verdict:
        case Verdict.REJECT:
            return _spam()
        case Verdict.APPROVE if found.publish:
            return _text("false")
    return _held(sent)


def _stored(holder: Principal, sent: Mapping[str, str]) -> Response:
    """Take the comment in, wait a moment for its decision and say it."""
    asked = known(holder, submission_of(sent))
    try:
        comment_id = context().runtime.database.transact(lambda session: _submitted(session, holder, asked)).comment_id
    except Refused as error:
        # Withdrawn or erased here: the blog asks again about a comment that its author took back.
        log.info("check_held", code=error.code)
        return _held(sent)
    here = context()
    try:
        here.hub.wait(comment_id, _left())
    except Full:
        log.info("check_held", code="full")
    with here.runtime.database.reading() as session:
        view = comments.view(session, holder.site_id, comment_id)
    answer = _of(view, sent)
    answer.headers["X-akismet-guid"] = view.id
    answer.headers["X-tidegate-decision"] = _said(view)
    return answer


def _left() -> float:
    """Return the seconds that this check may still wait."""
    return max(0.0, float(g.began) + WAIT - time.perf_counter())


def _submitted(session: Session, holder: Principal, asked: Submission) -> Receipt:
    here = context()
    return submission.submit(
        session,
        holder.site_id,
        asked,
        vouched=False,
        secret=here.runtime.settings.secret,
        now=here.runtime.clock.now(),
        cost_ms=here.models.estimate_ms(asked.body),
    )


def _said(view: CommentView) -> str:
    """Return the decision in the words that a blog's moderators are shown."""
    decision = view.decision or {}
    reasons = [decision["reason"]] if decision.get("reason") else [rule.get("reason") for rule in decision.get("reasons", [])]
    return in_words(str(view.status), by=str(decision.get("by", "")), reasons=reasons)


def _of(view: CommentView, sent: Mapping[str, str]) -> Response:
    """Say where a comment stands; what nobody has decided yet is held like what a person has to read."""
    if view.status == Status.REJECTED:
        decision = view.decision or {}
        by_machine = decision.get("by") == "machine"
        reasons = {rule.get("reason") for rule in decision.get("reasons", []) if rule.get("verdict") == Verdict.REJECT}
        return _spam(discard=by_machine and reasons == {SPAM})
    if view.status == Status.APPROVED and view.visible_revision == view.revision:
        return _text("false")
    return _held(sent)


def _told(verdict: Verdict) -> Response:
    """Make what the blog's moderator said a human decision, on the comment of an earlier check or on one not seen before."""
    sent = fields_sent()
    holder = enter(key_of(sent))
    if _says_yes(sent, "is_test") or not sent.get("comment_content", "").strip():
        return _text(THANKS)
    here = context()
    now = here.runtime.clock.now()
    with here.runtime.database.reading() as session:
        if feedback.is_echo(session, holder.site_id, sent.get("reporter", "")):
            return _text(THANKS)
        site = session.get_one(Site, holder.site_id)
        home = next(iter(site.origins), f"https://{site.name}")
    if verdict is Verdict.APPROVE and sent.get("comment_approved") == "0":
        # Taken out of WordPress's spam, back to where it waits for a person.
        verdict = Verdict.FLAG
    asked = known(holder, submission_of({**sent, "blog": sent.get("blog") or home}))
    cause = f"{AKISMET}:{new_id().hex}"

    def unit(session: Session) -> None:
        # One transaction, so that the machine does not decide in between what a person has decided.
        checked = feedback.find(session, holder.site_id, comment_id=checked_as(sent, "guid"))
        comment_id = checked.id if checked is not None else _submitted(session, holder, asked).comment_id
        feedback.tell(session, holder.site_id, comment_id, verdict=verdict, cause=cause, now=now)

    try:
        here.runtime.database.transact(unit)
    except Refused as error:
        # The author took it back: there is nothing left to decide.
        log.info("feedback_without_comment", code=error.code)
    return _text(THANKS)


def known(holder: Principal, asked: Submission) -> Submission:
    """Return a comment under the id that the same page, author and text always have."""
    secret = context().runtime.settings.secret
    known_as = feedback.known_as(holder.site_id, asked, door=AKISMET, secret=secret)
    return Submission(
        post=asked.post,
        author=asked.author,
        body=asked.body,
        external_id=known_as,
        submitted_at=asked.submitted_at,
        honeypot=asked.honeypot,
    )


def _held(sent: Mapping[str, str]) -> Response:
    """Hold a comment in the words that its client understands."""
    if _holds():
        # Asking again about what it holds, WordPress reads the word alone, and would publish upon "false".
        return _text(WAITING if sent.get("recheck_reason") else "false", {ERROR: HELD})
    return _spam()


def _holds() -> bool:
    return request.headers.get("User-Agent", "").casefold().startswith(HOLDERS)


def _spam(*, discard: bool = False) -> Response:
    return _text("true", {"X-akismet-pro-tip": "discard"} if discard else {})


def _text(word: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(word, content_type="text/plain; charset=utf-8", headers=dict(headers or {}))


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), content_type="application/json")


def _says_yes(sent: Mapping[str, str], name: str) -> bool:
    return sent.get(name, "").casefold() in {"1", "true"}


def _number(sent: Mapping[str, str], name: str, usual: int) -> int:
    text = sent.get(name, "")
    return min(int(text), 1000) if text.isascii() and text.isdigit() and len(text) < len("1000000") else usual


def _month(named: str) -> tuple[datetime, datetime]:
    """Return the first moment of a month and of the next one, of this month for what is none."""
    now = context().runtime.clock.now()
    try:
        found = datetime.strptime(named, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        found = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if found.year >= YEARS:
        raise Unusable('Unusable "month" value')
    return found, (found + timedelta(days=32)).replace(day=1)
