"""The overview: only numbers that change tomorrow, each with the comments behind it.

Every figure is counted from a bounded stretch that an index leads to: the newest decisions of people, the newest closed cases,
the newest comments. So it costs the same on a site with a million comments, and what is counted is exactly what its link shows.
There is no figure about a single moderator: this is for changing rules and shifts, not for a league table.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, text
from sqlalchemy.orm import Session, aliased

from moderation.clock import zone_of
from moderation.models import (
    Assessment,
    Case,
    CaseKind,
    Comment,
    Decider,
    Decision,
    Job,
    JobKind,
    Post,
    Publication,
    Revision,
    Status,
)
from moderation.policy.verdict import Verdict
from moderation.services import terms, views
from moderation.services.shares import BY_PEOPLE, Share, share
from moderation.services.views import Span

WITHIN = timedelta(days=30)
MOST = 2000
"""Newest rows that a figure is counted from."""
STUCK = text("publication.state IN ('dead', 'paused')")
LATE = timedelta(minutes=10)
"""How long the blog may be behind before it is said."""
MOST_POSTS = 3
ALARM_FROM = 50
"""Comments of a group before its share says anything ..."""
ALARM_AT = 2.0
"""... and how many times the site's own share it is when it is said."""
EVERYTHING = "everything"
"""The rule of `watch` that asks a person about every comment: its figure would say nothing about a threshold."""


@dataclass(frozen=True, slots=True)
class Hour:
    """How long cases opened in this hour of the day (0..23, the site's time) waited, for four in five of them."""

    hour: int
    p80: timedelta
    cases: int


@dataclass(frozen=True, slots=True)
class BusyPost:
    """A post and the cases that its comments made."""

    id: UUID
    title: str
    share: Share


@dataclass(frozen=True, slots=True)
class Exposure:
    """How long rejected comments had been public: ``median`` of the comments, and of the ``views`` of their posts meanwhile.

    ``weighted`` is None where nobody was counted to have read them.
    """

    median: timedelta
    views: float
    weighted: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The figures, by the name under which their comments are found (see ``comments_behind``)."""

    oldest: tuple[UUID, datetime] | None
    """The open case that waits longest, and since when."""
    hours: tuple[Hour, ...]
    shares: dict[str, Share]
    """``rule:NAME`` approved by a person after a hold; ``audit`` bad ones among approved ones that were drawn;
    ``machine`` held of all, and of those ``language:TAG``, ``term:GROUP``, ``newcomers``, ``regulars``; ``reversed:KEY``
    rejections that a colleague reversed, by reason; ``appeals`` won; ``unscored``; ``removed`` of the comments that people
    rejected those that had been public."""
    exposure: Exposure | None
    """How long those had been public, and how often they may have been read."""
    posts: tuple[BusyPost, ...]
    behind: int
    """Comments that the blog shows otherwise than we want, for longer than LATE or for good."""

    def comments_behind(self, name: str) -> tuple[UUID, ...] | None:
        """Return the comments that a figure counts, newest first; None for a name that is no figure."""
        if name in self.shares:
            return self.shares[name].comments
        return next((post.share.comments for post in self.posts if name == f"post:{post.id.hex}"), None)

    @property
    def alarms(self) -> frozenset[str]:
        """The languages and groups that are held at least twice as often as the site's comments are, by name."""
        mean = self.shares["machine"].value if "machine" in self.shares else 0.0
        return frozenset(
            name
            for name, found in self.shares.items()
            if name.startswith(("language:", "term:"))
            and found.whole >= ALARM_FROM
            and found.part > 0
            and found.value >= ALARM_AT * mean
        )

    def named(self, prefix: str) -> list[tuple[str, Share]]:
        """Return the shares whose name begins with ``prefix``, the most comments first, without it."""
        found = [(name.removeprefix(prefix), each) for name, each in self.shares.items() if name.startswith(prefix)]
        return sorted(found, key=lambda item: (-item[1].whole, item[0]))


