"""The comments of a page where JavaScript is off: read, answer, report; and the author's own page."""

import contextlib
from typing import Any
from uuid import UUID

from flask import Response, g, redirect, request, url_for
from marshmallow import ValidationError
from werkzeug.wrappers import Response as Answer

from api import limits
from api.auth import PUBLIC, needs
from api.context import context
from api.errors import Problem
from api.streams import Full
from api.v1 import own as own_api
from api.v1.readers import OTHER, complain
from api.widget import feeds, following, forms, texts
from api.widget.door import Place, blp, page, place, place_of, spend
from api.widget.embed import for_everybody
from api.widget.forms import BodyForm, CommentForm, PageQuery, ReportForm
from moderation.errors import NotFound, Refused
from moderation.ids import read
from moderation.models import Openness
from moderation.services import authorship, own, posts, submission, threads
from moderation.services.authors import AuthorClaim
from moderation.services.own import Own
from moderation.services.posts import PostReference
from moderation.services.submission import Once, Submission
from moderation.services.threads import Thread

__all__ = ["blp", "feeds", "following"]

WAIT = 3.0
"""Seconds that a form waits for the decision before the author's page says that it is still to come."""

SHOWN = 50


@blp.get("/s/<site>/comments")
@needs(PUBLIC)
def thread(site: str) -> Answer:
    """Show a page's comments and the form to write one."""
    where = place(site)
    asked = PageQuery().load(forms.sent(request.args.to_dict()))
    return _thread(where, asked, counts=not asked.get("after"))


@blp.post("/s/<site>/comments")
@needs(PUBLIC)
def write(site: str) -> Answer:
    """Take a comment in and show its author what became of it."""
    where = place(site)
    fields = forms.sent(request.form.to_dict())
    asked = PageQuery().load({"reply": fields.get("parent_id", "")})
    try:
        note = forms.unseal(where, request.form.get("note", ""))
    except Refused:
        # The note is too old; what was typed is not.
        asked |= PageQuery(only=("post", "url", "title")).load(fields)
        return _thread(where, asked, draft=fields, problem=texts.texts(g.language)["form"]["again"], status=422)
    asked |= {"post": note.post.id or "", "url": note.post.url, "title": note.post.title}
    try:
        said = CommentForm().load(fields)
    except ValidationError as error:
        empty = texts.texts(g.language)["form"]["empty"]
        problem = (
            empty if "body" not in fields else " ".join(str(found) for each in error.messages_dict.values() for found in each)
        )
        return _thread(where, asked, draft=fields, problem=problem, status=422)
    spend(where.id, writes=True)
    token = _submit(where, note, said)
    return redirect(url_for("pages.own_page", token=token, lang=request.args.get("lang")), 303)


@blp.get("/s/<site>/fragment")
@needs(PUBLIC)
def fragment(site: str) -> Response:
    """Return a page's approved comments as a piece of HTML, for a blog to put into its page."""
    where = place(site, limits.PIECES)
    asked = PageQuery().load(forms.sent(request.args.to_dict()))
    found = _read(where, asked)
    answer = page("fragment.html", place=where, asked=asked, **_listed(found))
    answer.headers["Cache-Control"] = "public, max-age=60"
    return for_everybody(answer)


@blp.get("/s/<site>/report")
@needs(PUBLIC)
def ask_what(site: str) -> Answer:
    """Ask what is wrong with a comment."""
    where = place(site)
    comment = read("comment", request.args.get("comment", ""))
    return page("report.html", place=where, comment_id=f"cmt_{comment.hex}", done=False, problem="", draft={})


@blp.post("/s/<site>/report")
@needs(PUBLIC)
def report(site: str) -> Answer:
    """Take a report in."""
    where = place(site)
    fields = forms.sent(request.form.to_dict())
    said = ReportForm().load(fields)
    known = {"place": where, "comment_id": said["comment"], "draft": fields}
    if said["reason"] == OTHER and not said["note"].strip():
        return page("report.html", done=False, problem=texts.texts(g.language)["report"]["note_needed"], status=422, **known)
    spend(where.id, writes=True)
    complain(where.id, said["comment"], said["reason"], said["note"])
    return page("report.html", done=True, problem="", **known)


# --------------------------------------------------------------------------------------------------- the author's page


@blp.get("/c/<token>")
@needs(PUBLIC)
def own_page(token: str) -> Answer:
    """Show an author what became of a comment."""
    return _own_page(token, _own(token))


@blp.post("/c/<token>/edit")
@needs(PUBLIC)
def edit(token: str) -> Answer:
    """Take a new text."""
    found = _own(token, writes=True)
    fields = forms.sent(request.form.to_dict())
    try:
        body = BodyForm().load(fields)["body"]
    except ValidationError:
        return _own_page(token, found, problem=texts.texts(g.language)["form"]["empty"], draft=fields.get("body", ""), status=422)
    own_api.revise(found, body)
    _wait(found.comment.id)
    return _back(token)


@blp.post("/c/<token>/withdraw")
@needs(PUBLIC)
def withdraw(token: str) -> Answer:
    """Take the comment back."""
    own_api.withdraw(_own(token, writes=True))
    return _back(token)


