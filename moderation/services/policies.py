"""Policies and word lists of a site: immutable versions, activated, rolled back, for the site or for one post."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from moderation.errors import NotFound, Refused
from moderation.ids import new_id, show
from moderation.models import Activation, Subject, Version
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.scoring.choice import SETTING, BadChoice, SiteModels
from moderation.services import audit
from moderation.services.layers import Layers

LAYERS: Final = frozenset({Subject.SPAM_LAYER, Subject.TOXICITY_LAYER})
"""What a site learnt by itself."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What decides about a comment: the policy, the lists, and the ids of all that is used whatever the comment.

    Whether a layer took part is known only once the comment is scored (`Layers.apply`).
    """

    policy: Policy
    policy_label: str
    policy_version_id: UUID
    shadow: tuple[Policy, str, UUID] | None
    banned: dict[str, Any]
    suspect: dict[str, Any]
    settings: dict[str, Any]
    models: SiteModels
    layers: Layers
    versions: dict[str, str]


def install(session: Session, site_id: UUID, *, active: str, by: str, now: datetime) -> None:
    """Store the shipped policies as versions 1 of a new site and activate one of them."""
    for name, source in SHIPPED.items():
        version = add_version(session, site_id, Subject.POLICY, name, {"toml": source}, by=by, now=now)
        if name == active:
            activate(session, version, by=by, now=now)


def add_version(
    session: Session, site_id: UUID, subject: Subject, name: str, content: dict[str, Any], *, by: str, now: datetime
) -> Version:
    """Store a new immutable version; the same content as the newest one gives that one back.

    A policy is parsed first: raises PolicyError where it does not hold together, and Refused for settings that name no model.
    """
    if subject is Subject.POLICY:
        # A shipped policy extends another; what is stored stands alone, so that an upgrade cannot change it.
        content = {"toml": Policy.parse(content["toml"]).text}
    if subject is Subject.SETTINGS:
        try:
            SiteModels.of(content)
        except BadChoice as error:
            raise Refused("models", f"{error}.", f"/{SETTING}") from error
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    newest = session.scalars(
        select(Version)
        .where(Version.site_id == site_id, Version.subject == subject, Version.name == name)
        .order_by(Version.number.desc())
        .limit(1)
    ).first()
    if newest is not None and newest.digest == digest:
        return newest
    version = Version(
        id=new_id(),
        site_id=site_id,
        created_at=now,
        subject=subject,
        name=name,
        number=newest.number + 1 if newest else 1,
        digest=digest,
        content=content,
        created_by=by,
    )
    session.add(version)
    session.flush()
    return version


def activate(session: Session, version: Version, *, by: str, now: datetime, post_id: UUID | None = None) -> None:
    """Put a version into force, for the whole site or for one post; a roll-back is the activation of an older one."""
    session.add(
        Activation(
            id=new_id(),
            site_id=version.site_id,
            created_at=now,
            subject=version.subject,
            version_id=version.id,
            activated_by=by,
            post_id=post_id,
        )
    )
    audit.record(
        session,
        site_id=version.site_id,
        actor=by,
        action=f"{version.subject}.activated",
        subject=label(version),
        now=now,
        version=version.id.hex,
        post=show("post", post_id) if post_id else None,
    )
    session.flush()


def deactivate(session: Session, site_id: UUID, subject: Subject, *, by: str, now: datetime, post_id: UUID | None = None) -> None:
    """Give a post back to what is in force for its site; without a post, let nothing of the subject be in force."""
    session.add(
        Activation(
            id=new_id(),
            site_id=site_id,
            created_at=now,
            subject=subject,
            version_id=None,
            activated_by=by,
            post_id=post_id,
        )
    )
    session.flush()


def find_version(session: Session, site_id: UUID, subject: Subject, name: str, number: int | None = None) -> Version:
    """Return a version by name, the newest where no number is given; raises NotFound."""
    found = session.scalars(
        select(Version)
        .where(
            Version.site_id == site_id,
            Version.subject == subject,
            Version.name == name,
            Version.number == number if number is not None else Version.number > 0,
        )
        .order_by(Version.number.desc())
        .limit(1)
    ).first()
    if found is None:
        raise NotFound(str(subject), name if number is None else f"{name}@{number}")
    return found


def label(version: Version) -> str:
    """Return how a version is named everywhere, such as ``standard@3``."""
    return f"{version.name}@{version.number}"


def by_label(session: Session, site_id: UUID, label: str) -> Policy:
    """Return the policy that a decision names, such as ``standard@3``; raises NotFound."""
    name, _, number = label.rpartition("@")
    return parsed(find_version(session, site_id, Subject.POLICY, name, int(number)).content["toml"])


@lru_cache(maxsize=128)
def parsed(toml: str) -> Policy:
    """Return a stored policy, compiled once a process: versions never change."""
    return Policy.parse(toml)


# Asked for every comment, so made once.
_RANKED = (
    select(
        Activation.id,
        func.row_number().over(partition_by=(Activation.subject, Activation.post_id), order_by=Activation.id.desc()).label("age"),
    )
    .where(
        Activation.site_id == bindparam("site"),
        or_(Activation.post_id.is_(None), Activation.post_id.in_(bindparam("posts", expanding=True))),
    )
    .subquery()
)
_IN_FORCE = (
    select(Activation.subject, Activation.post_id, Activation.version_id)
    .join(_RANKED, _RANKED.c.id == Activation.id)
    .where(_RANKED.c.age == 1)
)
_NEWEST = (
    select(Version.id)
    .where(Version.site_id == bindparam("site"), Version.subject == Subject.POLICY, Version.name == bindparam("name"))
    .order_by(Version.number.desc())
    .limit(1)
)


_SETTINGS = (
    select(Activation.version_id)
    .where(Activation.site_id == bindparam("site"), Activation.subject == Subject.SETTINGS, Activation.post_id.is_(None))
    .order_by(Activation.id.desc())
    .limit(1)
)


def settings(session: Session, site_id: UUID) -> dict[str, Any]:
    """Return the settings in force at a site, for whoever needs nothing else of what is in force."""
    version_id = session.scalar(_SETTINGS, {"site": site_id})
    return _used(session, version_id).content if version_id is not None else {}


def in_force(session: Session, site_id: UUID, post_id: UUID | None = None) -> InForce:
    """Return what decides about comments of a site (or under one of its posts) now; raises NotFound without a policy."""
    return in_force_under(session, site_id, [post_id] if post_id else [])[post_id]


def in_force_under(session: Session, site_id: UUID, post_ids: Collection[UUID]) -> dict[UUID | None, InForce]:
    """Return for the site (None) and each of the posts what ``in_force`` does, asked for once; posts without rules share one."""
    posts: list[UUID | None] = [*post_ids]
    # No post is NULL, which equals none.
    rows = session.execute(_IN_FORCE, {"site": site_id, "posts": posts or [None]}).all()
    of_site: dict[Subject, UUID | None] = {}
    own: dict[UUID, dict[Subject, UUID]] = {}
    for subject, post_id, version_id in rows:
        if post_id is None:
            of_site[subject] = version_id
        elif version_id is not None:
            own.setdefault(post_id, {})[subject] = version_id
    found: dict[UUID | None, InForce] = {}
    for post_id, versions in own.items():
        found[post_id] = _in_force(session, site_id, of_site | versions)
    if not post_ids or len(own) < len(set(post_ids)):
        shared = _in_force(session, site_id, of_site)
        found = dict.fromkeys([None, *post_ids], shared) | found
    return found


def _in_force(session: Session, site_id: UUID, versions: Mapping[Subject, UUID | None]) -> InForce:
    chosen = {subject: _used(session, version_id) for subject, version_id in versions.items() if version_id is not None}
    live = chosen.get(Subject.POLICY)
    if live is None:
        raise NotFound("policy in force for site", show("site", site_id))
    policy = parsed(live.content["toml"])
    shadow = None
    if policy.shadow is not None:
        newest = session.scalar(_NEWEST, {"site": site_id, "name": policy.shadow})
        if newest is None:
            raise NotFound("policy", policy.shadow)
        other = _used(session, newest)
        shadow = (parsed(other.content["toml"]), other.label, other.id)
    settings = chosen[Subject.SETTINGS].content if Subject.SETTINGS in chosen else {}
    return InForce(
        policy=policy,
        policy_label=live.label,
        policy_version_id=live.id,
        shadow=shadow,
        banned=chosen[Subject.BANNED_WORDS].content if Subject.BANNED_WORDS in chosen else {},
        suspect=chosen[Subject.SUSPECT_WORDS].content if Subject.SUSPECT_WORDS in chosen else {},
        settings=settings,
        models=SiteModels.of(settings),
        layers=Layers.of({subject: (used.label, used.content) for subject, used in chosen.items() if subject in LAYERS}),
        versions={str(subject): used.label for subject, used in chosen.items() if subject not in LAYERS},
    )


@dataclass(frozen=True, slots=True)
class Used:
    """A version as it is kept in memory: immutable, as what it was read from never changes."""

    id: UUID
    label: str
    content: dict[str, Any]


_USED: dict[UUID, Used] = {}
MOST_USED = 512
"""Versions kept in memory; a process that serves more sites than that begins anew."""


def _used(session: Session, version_id: UUID) -> Used:
    found = _USED.get(version_id)
    if found is None:
        version = session.get_one(Version, version_id)
        found = Used(version.id, label(version), version.content)
        if len(_USED) >= MOST_USED:
            _USED.clear()
        _USED[version_id] = found
    return found