def overview(session: Session, site_id: UUID, *, time_zone: str, now: datetime) -> Overview:
    """Count the figures of a site; a handful of queries over at most MOST rows each."""
    since = now - WITHIN
    closed = _closed(session, site_id, since)
    decided = _decided(session, site_id, since)
    removed, exposure = _removed(session, site_id, decided)
    return Overview(
        oldest=_oldest(session, site_id),
        hours=_hours(closed, time_zone),
        shares={
            **_by_rule(decided),
            "audit": share(
                (decision.comment_id, decision.verdict == Verdict.REJECT)
                for decision, *_ in _of_kind(decided, closed, CaseKind.AUDIT)
            ),
            "appeals": share(
                (decision.comment_id, decision.verdict == Verdict.APPROVE)
                for decision, *_ in _of_kind(decided, closed, CaseKind.SECOND_LOOK)
            ),
            **_held(session, site_id, since),
            **_reversed(decided),
            "removed": removed,
        },
        exposure=exposure,
        posts=_posts(session, site_id, closed),
        behind=_behind(session, site_id, now),
    )


def _oldest(session: Session, site_id: UUID) -> tuple[UUID, datetime] | None:
    row = session.execute(
        select(Case.id, Case.created_at)
        .where(Case.site_id == site_id, Case.closed_at.is_(None), Case.kind != CaseKind.AUDIT)
        .order_by(Case.created_at)
        .limit(1)
    ).first()
    return (row.id, row.created_at) if row is not None else None


def _closed(session: Session, site_id: UUID, since: datetime) -> Sequence[Any]:
    return session.execute(
        select(Case.comment_id, Case.post_id, Case.kind, Case.created_at, Case.closed_at)
        .where(Case.site_id == site_id, Case.closed_at >= since)
        .order_by(Case.closed_at.desc())
        .limit(MOST)
    ).all()


def _hours(closed: Iterable[Any], time_zone: str) -> tuple[Hour, ...]:
    zone = zone_of(time_zone)
    waits: dict[int, list[timedelta]] = defaultdict(list)
    for case in closed:
        if case.kind is not CaseKind.AUDIT:
            waits[case.created_at.astimezone(zone).hour].append(case.closed_at - case.created_at)
    return tuple(Hour(hour, _p80(spans), len(spans)) for hour, spans in sorted(waits.items()))


