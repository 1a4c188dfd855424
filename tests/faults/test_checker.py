"""The checker finds nothing in a healthy record, and each planted violation of each promise."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from moderation.ids import new_id, show
from moderation.models import (
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
    Score,
)
from moderation.policy.verdict import Verdict
from moderation.services import sealing
from tests.faults.checker import History, Received, violations
from tests.moderation.services.conftest import ABUSIVE, CIVIL, SECRET

KEY = sealing.audit_key(SECRET)


@pytest.fixture
def record(blog: Any) -> Any:
    """A blog with an endpoint and a short, healthy history: approved, flagged, rejected by a human, revised, undone."""
    with blog.database.transaction() as session:
        session.add(
            Endpoint(
                id=new_id(), site_id=blog.site_id, created_at=blog.start, url="https://x.example/", secrets=[], event_types=[]
            )
        )
    approved, flagged, threat = blog.judged(CIVIL), blog.judged(ABUSIVE), blog.judged("I will find you and kill you tonight.")
    blog.decide(flagged, Verdict.REJECT)
    blog.revise(blog.view(flagged.id), "Let me say this more kindly, please.")
    blog.worker().drain()
    blog.undo(blog.decide(threat, Verdict.REJECT))
    history = History()
    for number, view in enumerate((approved, flagged, threat)):
        history.acknowledged[f"k{number}"] += [view.id, view.id]
    history.healed.append(0.3)
    history.faulty.append(422)
    bodies = {}
    with blog.database.transaction() as session:
        for delivery in session.query(Delivery).order_by(Delivery.id):
            delivery.state = DeliveryState.DELIVERED
            bodies[show("event", delivery.event_id)] = delivery.body
        session.execute(delete(Job).where(Job.kind == JobKind.NOTIFY))
        assert sealing.take_lease(session, sealing.SEALER, holder="test", now=blog.database.now(session))
        sealing.place_events(session)
        sealing.seal_audit(session, KEY)
    return blog, history, Received(bodies)


def judge(record: Any) -> list[str]:
    blog, history, received = record
    return violations(blog.database, history, received, audit_key=KEY)


def test_a_healthy_record_has_no_violation(record: Any) -> None:
    assert judge(record) == []


def one(session: Session, model: Any, **where: Any) -> Any:
    return session.query(model).filter_by(**where).order_by(model.id).first()


def unguard(session: Session) -> None:
    on = "" if session.get_bind().dialect.name == "sqlite" else " ON audit"
    for trigger in ("audit_keeps_sealed_rows", "audit_keeps_rows"):
        session.execute(text(f"DROP TRIGGER {trigger}{on}"))


def forget_audit(session: Session) -> None:
    unguard(session)
    session.delete(one(session, Audit, action="comment.decided"))


def change_audit(session: Session) -> None:
    unguard(session)
    one(session, Audit, seq=2).action = "nothing"


def copy_decision(session: Session, **changes: Any) -> None:
    """Add a decision beside the last one of the comment that a human rejected, as a broken worker would."""
    human = (
        session.query(Decision).filter_by(decider=Decider.MODERATOR, verdict="reject", undoes=None).order_by(Decision.id).first()
    )
    assert human is not None
    last = session.query(Decision).filter_by(comment_id=human.comment_id).order_by(Decision.seq.desc()).first()
    assert last is not None
    values = {column.name: getattr(last, column.name) for column in Decision.__table__.columns}
    made = {"id": new_id(), "seq": last.seq + 1, "cause": "planted", "decider": Decider.MACHINE, "revision": human.revision}
    session.add(Decision(**{**values, **made, **changes}))
    session.execute(update(Comment).where(Comment.id == last.comment_id).values(decision_seq=last.seq + 1))


PLANTED: dict[str, tuple[str, Callable[[Session], object]]] = {
    "still pending": ("I1", lambda s: setattr(one(s, Comment, status="approved"), "status", "pending")),
    "a case was lost": ("I1", lambda s: s.execute(delete(Case).where(Case.closed_at.is_(None)))),
    "a decision is missing": ("I2", lambda s: setattr(one(s, Comment, status="approved"), "decision_seq", 2)),
    "an event without a delivery": ("I3", lambda s: s.delete(one(s, Delivery))),
    "a delivery that nobody sends": ("I3", lambda s: setattr(one(s, Delivery), "state", DeliveryState.PENDING)),
    "other bytes than those signed": ("I3", lambda s: setattr(one(s, Delivery), "body", b"{}")),
    "a zombie decided too": ("I4", copy_decision),
    "a decision nobody heard of": ("I6", copy_decision),
    "an event is missing": ("I6", lambda s: s.execute(delete(Event).where(Event.type == "comment.revised"))),
    "an audit row changed": ("I7", change_audit),
    "an audit row vanished": ("I7", forget_audit),
    "approved without a score": ("I9", lambda s: s.execute(delete(Score))),
    "a machine overwrote a human": ("I10", copy_decision),
    "a machine approved after a human's rejection": ("I10", lambda s: copy_decision(s, revision=2, verdict="approve")),
}


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_violation_is_found(record: Any, name: str) -> None:
    promise, plant = PLANTED[name]
    with record[0].database.transaction() as session:
        plant(session)
    assert promise in {found.split(":")[0] for found in judge(record)}, judge(record)


def test_what_only_clients_and_receivers_see_is_found(record: Any) -> None:
    blog, history, received = record
    history.acknowledged["k0"].append(show("comment", new_id()))
    history.healed.append(11.0)
    history.faulty.append(500)
    late = dict(reversed(list(received.bodies.items())))
    late.popitem()
    found = violations(blog.database, history, Received(late, bad=["no match"]), audit_key=KEY)
    assert {breach.split(":")[0] for breach in found} == {"I1", "I3", "I5", "I8", "I9"}
    assert any("never arrived" in breach for breach in found)
    assert any("heard of" in breach for breach in found)
    assert any("does not verify" in breach for breach in found)


def test_an_unsealed_row_is_found_after_ten_seconds(record: Any) -> None:
    blog, _, _ = record
    with blog.database.transaction() as session:
        session.add(
            Audit(id=new_id(), created_at=blog.start - timedelta(seconds=30), actor="x", action="x", subject="x", detail={})
        )
    assert any(found.startswith("I7") and "unsealed" in found for found in judge(record))
