"""Sites, the people who look after them, their keys, and the versions of what they have decided."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moderation.models.base import Base, Identified, OfSite, table
from moderation.models.types import Word


class Role(StrEnum):
    """What a person may do in a site, from most to least; editors lead the moderators."""

    ADMIN = "admin"
    EDITOR = "editor"
    MODERATOR = "moderator"
    AUDITOR = "auditor"


class KeyKind(StrEnum):
    """Who holds an API key.

    ``secret``: the blog's server. ``publishable``: every reader's browser. ``door``: a client of another protocol,
    for that door alone. ``personal``: a member of the site, with the rights of the membership.
    """

    SECRET = "secret"  # noqa: S105 (a kind of key, not a password)
    PUBLISHABLE = "publishable"
    DOOR = "door"
    PERSONAL = "personal"


class Subject(StrEnum):
    """What a site keeps in immutable versions."""

    POLICY = "policy"
    BANNED_WORDS = "banned_words"
    SUSPECT_WORDS = "suspect_words"
    SETTINGS = "settings"
    SPAM_LAYER = "spam_layer"
    TOXICITY_LAYER = "toxicity_layer"


class Site(Identified, Base):
    """A blog or news site that sends its comments."""

    __tablename__ = "site"
    __table_args__ = table()

    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    language: Mapped[str] = mapped_column(default="en")
    time_zone: Mapped[str] = mapped_column(default="UTC")
    origins: Mapped[list[str]] = mapped_column(default=list)


class User(Identified, Base):
    """A person who signs in; what they may do is said by their memberships."""

    __tablename__ = "user"
    __table_args__ = table()

    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    code_salt: Mapped[bytes | None]
    """What the secret of the person's one-time codes is derived from; null without a second factor."""
    code_used: Mapped[int | None]
    """The time step of the newest code that was taken: none is taken twice."""


class Membership(OfSite, Base):
    """A person's role in a site."""

    __tablename__ = "membership"
    __table_args__ = table()

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(Word(Role))
    created_at: Mapped[datetime]


class Key(Identified, OfSite, Base):
    """An API key: a public handle to look it up by, and the SHA-256 of its secret part, never the secret."""

    __tablename__ = "key"
    __table_args__ = table(Index(None, "site_id", "created_at"))

    kind: Mapped[KeyKind] = mapped_column(Word(KeyKind))
    handle: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes]
    name: Mapped[str]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id"))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Version(Identified, OfSite, Base):
    """One immutable version of a policy, a word list, the settings or a layer of a site.

    Of a layer that another one followed the weights are forgotten, as what they were learnt from may be.
    """

    __tablename__ = "version"
    __table_args__ = table(UniqueConstraint("site_id", "subject", "name", "number"))

    subject: Mapped[Subject] = mapped_column(Word(Subject))
    name: Mapped[str]
    number: Mapped[int]
    digest: Mapped[str]
    content: Mapped[dict[str, Any]]
    created_by: Mapped[str]


class Activation(Identified, OfSite, Base):
    """The fact that a version came into force; the newest row of a subject is the one in force.

    A row with a post holds for that post alone and goes before the site's; without a version it gives the
    post back to the site's, or takes the site's layer out of use.
    """

    __tablename__ = "activation"
    __table_args__ = table(Index(None, "site_id", "subject", "post_id", "id"))

    subject: Mapped[Subject] = mapped_column(Word(Subject))
    version_id: Mapped[UUID | None] = mapped_column(ForeignKey("version.id"))
    post_id: Mapped[UUID | None] = mapped_column(ForeignKey("post.id"))
    activated_by: Mapped[str]


class HashingKey(Identified, Base):
    """A random part of the key under which addresses and e-mails are hashed; deleting it makes the hashes nobody's."""

    __tablename__ = "hashing_key"
    __table_args__ = table()

    purpose: Mapped[str]
    salt: Mapped[bytes]
    retired_at: Mapped[datetime | None]
