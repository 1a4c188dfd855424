"""What a message says: written when it is sent, from what is true then, so that what was settled meanwhile is not told any more.

A letter carries no comment's text and no author's name: a mail cannot be taken back, and what a threat or somebody's address says
should not be copied into inboxes. It leads to the page that shows the comment as it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from moderation.clock import zone_of
from moderation.config import Settings
from moderation.ids import show
from moderation.models import Case, CaseKind, Comment, Decider, Decision, Message, MessageKind, Post, Site, User
from moderation.outbound.mail import Letter, one_line
from moderation.policy.shipped import FIXED_REASONS, REASONS
from moderation.services import desk, letter_links, messages, notices

LONGEST_TITLE = 80
MOST_POSTS = 5
"""Posts that a digest names, those with the most that waits first."""

KINDS = {
    CaseKind.FLAGGED: "held by the check",
    CaseKind.REPORTED: "reported by readers",
    CaseKind.SECOND_LOOK: "asked to be looked at again",
}


@dataclass(frozen=True, slots=True)
class News:
    """A subject and the paragraphs below it; a line that is a link stands alone."""

    subject: str
    paragraphs: list[str]

    @property
    def lines(self) -> list[str]:
        """The news line by line, as a chat room is told it."""
        return [line for part in (self.subject, *self.paragraphs) for line in part.split("\n")]


def write(session: Session, message: Message, user: User, settings: Settings, *, now: datetime) -> Letter | None:
    """Return the letter of a message to somebody who looks after the site; None where there is nothing to tell any more."""
    found = news(session, message, settings, now=now)
    if found is None:
        return None
    paragraphs = [*found.paragraphs, f"What you are told, and when: {settings.public_url}/console/notices"]
    return Letter(id=show("message", message.id), to=user.email, subject=found.subject, text="\n\n".join(paragraphs) + "\n")


def news(session: Session, message: Message, settings: Settings, *, now: datetime) -> News | None:
    """Return what a message says, to a person with their own link, to a room without; None where that is settled."""
    site = session.get_one(Site, message.site_id)
    if message.kind is MessageKind.WAITING:
        found = _waiting(session, site, settings, now=now)
    elif message.kind is MessageKind.DIGEST:
        found = _digest(session, site, message, settings, now=now)
    else:
        found = _case(session, site, message, settings)
    if found is None:
        return None
    return News(f"[{one_line(site.title, longest=LONGEST_TITLE)}] {found.subject}", found.paragraphs)


def lasting(span: timedelta) -> str:
    """Return a length of time as people say it."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _case(session: Session, site: Site, message: Message, settings: Settings) -> News | None:
    row = session.execute(
        select(Case, Comment, Post)
        .join(Comment, Comment.id == Case.comment_id)
        .join(Post, Post.id == Comment.post_id)
        .where(Case.comment_id == message.comment_id, Case.closed_at.is_(None))
    ).first()
    if row is None:
        # A colleague was faster, or the author took it back.
        return None
    case, comment, post = row
    escalated = message.kind is MessageKind.ESCALATED
    if not escalated and not messages.is_urgent(case):
        return None
    case_link = f"{settings.public_url}/console/queue?case={show('case', case.id)}"
    paragraphs = [
        f"A comment on “{_title(post)}” waits for you: {_why(case)}.",
        "It is public at the moment." if comment.visible_revision is not None else "It is not public.",
    ]
    if message.user_id is not None:
        link = letter_links.address(settings.public_url, letter_links.token_of(settings.secret, message.id))
        until = _moment(message.created_at + letter_links.VALID, site)
        paragraphs.append(f"Read it and decide, once and until {until}; the link is yours alone:\n{link}")
    paragraphs.append(f"{'Or in' if message.user_id is not None else 'In'} the queue:\n{case_link}")
    if message.user_id is not None:
        paragraphs.append("What it says is not in this mail, because a mail cannot be taken back.")
    if message.data.get("last"):
        paragraphs.append(
            "So many urgent ones came in an hour that there will be no letter about another one within the hour. "
            "They are all in the queue."
        )
    return News(f"{'Handed to the editors' if escalated else 'Urgent'}: {_why(case)}", paragraphs)


def _waiting(session: Session, site: Site, settings: Settings, *, now: datetime) -> News | None:
    oldest = notices.oldest_waiting(session, site.id)
    limit = timedelta(minutes=notices.plan(session, site.id).waiting_minutes)
    if oldest is None or not limit or now - oldest < limit:
        return None
    count = _waiting_count(session, site.id)
    return News(
        f"A comment has been waiting for {lasting(now - oldest)}",
        [
            f"The oldest of {count} that wait has waited since {_moment(oldest, site)}.",
            f"The queue:\n{settings.public_url}/console/queue",
        ],
    )


def _digest(session: Session, site: Site, message: Message, settings: Settings, *, now: datetime) -> News | None:
    since = datetime.fromisoformat(message.data["since"])
    waiting = desk.waiting(session, site.id)
    decided = session.scalar(
        select(func.count())
        .select_from(Decision)
        .where(
            Decision.site_id == site.id,
            Decision.created_at > since,
            Decision.decider == Decider.MODERATOR,
            Decision.undoes.is_(None),
        )
    )
    count = _waiting_count(session, site.id)
    if not count and not decided:
        return None
    oldest = notices.oldest_waiting(session, site.id)
    by_kind = [f"{waiting.by_kind[kind]} {words}" for kind, words in KINDS.items() if waiting.by_kind[kind]]
    by_kind += [f"{waiting.escalated} handed to the editors"] if waiting.escalated else []
    paragraphs = ["Nothing waits."]
    if count and oldest is not None:
        paragraphs = [f"{count} wait{'s' if count == 1 else ''}: {', '.join(by_kind)}. The oldest for {lasting(now - oldest)}."]
        paragraphs.append("\n".join(_busiest(session, site.id)))
    paragraphs.append(f"People decided {decided} since {_moment(since, site)}.")
    paragraphs.append(f"The queue:\n{settings.public_url}/console/queue")
    return News(f"{count} comment{'s' if count != 1 else ''} wait{'s' if count == 1 else ''} for you", paragraphs)


def _busiest(session: Session, site_id: UUID) -> list[str]:
    cases = func.count()
    rows: Any = session.execute(
        select(Post, cases)
        .join(Case, Case.post_id == Post.id)
        .where(Case.site_id == site_id, Case.closed_at.is_(None), Case.kind != CaseKind.AUDIT)
        .group_by(Post.id)
        .order_by(cases.desc(), Post.id)
        .limit(MOST_POSTS)
    )
    return [f"{count} on “{_title(post)}”" for post, count in rows]


def _waiting_count(session: Session, site_id: UUID) -> int:
    return (
        session.scalar(
            select(func.count())
            .select_from(Case)
            .where(Case.site_id == site_id, Case.closed_at.is_(None), Case.kind != CaseKind.AUDIT)
        )
        or 0
    )


def _why(case: Case) -> str:
    names = [_reason(why.get("reason")) for why in case.reasons]
    return ", ".join(dict.fromkeys(name for name in names if name)) or "a person should look"


def _reason(key: Any) -> str:
    if isinstance(key, int) and key in REASONS:
        return REASONS[key].name
    return FIXED_REASONS.get(str(key), "").rstrip(".")


def _title(post: Post) -> str:
    return one_line(post.title or post.url, longest=LONGEST_TITLE)


def _moment(moment: datetime, site: Site) -> str:
    zone = zone_of(site.time_zone)
    return f"{moment.astimezone(zone):%-d %B %H:%M} ({zone.key})"
