"""Reading comments back: what the blog's server may see of each, in one shape for one, for many and for a request that waited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, select, tuple_
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.ids import show
from moderation.models import Assessment, Author, Comment, Decision, Mode, Post, Revision, Score, Status
from moderation.scoring.explain import in_words
from moderation.services import decisions, explanations, posts
from moderation.services.events import iso
from moderation.services.explanations import HELD


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentView:
    """A comment as ``GET /v1/comments/{id}`` shows it.

    ``decision`` is the newest one on the current revision, None while it waits; ``scores`` are probabilities from 0 to 1 and
    ``signals`` all that the policy saw, both of the current revision and empty while it waits. ``explanation`` names the words
    that drive these scores, None until they were looked for and where nothing was held. ``body`` is None once erased.
    """

    id: str
    external_id: str | None
    post: dict[str, Any]
    author: dict[str, Any]
    parent_id: str | None
    revision: int
    visible_revision: int | None
    status: str
    version: int
    body: str | None
    language: str | None
    decision: dict[str, Any] | None
    decision_seq: int
    scores: dict[str, float]
    signals: dict[str, Any]
    not_evaluated: list[str]
    model: str | None
    explanation: dict[str, Any] | None
    created_at: str
    submitted_at: str | None
    revised_at: str | None

    def as_json(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers: those of the view itself, which nobody changes."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Page:
    """Some of many comments, newest first; ``next`` is where the following page begins, None at the end."""

    items: list[CommentView]
    next: UUID | None


# Made once: building it takes longer than asking it.
_AROUND = (
    select(Comment, Post, Author, Revision)
    .join(Post, Post.id == Comment.post_id)
    .join(Author, Author.id == Comment.author_id)
    .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Comment.current_revision))
)
_ONE = _AROUND.where(Comment.site_id == bindparam("site"), Comment.id == bindparam("comment"))
_MANY = _AROUND.where(Comment.id.in_(bindparam("ids", expanding=True)))


def view(session: Session, site_id: UUID, comment_id: UUID) -> CommentView:
    """Return a comment of the site as it stands now; raises NotFound."""
    found = session.execute(_ONE, {"site": site_id, "comment": comment_id}).first()
    if found is None:
        raise NotFound("comment", show("comment", comment_id))
    comment, post, author, revision = found
    return _complete(session, [(comment, post, author, revision)])[0]


def page(
    session: Session,
    site_id: UUID,
    *,
    post: str | None = None,
    status: Status | None = None,
    external_id: str | None = None,
    after: UUID | None = None,
    limit: int = 50,
) -> Page:
    """Return comments of the site, newest first, of one post (the blog's id or an address) or one status where that is asked.

    Raises NotFound for an unknown post.
    """
    wanted = [Comment.site_id == site_id]
    if post is not None:
        wanted.append(Comment.post_id == posts.find(session, site_id, post).id)
    if status is not None:
        wanted.append(Comment.status == status)
    if external_id is not None:
        wanted.append(Comment.external_id == external_id)
    if after is not None:
        wanted.append(Comment.id < after)
    found = session.scalars(select(Comment).where(*wanted).order_by(Comment.id.desc()).limit(limit + 1)).all()
    items = found[:limit]
    return Page(views(session, items), items[-1].id if len(found) > limit else None)


def some(session: Session, site_id: UUID, comment_ids: Sequence[UUID]) -> list[tuple[UUID, CommentView]]:
    """Return those comments of the site, in the order given; unknown ones are left out."""
    found = session.scalars(select(Comment).where(Comment.site_id == site_id, Comment.id.in_(comment_ids))).all()
    shown = dict(zip((comment.id for comment in found), views(session, found), strict=True))
    return [(comment_id, shown[comment_id]) for comment_id in comment_ids if comment_id in shown]


def is_decided(session: Session, comment_id: UUID) -> bool:
    """Tell whether the current revision of a comment is no longer pending; one look at one row."""
    status = session.scalar(select(Comment.status).where(Comment.id == comment_id))
    return status is not None and status is not Status.PENDING


def decided_among(session: Session, comment_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the comments that are no longer pending: one query for everybody who waits."""
    return set(session.scalars(select(Comment.id).where(Comment.id.in_(comment_ids), Comment.status != Status.PENDING)))


def fresh(comment: Comment, revision: Revision, *, post: Post, author: Author) -> CommentView:
    """Return a comment as it stands in the transaction that made it, which nobody needs to read back."""
    return _shown(comment, revision, post=post, author=author, decision=None, assessment=None, score=None, found=None)


def views(session: Session, comments: Sequence[Comment]) -> list[CommentView]:
    """Return comments in the order given, with one query per table however many there are."""
    if not comments:
        return []
    ids = [comment.id for comment in comments]
    around = {
        comment.id: (comment, post, author, revision) for comment, post, author, revision in session.execute(_MANY, {"ids": ids})
    }
    return _complete(session, [around[comment.id] for comment in comments])


def _complete(session: Session, rows: Sequence[tuple[Comment, Post, Author, Revision]]) -> list[CommentView]:
    # What was never decided has no assessment and no score either: all three are stored together.
    decided = [comment for comment, *_ in rows if comment.decision_seq]
    decision_of: dict[UUID, Decision] = {}
    assessment_of: dict[UUID, Assessment] = {}
    score_of: dict[UUID, Score] = {}
    found_of: dict[tuple[UUID, str], dict[str, Any]] = {}
    if decided:
        decision_of = {
            row.comment_id: row
            for row in session.scalars(
                select(Decision).where(tuple_(Decision.comment_id, Decision.seq).in_([(c.id, c.decision_seq) for c in decided]))
            )
        }
        revision_ids = [revision.id for comment, _, _, revision in rows if comment.decision_seq]
        for assessment in session.scalars(
            select(Assessment)
            .where(
                # The index begins with the site.
                Assessment.site_id.in_({comment.site_id for comment in decided}),
                Assessment.comment_id.in_([comment.id for comment in decided]),
                Assessment.revision_id.in_(revision_ids),
                Assessment.mode == Mode.LIVE,
            )
            .order_by(Assessment.id)
        ):
            assessment_of[assessment.comment_id] = assessment
        live = select(Score).where(Score.revision_id.in_(revision_ids), Score.mode == Mode.LIVE)
        for score in session.scalars(live.order_by(Score.created_at)):
            score_of[score.revision_id] = score
        held = [revision.id for comment, _, _, revision in rows if comment.status in HELD and revision.id in score_of]
        found_of = explanations.of(session, held) if held else {}
    shown = []
    for comment, post, author, revision in rows:
        scored = score_of.get(revision.id)
        shown.append(
            _shown(
                comment,
                revision,
                post=post,
                author=author,
                decision=decision_of.get(comment.id),
                assessment=assessment_of.get(comment.id),
                score=scored,
                found=found_of.get((revision.id, scored.model_version)) if scored is not None else None,
            )
        )
    return shown


def _shown(
    comment: Comment,
    revision: Revision,
    *,
    post: Post,
    author: Author,
    decision: Decision | None,
    assessment: Assessment | None,
    score: Score | None,
    found: dict[str, Any] | None,
) -> CommentView:
    if decision is not None and decision.revision != comment.current_revision:
        decision = None
    return CommentView(
        id=show("comment", comment.id),
        external_id=comment.external_id,
        post={"key": post.external_id or post.canonical_key, "id": post.external_id, "url": post.url, "title": post.title},
        author={
            "id": author.identity_key if author.identity_kind == "verified" else None,
            "name": revision.context.get("author_name") or author.name,
            "url": revision.context.get("author_url"),
            "identity": str(author.identity_kind),
        },
        parent_id=show("comment", comment.parent_id) if comment.parent_id else None,
        revision=comment.current_revision,
        visible_revision=comment.visible_revision,
        status=str(comment.status),
        version=comment.version,
        body=None if comment.status is Status.ERASED else revision.body,
        language=revision.language,
        decision=decisions.as_public(decision) if decision else None,
        decision_seq=comment.decision_seq,
        scores=dict(score.values) if score else {},
        signals=dict(assessment.signals) if assessment else {},
        not_evaluated=list(assessment.not_evaluated) if assessment else [],
        model=score.model_version if score else None,
        explanation=in_words(found, revision.body) if found else None,
        created_at=iso(comment.created_at),
        submitted_at=iso(comment.submitted_at) if comment.submitted_at else None,
        revised_at=iso(revision.created_at) if revision.number > 1 else None,
    )
