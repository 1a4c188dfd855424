"""What has its time: hashes for comparing, idempotency records, address keys, attempts, messages, sessions, labels, views."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from moderation.models import (
    Attempt,
    ConsoleSession,
    FailedSignIn,
    Follower,
    Following,
    Idempotency,
    Label,
    Message,
    NearCopy,
    PostViews,
    SignInLink,
)
from moderation.services import followers, labels, privacy, processes, signing_in, views

COPIES_KEPT = timedelta(days=14)
IDEMPOTENCY_KEPT = timedelta(days=3)
ATTEMPTS_KEPT = timedelta(days=30)
MESSAGES_KEPT = timedelta(days=30)
FAILURES_KEPT = timedelta(days=2)
CHUNK = 2000
"""Rows deleted in one transaction, so that no writer waits long for the housekeeping."""


def tidy(session: Session, *, now: datetime) -> bool:
    """Delete one chunk of what has had its time, and replace the address key when it is due; true while there is more."""
    privacy.rotate_address_keys(session, now=now)
    processes.forget(session, now=now)
    return max([_deleted(session, *old) for old in _expired(now)]) >= CHUNK


def _expired(now: datetime) -> Iterator[tuple[type[Any], ColumnElement[bool]]]:
    yield NearCopy, NearCopy.created_at < now - COPIES_KEPT
    yield Idempotency, Idempotency.created_at < now - IDEMPOTENCY_KEPT
    yield Attempt, Attempt.created_at < now - ATTEMPTS_KEPT
    yield Message, Message.finished_at < now - MESSAGES_KEPT
    # An address that nobody confirmed is not kept: it may be a stranger's.
    unwanted = or_(Follower.stopped_at.is_(None), Follower.stopped_at < now - followers.LEFT_ALONE)
    given_up = and_(Follower.confirmed_at.is_(None), unwanted, Follower.created_at < now - followers.UNCONFIRMED_KEPT)
    asking = Following.follower_id.in_(select(Follower.id).where(given_up))
    yield Following, and_(asking, Following.created_at < now - followers.UNCONFIRMED_KEPT)
    yield Follower, and_(given_up, ~exists().where(Following.follower_id == Follower.id))
    yield SignInLink, SignInLink.created_at < now - signing_in.LINK
    yield Label, Label.created_at < now - labels.KEPT
    yield ConsoleSession, ConsoleSession.seen_at < now - signing_in.IDLE
    yield PostViews, PostViews.hour < now - views.KEPT
    yield FailedSignIn, FailedSignIn.last_at < now - FAILURES_KEPT


def _deleted(session: Session, model: type[Any], expired: ColumnElement[bool]) -> int:
    columns = list(model.__table__.primary_key.columns)
    rows = session.execute(select(*columns).where(expired).limit(CHUNK)).all()
    if rows:
        session.execute(
            delete(model).where(tuple_(*columns).in_([tuple(row) for row in rows])).execution_options(synchronize_session=False)
        )
    return len(rows)
