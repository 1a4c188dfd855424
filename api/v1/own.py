"""An author's own comment, opened by the token that came with the submission (``Author-Token``), and by nothing else."""

from typing import Any

from flask import Response, request
from flask.views import MethodView

from api.auth import needs, principal
from api.context import blueprint, context
from api.errors import Problem
from api.limits import enforce_on_author
from api.schemas.comment import RevisionIn
from api.schemas.own import OwnOut, OwnQuery
from api.v1.comments import wait_for
from api.widget import texts
from moderation.ids import show
from moderation.models import Status
from moderation.services import authorship, own, second_looks, submission, tokens
from moderation.services.events import iso
from moderation.services.own import Own
from moderation.services.second_looks import SecondLook

blp = blueprint("own", "/own", "An author's own comment, opened by the token that came with it")

TOKEN = {
    "in": "header",
    "name": "Author-Token",
    "required": True,
    "schema": {"type": "string", "minLength": tokens.LENGTH, "maxLength": tokens.LENGTH},
    "description": "the header that the answer to the submission carried",
}


@blp.route("")
class OwnComment(MethodView):
    """The comment that the token opens."""

    @blp.doc(parameters=[TOKEN])
    @blp.arguments(OwnQuery, location="query")
    @blp.response(200, OwnOut)
    @blp.alt_response(304, description="Nothing changed since the ETag in If-None-Match", success=True)
    @needs("own:read")
    def get(self, query: dict[str, Any]) -> Any:  # noqa: ARG002 (checked here, read by ``texts.chosen``)
        """Show what became of it; with ``If-None-Match`` asking again is cheap."""
        found = _view()
        language = texts.chosen(found.site.language)
        tag = f"{found.tag}-{language}"
        if request.if_none_match.contains_weak(tag):
            return Response(status=304, headers=_headers(tag))
        return shown(found, language), 200, _headers(tag)

    @blp.doc(parameters=[TOKEN])
    @blp.arguments(RevisionIn)
    @blp.response(200, OwnOut)
    @needs("own:write")
    def patch(self, change: dict[str, Any]) -> Any:
        """Send another text, which is judged anew; ``Prefer: wait=N`` waits for that."""
        enforce_on_author(context().limits, principal())
        found = _view()
        revise(found, change["body"], change.get("language"))
        wait_for(found.comment.id)
        return _now()

    @blp.doc(parameters=[TOKEN])
    @blp.response(200, OwnOut)
    @needs("own:write")
    def delete(self) -> Any:
        """Take the comment back: it leaves the public and the queue."""
        withdraw(_view())
        return _now()


@blp.route("/second-look")
class SecondLooks(MethodView):
    """The appeal."""

    @blp.doc(parameters=[TOKEN])
    @blp.response(200, OwnOut)
    @needs("own:write")
    def post(self) -> Any:
        """Ask that another human looks at the rejection; a second time changes nothing."""
        ask(_view())
        return _now()


def shown(found: Own, language: str) -> dict[str, Any]:
    """Return an author's comment as JSON."""
    runtime = context().runtime
    comment = found.comment
    token = authorship.token_of(runtime.settings.secret, comment.id)
    return {
        "id": show("comment", comment.id),
        "post": {
            "key": found.post.external_id or found.post.canonical_key,
            "url": found.post.url,
            "title": found.post.title,
            "openness": str(found.openness),
        },
        "parent_id": show("comment", comment.parent_id) if comment.parent_id else None,
        "author_name": found.revision.context.get("author_name") or "",
        "status": str(comment.status),
        "outcome": str(found.outcome),
        "said": texts.said(found, language),
        "by": str(found.by) if found.by else None,
        "reason": found.reason,
        "decided_at": iso(found.decided_at) if found.decided_at else None,
        "public": found.public,
        "settled": found.settled,
        "revision": comment.current_revision,
        "body": None if comment.status is Status.ERASED else found.revision.body,
        "created_at": iso(comment.created_at),
        "second_look": {
            "state": str(found.second_look),
            "until": iso(found.second_look_until) if found.second_look_until else None,
        },
        "actions": [
            name
            for name, possible in (
                ("edit", found.editable),
                ("withdraw", found.withdrawable),
                ("second_look", found.second_look is SecondLook.POSSIBLE),
            )
            if possible
        ],
        "page": authorship.address(runtime.settings.public_url, token),
    }


def revise(found: Own, body: str, language: str | None = None) -> None:
    """Store a new text of the author's comment; raises Refused where it takes none."""
    here = context()
    here.runtime.database.transact(
        lambda session: submission.revise(
            session,
            found.comment.site_id,
            found.comment.id,
            body=body,
            language=language,
            now=here.runtime.clock.now(),
            cost_ms=here.models.estimate_ms(body),
        )
    )


def withdraw(found: Own) -> None:
    """Take the author's comment back."""
    runtime = context().runtime
    runtime.database.transact(
        lambda session: submission.withdraw(session, found.comment.site_id, found.comment.id, now=runtime.clock.now())
    )


def ask(found: Own) -> None:
    """Ask for a second look for the author; raises Refused."""
    runtime = context().runtime
    runtime.database.transact(
        lambda session: second_looks.ask(session, found.comment.site_id, found.comment.id, now=runtime.clock.now())
    )


def _now() -> dict[str, Any]:
    found = _view()
    return shown(found, texts.chosen(found.site.language))


def _view() -> Own:
    runtime = context().runtime
    token = request.headers.get("Author-Token", "")
    if not token:
        raise Problem(422, "author-token", "Send the token of the submission in Author-Token.")
    with runtime.database.reading() as session:
        return own.view(session, token, secret=runtime.settings.secret, now=runtime.clock.now(), site_id=principal().site_id)


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f'W/"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Author-Token, Accept-Language"}
