"""Pinning a site to a version of the models: the same text gets the same scores for as long as that version is installed.

A pin is part of the site's settings, so it has versions and an entry in the audit log like a policy. When another version is
installed, a pinned site has no scores at all: its comments go to a human, and never silently to another model.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from moderation.errors import Refused
from moderation.models import Subject, Version
from moderation.services import policies

if TYPE_CHECKING:
    from moderation.services.assessment import Scored, Scoring

log = structlog.get_logger(__name__)

SETTING: Final = "model"
NAME: Final = "settings"


def pinned(settings: dict[str, Any]) -> str | None:
    """Return the version of the models that the site's settings insist on, None where any will do."""
    found: str | None = settings.get(SETTING)
    return found


def pin(session: Session, site_id: UUID, version: str | None, *, installed: str, by: str, now: datetime) -> Version:
    """Make the site insist on a version of the models, or with None on none; raises Refused for one that is not installed."""
    if version is not None and version != installed:
        raise Refused("model-not-installed", f"{version} is not installed; {installed} is.", "/model")
    settings = policies.in_force(session, site_id).settings
    wanted = {name: value for name, value in settings.items() if name != SETTING}
    if version is not None:
        wanted[SETTING] = version
    made = policies.add_version(session, site_id, Subject.SETTINGS, NAME, wanted, by=by, now=now)
    policies.activate(session, made, by=by, now=now)
    return made


def only(score: "Scoring", settings: dict[str, Any]) -> "Scoring":
    """Return ``score``, or where the settings pin a version what drops the scores of every other one and says so in the log."""
    wanted = pinned(settings)
    if wanted is None:
        return score

    def scoring(text: str) -> "Scored":
        return kept(score(text), wanted)

    return scoring


def kept(scored: "Scored", wanted: str | None) -> "Scored":
    """Return the scores if they are of the version ``wanted``, otherwise without any value."""
    if wanted is None or scored.model_version == wanted:
        return scored
    log.error("pinned_model_not_installed", pinned=wanted, installed=scored.model_version)
    return replace(scored, values=None, spam=None)