def _p80(spans: list[timedelta]) -> timedelta:
    ordered = sorted(spans)
    return ordered[-(-4 * len(ordered) // 5) - 1]


_Decided = Sequence[tuple[Decision, Comment, Decision | None]]
"""Newest first: a person's decision, its comment, and the decision right before it."""


def _decided(session: Session, site_id: UUID, since: datetime) -> _Decided:
    before = aliased(Decision)
    rows = session.execute(
        select(Decision, Comment, before)
        .join(Comment, Comment.id == Decision.comment_id)
        .outerjoin(before, and_(before.comment_id == Decision.comment_id, before.seq == Decision.seq - 1))
        .where(
            Decision.site_id == site_id,
            BY_PEOPLE,
            Decision.undoes.is_(None),
            Decision.created_at >= since,
        )
        .order_by(Decision.created_at.desc())
        .limit(MOST)
    )
    return [(decision, comment, earlier) for decision, comment, earlier in rows]


def _by_rule(decided: _Decided) -> dict[str, Share]:
    """Return for each rule that held a comment how many of them a person then approved."""
    found: dict[str, list[tuple[UUID, bool]]] = defaultdict(list)
    for decision, comment, before in decided:
        if before is None or before.decider is not Decider.MACHINE or before.verdict == Verdict.APPROVE:
            continue
        if decision.seq != comment.decision_seq:
            continue
        for why in before.reasons:
            if why["rule"] != EVERYTHING:
                found[f"rule:{why['rule']}"].append((comment.id, decision.verdict == Verdict.APPROVE))
    return {name: share(rows) for name, rows in found.items()}


def _of_kind(decided: _Decided, closed: Iterable[Any], kind: CaseKind) -> _Decided:
    """Return the standing decisions about comments whose newest closed case was of that kind."""
    kinds: dict[UUID, CaseKind] = {}
    for case in closed:
        kinds.setdefault(case.comment_id, case.kind)
    return [row for row in decided if row[0].seq == row[1].decision_seq and kinds.get(row[1].id) is kind]


def _reversed(decided: _Decided) -> dict[str, Share]:
    """Return for each reason how many rejections another decision reversed, by a colleague or after an appeal."""
    found: dict[str, list[tuple[UUID, bool]]] = defaultdict(list)
    approved = {(decision.comment_id, decision.seq - 1) for decision, *_ in decided if decision.verdict == Verdict.APPROVE}
    for decision, comment, _ in decided:
        if decision.verdict == Verdict.REJECT and decision.reason is not None:
            found[f"reversed:{decision.reason}"].append((comment.id, (comment.id, decision.seq) in approved))
    return {name: share(rows) for name, rows in found.items()}


def _removed(session: Session, site_id: UUID, decided: _Decided) -> tuple[Share, Exposure | None]:
    """Return which of the rejected comments had been public, and for how long."""
    rejected = [
        (decision, comment)
        for decision, comment, _ in decided
        if decision.verdict == Verdict.REJECT and decision.seq == comment.decision_seq
    ]
    spans = [
        Span(comment.post_id, comment.published_at, decision.created_at)
        for decision, comment in rejected
        if decision.replaced_visible is not None and comment.published_at is not None
    ]
    return (
        share((comment.id, decision.replaced_visible is not None) for decision, comment in rejected),
        _exposure(session, site_id, spans),
    )


def _exposure(session: Session, site_id: UUID, spans: Sequence[Span]) -> Exposure | None:
    if not spans:
        return None
    counted = views.during(session, site_id, spans)
    weighed = sorted(zip((span.until - span.since for span in spans), counted, strict=True))
    total, so_far, weighted = sum(counted), 0.0, None
    for lasted, read in weighed:
        so_far += read
        if total and so_far >= total / 2:
            weighted = lasted
            break
    return Exposure(weighed[len(weighed) // 2][0], total, weighted)


def _held(session: Session, site_id: UUID, since: datetime) -> dict[str, Share]:
    """Return how many of the newest comments the machine held, by language, group and standing, and how many had no score."""
    rows = session.execute(
        select(Comment.id, Decision.verdict, Decision.reasons, Assessment.signals, Revision.body)
        .join(Decision, and_(Decision.comment_id == Comment.id, Decision.seq == 1))
        .join(Revision, and_(Revision.comment_id == Comment.id, Revision.number == Decision.revision))
        .join(Assessment, Assessment.id == Decision.assessment_id)
        .where(Comment.site_id == site_id, Comment.created_at >= since, Comment.status != Status.ERASED)
        .order_by(Comment.created_at.desc())
        .limit(MOST)
    )
    found: dict[str, list[tuple[UUID, bool]]] = defaultdict(list)
    for comment_id, verdict, reasons, signals, body in rows:
        rules = {why["rule"] for why in reasons} - {EVERYTHING}
        held = (comment_id, verdict != Verdict.APPROVE and bool(rules))
        found[f"language:{signals.get('language') or 'not known'}"].append(held)
        found["machine"].append(held)
        for term in terms.named(body):
            found[f"term:{term}"].append(held)
        if "newcomer" in signals:
            found["newcomers" if signals["newcomer"] else "regulars"].append(held)
        found["unscored"].append((comment_id, any(why["reason"] == "not_scored" for why in reasons)))
    return {name: share(found_rows) for name, found_rows in found.items()}


def _posts(session: Session, site_id: UUID, closed: Sequence[Any]) -> tuple[BusyPost, ...]:
    open_cases = session.execute(
        select(Case.comment_id, Case.post_id)
        .where(Case.site_id == site_id, Case.closed_at.is_(None), Case.kind != CaseKind.AUDIT)
        .order_by(Case.priority.desc())
        .limit(MOST)
    ).all()
    cases = [*open_cases, *(case for case in closed if case.kind is not CaseKind.AUDIT)]
    count = Counter(case.post_id for case in cases)
    busiest = [post_id for post_id, _ in count.most_common(MOST_POSTS)]
    titles = {
        post_id: title or url
        for post_id, title, url in session.execute(select(Post.id, Post.title, Post.url).where(Post.id.in_(busiest)))
    }
    return tuple(
        BusyPost(post_id, titles[post_id], share((case.comment_id, case.post_id == post_id) for case in cases))
        for post_id in busiest
    )


def _behind(session: Session, site_id: UUID, now: datetime) -> int:
    stuck = session.scalar(select(func.count()).select_from(Publication).where(Publication.site_id == site_id, STUCK))
    late = session.scalar(
        select(func.count())
        .select_from(Job)
        .where(Job.kind == JobKind.PUBLISH, Job.site_id == site_id, Job.created_at < now - LATE)
    )
    return (stuck or 0) + (late or 0)
