"""Choosing the models of a site: a new version of its settings, which can be activated back like any other.

A site without a choice follows the installation's (`moderation.scoring.catalog`). Whether the model is there is not asked here:
the database does not know what lies on which machine, and a model that is missing sends the comment to a human.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.errors import Refused
from moderation.models import Subject, Version
from moderation.scoring.choice import SETTING, Chosen, SiteModels
from moderation.services import policies

NAME = "settings"
"""Under which a site's settings are versioned."""


def models(session: Session, site_id: UUID) -> SiteModels:
    """Return what a site chose; raises NotFound for a site without a policy."""
    return policies.in_force(session, site_id).models


def use(session: Session, site_id: UUID, chosen: Chosen | None, *, by: str, now: datetime) -> Version:
    """Let a model decide at a site, in the version that ``chosen`` names if it names one; None follows the installation again."""
    return _store(session, site_id, replace(models(session, site_id), live=chosen), by=by, now=now)


def pin(session: Session, site_id: UUID, version: str, *, installed: Chosen, by: str, now: datetime) -> Version:
    """Make a site insist on a version of its toxicity model.

    ``installed`` is that model in the version that is there. A site that follows the installation chooses its model by this.
    Raises Refused for a version that is not installed.
    """
    if version != installed.version:
        raise Refused("model-not-installed", f"{version} is not installed; {installed.version} is.", "/models/live/version")
    return use(session, site_id, installed, by=by, now=now)


def unpin(session: Session, site_id: UUID, *, by: str, now: datetime) -> Version:
    """Let a site take its model in whatever version is installed."""
    live = models(session, site_id).live
    return use(session, site_id, replace(live, version=None) if live is not None else None, by=by, now=now)


def run_beside(session: Session, site_id: UUID, chosen: Chosen | None, *, by: str, now: datetime) -> Version:
    """Let a second model score a site's comments without deciding anything; None ends that."""
    return _store(session, site_id, replace(models(session, site_id), beside=chosen), by=by, now=now)


def change_settings(session: Session, site_id: UUID, changes: dict[str, Any], *, by: str, now: datetime) -> Version:
    """Put a new version of a site's settings into force with these keys replaced; None takes a key away. Raises Refused."""
    before = policies.in_force(session, site_id).settings
    content = {key: value for key, value in {**before, **changes}.items() if value is not None}
    version = policies.add_version(session, site_id, Subject.SETTINGS, NAME, content, by=by, now=now)
    policies.activate(session, version, by=by, now=now)
    return version


def _store(session: Session, site_id: UUID, models: SiteModels, *, by: str, now: datetime) -> Version:
    return change_settings(session, site_id, {SETTING: models.as_json() or None}, by=by, now=now)
