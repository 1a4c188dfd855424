"""The stretch of a queue that a moderator has before them: the card that lies open, and what stands around it in the list.

Whoever passes a case over keeps their place: the next card is the one behind, and what was passed over comes again once the end
was reached. Whoever works from the top always gets the most urgent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from moderation.models import Case
from moderation.services import review
from moderation.services.review import CaseView

SHOWN = 25
"""Cases in the list."""
BEFORE = 8
"""Those of them that stand before the open one, where that is not among the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The cases listed; ``chosen`` lies open, and is not among them where it does not wait in this queue."""

    items: list[CaseView]
    chosen: UUID | None
    passed: bool
    """A case that no colleague is at comes before the open one."""
    earlier: UUID | None
    """The case just before the first one listed, None where there is none."""
    later: UUID | None
    """The case just after the last one listed."""
    waiting: int
    """All cases of the queue."""

    @property
    def neighbours(self) -> tuple[UUID | None, UUID | None]:
        """The cases before and behind the open one; the first one listed where that does not wait here."""
        line = [self.earlier, *(item.id for item in self.items), self.later]
        if self.chosen not in line:
            return None, line[1]
        at = line.index(self.chosen)
        return line[at - 1], line[at + 1]


def window(
    session: Session,
    site_id: UUID,
    *,
    case_id: UUID | None,
    past: UUID | None,
    user_id: UUID | None,
    question: dict[str, Any],
    now: datetime,
) -> Window:
    """Return what stands around a case: ``case_id``, else the first behind ``past`` that no colleague is at, else the first.

    ``question`` is which queue (see ``review.queue``).
    """
    top = review.queue(session, site_id, now=now, limit=SHOWN + 1, **question)
    first = _free(top.items, user_id)
    chosen = case_id
    if chosen is None and (left := _place(session, site_id, past)) is not None:
        chosen = _free(review.queue(session, site_id, now=now, after=left, limit=SHOWN, **question).items, user_id)
    if chosen is None:
        chosen = first or (top.items[0].id if top.items else None)
    items, earlier = top.items, None
    if chosen not in {item.id for item in top.items[:SHOWN]} and (place := _place(session, site_id, chosen)) is not None:
        priority, number = place
        # With the next id in place of its own, the case itself is the first of what follows.
        here = (priority, UUID(int=number.int + 1))
        following = review.queue(session, site_id, now=now, after=here, limit=SHOWN - BEFORE + 1, **question).items
        if following and following[0].id == chosen:
            before = review.queue(session, site_id, now=now, before=place, limit=BEFORE + 1, **question).items
            earlier = before[0].id if len(before) > BEFORE else None
            items = [*before[-BEFORE:], *following]
    shown = items[:SHOWN]
    return Window(
        items=shown,
        chosen=chosen,
        passed=first is not None and chosen != first,
        earlier=earlier,
        later=items[SHOWN].id if len(items) > SHOWN else None,
        waiting=top.waiting,
    )


def _free(items: list[CaseView], user_id: UUID | None) -> UUID | None:
    """Return the first case that no colleague is at."""
    return next((item.id for item in items if item.claimed_by in {None, user_id}), None)


def _place(session: Session, site_id: UUID, case_id: UUID | None) -> tuple[float, UUID] | None:
    """Return where a case stands, or stood, in its queue."""
    if case_id is None:
        return None
    row = session.execute(select(Case.priority, Case.id).where(Case.site_id == site_id, Case.id == case_id)).first()
    return None if row is None else (row.priority, row.id)
