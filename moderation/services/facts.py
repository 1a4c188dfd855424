"""Gathering what the signals need to know about a comment, in one read: its author's record, its post, others like it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import orjson
from sqlalchemy import Executable, Table, and_, bindparam, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation import signals
from moderation.database import insert_rows
from moderation.models import (
    Author,
    Comment,
    Decision,
    IdentityKind,
    LinkDomain,
    Membership,
    NearCopy,
    Post,
    Report,
    Revision,
    Site,
    Status,
    User,
    columns,
)
from moderation.policy.shipped import SPAM
from moderation.scoring.choice import LANGUAGES
from moderation.services import openness, privacy
from moderation.services.authors import AuthorClaim, find_author, identity
from moderation.services.policies import InForce
from moderation.signals import author as author_signals
from moderation.signals import duplicates, links
from moderation.signals.words import Word, WordList
from moderation.text import normalise

RECORD = 500
"""Comments of an author that count for the record, newest first: enough for trust, and never a scan of a flood."""
RECENT = timedelta(minutes=5)
COPIES_WITHIN = timedelta(days=1)
MOST_COPIES = 200
"""Near copies looked at; far fewer already make a wave."""
SERVED = ("en",)
"""Languages that the bundled models can judge."""

_SystemRandom = random.SystemRandom()


NOBODY = UUID(int=0)
"""An id that no row has."""

# Asked for every comment, so made once: building a statement takes longer than asking it.
_REPORT, _COMMENT, _COPY = columns(Report), columns(Comment), columns(NearCopy)
_AUTHOR, _USER, _MEMBER = columns(Author), columns(User), columns(Membership)
_REPORTS = select(func.count()).where(_REPORT.site_id == _COMMENT.site_id, _REPORT.comment_id == _COMMENT.id)
_AROUND = (
    select(_COMMENT.id, Site, Post, Author, Revision, _REPORTS.correlate(Comment.__table__).scalar_subquery())
    .select_from(Comment.__table__)
    .join(Site, Site.id == _COMMENT.site_id)
    .join(Post, Post.id == _COMMENT.post_id)
    .join(Author, Author.id == _COMMENT.author_id)
    .join(Revision, and_(Revision.comment_id == _COMMENT.id, Revision.number == _COMMENT.current_revision))
    .where(_COMMENT.id.in_(bindparam("comments", expanding=True)))
)
_RECORD = (
    select(_COMMENT.status, _COMMENT.created_at)
    .where(_COMMENT.site_id == bindparam("site"), _COMMENT.author_id == bindparam("author"), _COMMENT.id != bindparam("without"))
    .order_by(_COMMENT.created_at.desc())
    .limit(RECORD)
)
_NEAR_COPIES = (
    select(_COPY.comment_id, _COPY.author_id, _COPY.band)
    .where(
        _COPY.site_id == bindparam("site"),
        tuple_(_COPY.band, _COPY.value).in_(bindparam("bands", expanding=True)),
        _COPY.created_at > bindparam("since"),
        _COPY.author_id != bindparam("author"),
        _COPY.comment_id != bindparam("comment"),
    )
    .limit(MOST_COPIES * (duplicates.BANDS + 1))
)
_VERIFIED = (
    select(_AUTHOR.id)
    .where(
        _AUTHOR.site_id == bindparam("site"),
        _AUTHOR.name_key == bindparam("key"),
        _AUTHOR.identity_kind == IdentityKind.VERIFIED,
    )
    .limit(1)
)
_STAFF = (
    select(_MEMBER.site_id, _USER.name)
    .join(Membership.__table__, _MEMBER.user_id == _USER.id)
    .where(_MEMBER.site_id.in_(bindparam("sites", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A stored revision and the facts around it; ``bands`` (number, hash) is empty for a text whose copies mean nothing."""

    revision: signals.Revision
    facts: signals.Facts
    revision_id: UUID
    comment: Comment
    bands: tuple[tuple[int, int], ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a stored comment: its site, post, author and current revision, and how often it was reported.

    ``staff`` are the keys of the names of those who work for the site.
    """

    site: Site
    post: Post
    author: Author
    revision: Revision
    reports: int
    staff: frozenset[str]


def around(session: Session, comment_ids: Sequence[UUID]) -> dict[UUID, Around]:
    """Return what stands around each of the comments."""
    rows = session.execute(_AROUND, {"comments": list(comment_ids)}).all()
    staff: dict[UUID, set[str]] = {site_id: set() for site_id in {row[1].id for row in rows}}
    for site_id, name in session.execute(_STAFF, {"sites": list(staff)}):
        staff[site_id].add(author_signals.name_key(name))
    found = {}
    for comment_id, site, post, author, revision, reports in rows:
        theirs = frozenset(staff[site.id])
        found[comment_id] = Around(site=site, post=post, author=author, revision=revision, reports=reports, staff=theirs)
    return found


def gather(
    session: Session,
    comment: Comment,
    in_force: InForce,
    *,
    secret: bytes,
    now: datetime,
    known: Around | None = None,
    unsaved: Sequence["Gathered"] = (),
) -> Gathered:
    """Read everything that the signals of the comment's current revision need; stores nothing.

    ``unsaved`` comments count as copies like stored ones: those that are judged with this one, and may not be stored yet.
    """
    found = known or around(session, [comment.id])[comment.id]
    site, post, author, stored = found.site, found.post, found.author, found.revision
    view = normalise(stored.body)
    key = privacy.keyed_hash(secret, b"copies", comment.site_id.bytes)
    bands = _bands(duplicates.fingerprint_of(view, key=key)) if duplicates.counts_as_copy(view) else ()
    name = str(stored.context.get("author_name") or author.name) or None
    hosts = tuple(dict.fromkeys(links.hosts(stored.body)))
    site_hosts = hosts_of_site(site, post.url)
    revision = signals.Revision(
        body=stored.body,
        number=stored.number,
        language=stored.language,
        author_name=name,
        author_url=stored.context.get("author_url"),
        honeypot=stored.context.get("honeypot"),
        seconds_to_submit=stored.context.get("seconds_to_submit"),
    )
    facts = signals.Facts(
        author=_record(session, author, at=comment.created_at, without=comment.id),
        post=signals.PostFacts(
            setting=post.openness_at(comment.created_at, openness.closes_after(in_force.settings)).value,
            texts=sources(session, comment, post),
        ),
        history=signals.HistoryFacts(
            near_copies_by_others=_near_copies(session, comment, bands, unsaved, now=now) if bands else 0,
            reports=found.reports,
            human_rejected_before=comment.human_rejected,
        ),
        site_hosts=site_hosts,
        rejected_hosts=_rejected_hosts(session, comment, [host for host in hosts if host not in site_hosts]),
        reserved_names=_reserved(session, author, name, found.staff),
        audit_draw=_SystemRandom.random(),
        **site_facts(site, in_force),
    )
    return Gathered(revision=revision, facts=facts, revision_id=stored.id, comment=comment, bands=bands, hosts=hosts)


def sources(session: Session, comment: Comment, post: Post) -> list[str]:
    """Return the texts that a comment may quote: its post's title and excerpt, and what is public of the comment it answers."""
    return [text for text in (post.title, post.excerpt, visible_text(session, comment.parent_id)) if text]


def site_facts(site: Site, in_force: InForce) -> dict[str, Any]:
    """Return the facts that hold for every comment of a site: language, region and word lists."""
    return {
        "site_language": site.language,
        "languages_served": languages_served(in_force),
        "region": in_force.settings.get("region"),
        "banned": _word_list(in_force.banned),
        "suspect": _word_list(in_force.suspect),
    }


def languages_served(in_force: InForce) -> tuple[str, ...]:
    """Return the languages that a site's model reads: what its settings say, otherwise what the model was trained on."""
    model = in_force.models.live
    trained_on = LANGUAGES.get(model.name, SERVED) if model is not None else SERVED
    return tuple(in_force.settings.get("languages_served") or trained_on)


def hosts_of_site(site: Site, *addresses: str) -> frozenset[str]:
    """Return the hosts under which a site is known: its origins, and the addresses of its pages."""
    return frozenset(host for address in (*site.origins, *addresses) if (host := urlsplit(address).hostname))


def remember(session: Session, comment: Comment, gathered: Gathered, *, now: datetime) -> None:
    """Store what later comments are compared with: the bands of the text and the domains that it links to."""
    copies = [
        {
            "site_id": comment.site_id,
            "band": band,
            "value": value,
            "comment_id": comment.id,
            "author_id": comment.author_id,
            "created_at": now,
        }
        for band, value in gathered.bands
    ]
    domains = [
        {"site_id": comment.site_id, "domain": host, "comment_id": comment.id} for host in gathered.hosts[: links.MAX_LINKS]
    ]
    dialect = session.get_bind().dialect.name
    # A revision may share bands and links with the one before it.
    if copies:
        insert_rows(session, NearCopy, _insert(NearCopy, dialect), copies)
    if domains:
        insert_rows(session, LinkDomain, _insert(LinkDomain, dialect), domains)


@cache
def _insert(model: type[NearCopy | LinkDomain], dialect: str) -> Executable:
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    return insert(cast("Table", model.__table__)).on_conflict_do_nothing()


def _bands(fingerprint: duplicates.Fingerprint) -> tuple[tuple[int, int], ...]:
    return ((0, fingerprint.exact), *enumerate(fingerprint.bands, start=1))


def visible_text(session: Session, comment_id: UUID | None) -> str | None:
    """Return what the public reads of a comment, None for nothing."""
    if comment_id is None:
        return None
    return session.scalar(
        select(Revision.body)
        .join(Comment, and_(Comment.id == Revision.comment_id, Comment.visible_revision == Revision.number))
        .where(Comment.id == comment_id)
    )


def claimed_record(
    session: Session, site_id: UUID, claim: AuthorClaim, *, vouched: bool, secret: bytes, now: datetime
) -> signals.AuthorFacts:
    """Return the record of an author whose comment is not stored; somebody unknown has an empty one."""
    keys = privacy.address_keys(session, secret)
    hashes = privacy.address_hashes(keys, site_id, claim.address) if claim.address else ()
    kind, names = identity(site_id, claim, vouched=vouched, secret=secret, hashes=hashes)
    author = find_author(session, site_id, kind, names) if names else None
    if author is None:
        return signals.AuthorFacts(identity=kind.value)
    return _record(session, author, at=now, without=None)


def _record(session: Session, author: Author, *, at: datetime, without: UUID | None) -> signals.AuthorFacts:
    asked = {"site": author.site_id, "author": author.id, "without": without or NOBODY}
    rows = session.execute(_RECORD, asked).all()
    return signals.AuthorFacts(
        identity=author.identity_kind.value,
        approved=sum(status is Status.APPROVED for status, _ in rows),
        rejected=sum(status is Status.REJECTED for status, _ in rows),
        recent=1 + sum(at - RECENT < created_at <= at for _, created_at in rows),
    )


def _near_copies(
    session: Session, comment: Comment, bands: Sequence[tuple[int, int]], unsaved: Sequence[Gathered], *, now: datetime
) -> int:
    """Count the other authors of near copies within a day (see ``duplicates.is_near``)."""
    asked = {
        "site": comment.site_id,
        "bands": bands,
        "since": now - COPIES_WITHIN,
        "author": comment.author_id,
        "comment": comment.id,
    }
    rows = [*session.execute(_NEAR_COPIES, asked), *_copies_among(unsaved, comment, bands)]
    # Sets, because one that is just being stored may be found in both.
    shared: dict[UUID, set[int]] = {}
    author_of: dict[UUID, UUID] = {}
    for comment_id, author_id, band in rows:
        shared.setdefault(comment_id, set()).add(band)
        author_of[comment_id] = author_id
    near = (found for found, bands in shared.items() if 0 in bands or len(bands) >= duplicates.NEAR_BANDS)
    return len({author_of[found] for found in near})


def _copies_among(
    unsaved: Sequence[Gathered], comment: Comment, bands: Sequence[tuple[int, int]]
) -> Iterator[tuple[UUID, UUID, int]]:
    """Yield of comments that are not stored yet what ``_NEAR_COPIES`` finds of stored ones."""
    wanted = frozenset(bands)
    for other in unsaved:
        if other.comment.site_id == comment.site_id and other.comment.author_id != comment.author_id:
            for band, _ in wanted.intersection(other.bands):
                yield other.comment.id, other.comment.author_id, band


def _rejected_hosts(session: Session, comment: Comment, hosts: Sequence[str]) -> frozenset[str]:
    """Return those of the hosts that a comment rejected as spam has linked to."""
    rejected = set()
    for host in hosts[: links.MAX_LINKS]:
        decided = session.execute(
            select(Decision.reason, Decision.reasons)
            .join(Comment, and_(Comment.id == Decision.comment_id, Comment.decision_seq == Decision.seq))
            .join(LinkDomain, LinkDomain.comment_id == Comment.id)
            .where(
                LinkDomain.site_id == comment.site_id,
                LinkDomain.domain == host,
                LinkDomain.comment_id != comment.id,
                Comment.status == Status.REJECTED,
            )
            .limit(20)
        )
        # Only a rejection as spam says something about the domains that a text links to.
        if any(reason == SPAM or any(why.get("reason") == SPAM for why in reasons) for reason, reasons in decided):
            rejected.add(host)
    return frozenset(rejected)


def _reserved(session: Session, author: Author, name: str | None, staff: frozenset[str]) -> frozenset[str]:
    """Return the key of the name if it is that of the staff or of a signed-in reader; who signed in has no need to borrow one."""
    key = author_signals.name_key(name) if name and author.identity_kind is not IdentityKind.VERIFIED else ""
    if not key:
        return frozenset()
    taken = key in staff or session.scalar(_VERIFIED, {"site": author.site_id, "key": key}) is not None
    return frozenset({key}) if taken else frozenset()


def _word_list(content: dict[str, Any]) -> WordList:
    return _compiled(orjson.dumps(content.get("words", []), option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _compiled(words: bytes) -> WordList:
    return WordList.compile(
        Word(text=entry["text"], reason=entry["reason"], pattern=entry.get("pattern", False)) for entry in orjson.loads(words)
    )
