"""Writing to the audit log; ``services.sealing`` gives the rows their place in the chain."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.database import store
from moderation.ids import new_id
from moderation.models import Audit


def record(
    session: Session, *, site_id: UUID | None, actor: str, action: str, subject: str, now: datetime, **detail: Any
) -> None:
    """Note who did what to which thing; ``detail`` holds ids, numbers and fixed words, never anybody's text."""
    store(
        session, Audit(id=new_id(), created_at=now, site_id=site_id, actor=actor, action=action, subject=subject, detail=detail)
    )
