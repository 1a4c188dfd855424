"""The one judge of the promises I1 to I10 (docs/decisions/0000): over what clients saw, what is stored, and what a receiver got.

It runs after every fault, once the stack has healed and nothing is due any more. ``violations`` names each promise that was
broken; tests plant a violation of each and demand that it is found.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.database import Database
from moderation.ids import read, show
from moderation.models import (
    Assessment,
    Audit,
    Case,
    Comment,
    Decider,
    Decision,
    Delivery,
    DeliveryState,
    Endpoint,
    Event,
    Job,
    JobKind,
    Revision,
    Score,
    Status,
)
from moderation.services import events, sealing

NAMED = frozenset({DeliveryState.DELIVERED, DeliveryState.PAUSED, DeliveryState.DEAD, DeliveryState.CANCELLED})
"""States in which a delivery may stay; from paused and dead it can be replayed."""

ALIVE_WITHIN = 10.0


@dataclass
class History:
    """What clients saw: the comments acknowledged under each idempotency key, and how fast the healed stack decided.

    ``faulty`` holds the statuses that mistaken requests were answered with.
    """

    acknowledged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    healed: list[float] = field(default_factory=list)
    faulty: list[int] = field(default_factory=list)


@dataclass
class Received:
    """What one receiver got: the first body under each ``webhook-id`` in order of arrival, and what did not verify."""

    bodies: Mapping[str, bytes] = field(default_factory=dict)
    bad: Sequence[str] = ()


def violations(database: Database, history: History, received: Received, *, audit_key: bytes) -> list[str]:
    """Return each breach as ``I<n>: what``; empty when all promises hold."""
    with database.reading() as session:
        comments = {row.id: row for row in session.scalars(select(Comment))}
        decisions: dict[UUID, list[Decision]] = defaultdict(list)
        for decision in session.scalars(select(Decision).order_by(Decision.comment_id, Decision.seq)):
            decisions[decision.comment_id].append(decision)
        recorded: dict[UUID, list[Event]] = defaultdict(list)
        for event in session.scalars(select(Event).where(Event.comment_id.is_not(None)).order_by(Event.seq)):
            recorded[event.comment_id or UUID(int=0)].append(event)
        return [
            *_durable(session, comments, history),
            *_numbered(comments, decisions),
            *_delivered(session, recorded, received),
            *_fenced(decisions),
            *_once(history),
            *_whole(session, comments, decisions, recorded),
            *_sealed(database, session, decisions, audit_key),
            *_alive(history),
            *_closed(session, decisions, history),
            *_human_first(decisions),
        ]


def _durable(session: Session, comments: Mapping[UUID, Comment], history: History) -> Iterator[str]:
    for shown in {shown for ids in history.acknowledged.values() for shown in ids}:
        if read("comment", shown) not in comments:
            yield f"I1: {shown} was acknowledged and is not stored"
    waiting = set(session.scalars(select(Case.comment_id).where(Case.closed_at.is_(None))))
    for comment in comments.values():
        if comment.status is Status.PENDING:
            yield f"I1: {show('comment', comment.id)} is still pending"
        if comment.status is Status.FLAGGED and comment.id not in waiting:
            yield f"I1: {show('comment', comment.id)} is flagged and before nobody"
    for job in session.scalars(select(Job).where(Job.kind == JobKind.MODERATE)):
        yield f"I1: a job for {show('comment', job.subject_id)} is left"


def _numbered(comments: Mapping[UUID, Comment], decisions: Mapping[UUID, list[Decision]]) -> Iterator[str]:
    for comment in comments.values():
        made = decisions.get(comment.id, [])
        if [decision.seq for decision in made] != list(range(1, comment.decision_seq + 1)):
            yield f"I2: {show('comment', comment.id)} has decisions {[d.seq for d in made]}, should have {comment.decision_seq}"
    causes = Counter((decision.site_id, decision.cause) for made in decisions.values() for decision in made)
    yield from (f"I2: {cause} decided {count} times" for (_, cause), count in causes.items() if count > 1)


def _delivered(session: Session, recorded: Mapping[UUID, list[Event]], received: Received) -> Iterator[str]:
    deliveries = {(row.event_id, row.endpoint_id): row for row in session.scalars(select(Delivery))}
    endpoints = session.scalars(select(Endpoint).where(Endpoint.deleted_at.is_(None))).all()
    for event in (event for made in recorded.values() for event in made):
        for endpoint in endpoints:
            if (
                endpoint.site_id != event.site_id
                or endpoint.created_at > event.created_at
                or not events.wants(endpoint, event.type)
            ):
                continue
            delivery = deliveries.get((event.id, endpoint.id))
            if delivery is None:
                yield f"I3: {show('event', event.id)} has no delivery to {show('endpoint', endpoint.id)}"
            elif delivery.state not in NAMED:
                yield f"I3: {show('delivery', delivery.id)} is {delivery.state} and nothing is due"
    delivered = [row for row in deliveries.values() if row.state is DeliveryState.DELIVERED]
    yield from _arrived({show("event", row.event_id): row.body for row in delivered}, received)


def _arrived(sent: Mapping[str, bytes], received: Received) -> Iterator[str]:
    if received.bodies:
        yield from (f"I3: {event} counts as delivered and never arrived" for event in sent.keys() - received.bodies.keys())
    for event_id, body in received.bodies.items():
        if event_id in sent and sent[event_id] != body:
            yield f"I3: {event_id} arrived with other bytes than those signed"
    newest: dict[str, int] = {}
    for body in received.bodies.values():
        data = orjson.loads(body)["data"]
        if "comment" in data:
            comment, seq = data["comment"]["id"], data["seq"]
            if seq < newest.get(comment, 0):
                yield f"I3: {comment} heard of {seq} after {newest[comment]}"
            newest[comment] = max(seq, newest.get(comment, 0))
    yield from (f"I3: a webhook does not verify: {bad}" for bad in received.bad)


def _fenced(decisions: Mapping[UUID, list[Decision]]) -> Iterator[str]:
    for comment_id, made in decisions.items():
        by_machine = Counter(decision.revision for decision in made if decision.decider is Decider.MACHINE)
        for revision, count in by_machine.items():
            if count > 1:
                yield f"I4: machines decided {count} times on revision {revision} of {show('comment', comment_id)}"


def _once(history: History) -> Iterator[str]:
    for key, ids in history.acknowledged.items():
        if len(set(ids)) > 1:
            yield f"I5: {key} made {len(set(ids))} comments"


def _whole(
    session: Session,
    comments: Mapping[UUID, Comment],
    decisions: Mapping[UUID, list[Decision]],
    recorded: Mapping[UUID, list[Event]],
) -> Iterator[str]:
    revisions = Counter(session.scalars(select(Revision.comment_id)))
    for comment in comments.values():
        name = show("comment", comment.id)
        if revisions[comment.id] != comment.current_revision:
            yield f"I6: {name} has {revisions[comment.id]} revisions, should have {comment.current_revision}"
        if [event.seq for event in recorded.get(comment.id, [])] != list(range(1, comment.version + 1)):
            yield f"I6: {name} is at version {comment.version} and has events {[e.seq for e in recorded.get(comment.id, [])]}"
        announced = {(event.data["decision"] or {}).get("id") for event in recorded.get(comment.id, [])}
        for decision in decisions.get(comment.id, []):
            if show("decision", decision.id) not in announced:
                yield f"I6: {show('decision', decision.id)} was not announced"
        made = decisions.get(comment.id, [])
        if (
            made
            and comment.status in {Status.APPROVED, Status.FLAGGED, Status.REJECTED}
            and made[-1].status is not comment.status
        ):
            yield f"I6: {name} is {comment.status} and was last decided {made[-1].status}"


def _sealed(database: Database, session: Session, decisions: Mapping[UUID, list[Decision]], audit_key: bytes) -> Iterator[str]:
    for broken in sealing.verify_audit(session, audit_key, now=database.now(session)):
        yield f"I7: audit row {broken.seq}: {broken.fault}"
    noted = {detail.get("decision") for detail in session.scalars(select(Audit.detail))}
    for decision in (decision for made in decisions.values() for decision in made):
        if show("decision", decision.id) not in noted:
            yield f"I7: {show('decision', decision.id)} is not in the audit log"


def _alive(history: History) -> Iterator[str]:
    yield from (f"I8: a new comment took {seconds:.1f} s" for seconds in history.healed if seconds > ALIVE_WITHIN)


def _closed(session: Session, decisions: Mapping[UUID, list[Decision]], history: History) -> Iterator[str]:
    yield from (f"I9: a client's fault was answered with {status}" for status in history.faulty if not 400 <= status < 500)
    scored = set(
        session.scalars(
            select(Assessment.id)
            .join(Score, Score.revision_id == Assessment.revision_id)
            .where(Assessment.model_version.is_not(None))
        )
    )
    for decision in (decision for made in decisions.values() for decision in made):
        if decision.decider is Decider.MACHINE and decision.verdict == "approve" and decision.assessment_id not in scored:
            yield f"I9: {show('decision', decision.id)} let a comment through that nothing has scored"


def _human_first(decisions: Mapping[UUID, list[Decision]]) -> Iterator[str]:
    for made in decisions.values():
        undone = {decision.undoes for decision in made}
        for place, decision in enumerate(made):
            if decision.decider is not Decider.MODERATOR or decision.undoes is not None or decision.id in undone:
                continue
            for later in made[place + 1 :]:
                if later.decider is not Decider.MACHINE:
                    continue
                if later.revision == decision.revision:
                    yield f"I10: {show('decision', later.id)} overwrote a human"
                elif decision.verdict == "reject" and later.verdict != "flag":
                    yield f"I10: {show('decision', later.id)} did not ask a human again"
