"""What a blog's own moderators decided there, told to us by their system: a human decision like one made in the console.

The blog has acted already, so neither a claim nor a colleague's decision stands in the way. What repeats the state that we
know of changes nothing: a blog's plugin also tells us what our own publisher did there, and that is no new judgement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from unicodedata import normalize
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from moderation.errors import NotFound
from moderation.ids import show
from moderation.models import CaseKind, Comment, Decider, Decision, Publication, Publisher, Status
from moderation.policy.shipped import SPAM
from moderation.policy.verdict import Verdict
from moderation.services import decisions, privacy
from moderation.services.decisions import NewCase, Outcome
from moderation.services.posts import canonical_key
from moderation.services.submission import Submission

GONE = frozenset({Status.WITHDRAWN, Status.ERASED})


def known_as(site_id: UUID, asked: Submission, *, door: str, secret: bytes) -> str:
    """Return the id under which a comment without one of its own is known: from page, author and text, under a key.

    The same comment asked about again, or decided about later, has the same id.
    """
    parts = (
        canonical_key(asked.post.url),
        asked.author.name,
        (asked.author.email or "").casefold(),
        " ".join(normalize("NFC", asked.body).split()),
        *filter(None, [asked.author.id]),
    )
    digest = privacy.keyed_hash(secret, b"known as", site_id.bytes, *parts)
    return f"{door}:{digest.hex()}"


def tell(
    session: Session,
    site_id: UUID,
    comment_id: UUID,
    *,
    verdict: Verdict,
    cause: str,
    now: datetime,
    reason: int = SPAM,
    note: str = "",
) -> Decision | None:
    """Record what the blog's moderators decided; None where the comment stands so already or is gone. Raises NotFound.

    ``reason`` and ``note`` are those of a rejection. What they put back into their queue is in ours, too.
    """
    comment = decisions.lock(session, site_id, comment_id)
    if comment is None:
        raise NotFound("comment", show("comment", comment_id))
    if comment.status in GONE or comment.status is decisions.STATUS_OF[verdict]:
        return None
    return decisions.decide(
        session,
        comment,
        Outcome(
            verdict=verdict,
            revision=comment.current_revision,
            decider=Decider.MODERATOR,
            cause=cause,
            publish=verdict is Verdict.APPROVE,
            reason=reason if verdict is Verdict.REJECT else None,
            note=note if verdict is Verdict.REJECT else "",
            case=NewCase(kind=CaseKind.FLAGGED) if verdict is Verdict.FLAG else None,
        ),
        now=now,
    )


def find(session: Session, site_id: UUID, *, comment_id: UUID | None = None, external_ids: Sequence[str] = ()) -> Comment | None:
    """Return the comment that a blog means by our id, else by the first of the ids that it may be known by here."""
    if comment_id is not None:
        found = session.get(Comment, comment_id)
        if found is not None and found.site_id == site_id:
            return found
    for name in external_ids:
        named = session.scalars(select(Comment).where(Comment.site_id == site_id, Comment.external_id == name)).first()
        if named is not None:
            return named
    return None


def is_echo(session: Session, site_id: UUID, reporter: str) -> bool:
    """Tell whether the reporter is the account with which one of the site's publishers writes to the blog."""
    if not reporter:
        return False
    configs = session.scalars(select(Publisher.config).where(Publisher.site_id == site_id))
    return any(str(config.get("username", "")).casefold() == reporter.casefold() for config in configs)


def found_as(session: Session, site_id: UUID, kind: str, remote_id: str) -> Comment | None:
    """Return the comment that one of the site's publishers of a kind found under an id in the blog, None for none."""
    wanted = (
        select(Comment)
        .join(Publication, Publication.comment_id == Comment.id)
        .join(Publisher, Publisher.id == Publication.publisher_id)
        .where(Publication.site_id == site_id, Publication.remote_id == remote_id, Publisher.kind == kind)
    )
    return session.scalars(wanted.limit(1)).first()


def was_carried_back(session: Session, comment: Comment, kind: str, verdict: Verdict) -> bool:
    """Tell whether a publisher of a kind did to the blog what it tells now, because of an earlier decision on the same text.

    A publisher that cannot make a public comment wait has taken it down, which comes back as a rejection.
    """
    carried = (
        select(Publication.id)
        .join(Publisher, Publisher.id == Publication.publisher_id)
        .where(Publication.comment_id == comment.id, Publisher.kind == kind)
    )
    if session.scalar(carried.limit(1)) is None:
        return False
    newest = (Decision.comment_id == comment.id, Decision.revision == comment.current_revision)
    decided = list(session.scalars(select(Decision.status).where(*newest).order_by(Decision.seq)))
    if verdict is Verdict.APPROVE:
        return Status.APPROVED in decided
    hidden_again = Status.APPROVED in decided and Status.FLAGGED in decided[decided.index(Status.APPROVED) :]
    return Status.REJECTED in decided or hidden_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came through a door in a span of time; ``missed`` and ``alarms`` count where humans overruled the machine."""

    calls: int
    spam: int
    ham: int
    missed: int
    alarms: int


def tally(session: Session, site_id: UUID, *, door: str, since: datetime, until: datetime) -> Tally:
    """Count the comments that came through a door from ``since`` until before ``until``."""
    wanted = (
        Comment.site_id == site_id,
        Comment.created_at >= since,
        Comment.created_at < until,
        Comment.external_id.like(f"{door}:%"),
    )
    counted = session.execute(select(Comment.status, func.count()).where(*wanted).group_by(Comment.status))
    by_status = {row[0]: row[1] for row in counted}
    machine = aliased(Decision)
    differing = session.execute(
        select(Comment.status, func.count())
        .join(machine, (machine.comment_id == Comment.id) & (machine.seq == 1))
        .join(Decision, (Decision.comment_id == Comment.id) & (Decision.seq == Comment.decision_seq))
        .where(*wanted, machine.decider == Decider.MACHINE, Decision.decider == Decider.MODERATOR)
        .where(machine.status != Comment.status)
        .group_by(Comment.status)
    )
    overruled = {row[0]: row[1] for row in differing}
    return Tally(
        calls=sum(by_status.values()),
        spam=by_status.get(Status.REJECTED, 0) + by_status.get(Status.FLAGGED, 0),
        ham=by_status.get(Status.APPROVED, 0),
        missed=overruled.get(Status.REJECTED, 0),
        alarms=overruled.get(Status.APPROVED, 0),
    )