@blp.post("/c/<token>/second-look")
@needs(PUBLIC)
def second_look(token: str) -> Answer:
    """Ask for a second look."""
    own_api.ask(_own(token, writes=True))
    return _back(token)


def _back(token: str) -> Answer:
    return redirect(url_for("pages.own_page", token=token, lang=request.args.get("lang")), 303)


def _own(token: str, *, writes: bool = False) -> Own:
    runtime = context().runtime
    spend(None, writes=writes)
    try:
        with runtime.database.reading() as session:
            found = own.view(session, token, secret=runtime.settings.secret, now=runtime.clock.now())
    except NotFound:
        raise Problem(404, "not-found", texts.texts(texts.chosen())["page"]["wrong_link"]) from None
    g.language = texts.chosen(found.site.language)
    return found


def _own_page(token: str, found: Own, *, problem: str = "", draft: str | None = None, status: int = 200) -> Response:
    shown = own_api.shown(found, g.language)
    until = found.second_look_until
    return page(
        "own.html",
        status=status,
        own=shown,
        token=token,
        place=place_of(found.site),
        problem=problem,
        draft=draft if draft is not None else shown["body"],
        until=until.date().isoformat() if until else "",
        refresh=5 if shown["status"] == "pending" and not problem else None,
    )


def _wait(comment_id: UUID) -> None:
    # Where all places to wait are taken, the author's page says that the decision is still to come.
    with contextlib.suppress(Full):
        context().hub.wait(comment_id, WAIT)


# ------------------------------------------------------------------------------------------------------------ the thread


def _thread(
    where: Place,
    asked: dict[str, Any],
    *,
    draft: dict[str, str] | None = None,
    problem: str = "",
    status: int = 200,
    counts: bool = False,
) -> Response:
    found = _read(where, asked)
    if counts and found is not None:
        context().views.count(where.id, found.post.id, now=context().runtime.clock.now())
    reference = _reference(where, asked, found)
    listed = _listed(found)
    answering = next((each for each in listed["comments"] if each.id == asked["reply"] and not each.removed), None)
    return page(
        "thread.html",
        status=status,
        place=where,
        asked=asked,
        post=reference,
        closed=found is not None and found.openness is Openness.CLOSED,
        answering=answering,
        draft=draft or {},
        problem=problem,
        note=forms.seal(where, reference),
        **listed,
    )


def _read(where: Place, asked: dict[str, Any]) -> Thread | None:
    after = read("comment", asked["after"]) if asked.get("after") else None
    runtime = context().runtime
    with runtime.database.reading() as session:
        for key in (asked.get("post"), asked.get("url")):
            if key:
                try:
                    return threads.thread(
                        session, where.id, key, after=after, limit=SHOWN, sort=asked["sort"], now=runtime.clock.now()
                    )
                except NotFound:
                    continue
    return None


def _reference(where: Place, asked: dict[str, Any], found: Thread | None) -> PostReference:
    if found is not None:
        return PostReference(id=found.post.external_id, url=found.post.url, title=found.post.title, vouched=False)
    url = asked.get("url")
    if not url:
        raise NotFound("page", asked.get("post", ""))
    if not where.holds(url):
        raise Refused("page-elsewhere", "The page is not one of the site's.", "/url")
    return PostReference(id=asked.get("post") or None, url=url, title=asked.get("title", ""), vouched=False)


def _listed(found: Thread | None) -> dict[str, Any]:
    return {
        "comments": found.comments if found else [],
        "total": found.total if found else 0,
        "following": f"cmt_{found.next.hex}" if found is not None and found.next else "",
        "key": (found.post.external_id or posts.canonical_key(found.post.url)) if found else "",
    }


def _submit(where: Place, note: forms.Note, said: dict[str, Any]) -> str:
    here = context()
    runtime = here.runtime
    asked = Submission(
        post=note.post,
        author=AuthorClaim(
            name=said["name"],
            email=said["email"],
            address=request.remote_addr,
            user_agent=request.headers.get("User-Agent", "")[:2000] or None,
        ),
        body=said["body"],
        parent_id=said["parent_id"],
        honeypot=said["website"] or None,
        seconds_to_submit=note.seconds,
        notify=said["notify"] and said["email"] is not None and runtime.settings.smtp_url is not None,
        notify_language=g.language,
    )
    fingerprint = forms.fingerprint(said)
    # The same text from the same form is the same comment; another one, sent after going back, is another.
    once = Once(scope=f"{where.id.hex}:form", key=f"{note.once}:{fingerprint.hex()[:16]}", fingerprint=fingerprint)
    receipt = runtime.database.transact(
        lambda session: submission.submit(
            session,
            where.id,
            asked,
            vouched=False,
            secret=runtime.settings.secret,
            once=once,
            now=runtime.clock.now(),
            cost_ms=here.models.estimate_ms(asked.body),
        )
    )
    _wait(receipt.comment_id)
    return authorship.token_of(runtime.settings.secret, receipt.comment_id)
