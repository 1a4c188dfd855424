"""Posts: finding the one thread of a page however its address is written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from sqlalchemy import bindparam, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.models import Openness, Post

TRACKING = ("utm_", "mc_", "pk_", "_hs")
TRACKING_NAMES = frozenset({"fbclid", "gclid", "dclid", "msclkid", "igshid", "yclid", "ref", "amp", "outputtype"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PostReference:
    """The page that a comment stands under, as the blog names it; ``vouched`` says that it was the blog who named it.

    A reader's browser may name a page that is new, and changes nothing about one that is known: whoever could rewrite the
    excerpt would decide what counts as quoted from it. Nor does it say when a page came out: that may close the page.
    """

    id: str | None = None
    url: str
    title: str = ""
    excerpt: str = ""
    author_names: tuple[str, ...] = ()
    published_at: datetime | None = None
    vouched: bool = True


def canonical_key(url: str) -> str:
    """Return the part of an address that names the page.

    Scheme, ``www.``, default port, fragment, tracking parameters, the AMP forms of an address, letter case of
    the host and a final slash do not make another page; the order of the other parameters does not either.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.").removeprefix("amp.")
    port = f":{parts.port}" if parts.port not in {None, 80, 443} else ""
    path = parts.path.rstrip("/")
    for mark in ("/amp", ".amp"):
        path = path.removesuffix(mark).rstrip("/")
    path = (
        path.removesuffix("/index.html").removeprefix("/amp/") if path.startswith("/amp/") else path.removesuffix("/index.html")
    )
    if path and not path.startswith("/"):
        path = f"/{path}"
    query = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not name.lower().startswith(TRACKING) and name.lower() not in TRACKING_NAMES
    )
    return f"{host}{port}{path}" + (f"?{urlencode(query)}" if query else "")


def resolve(session: Session, site_id: UUID, reference: PostReference, *, now: datetime) -> Post:
    """Return the post that the blog means, made where it is new; a new title or excerpt is taken over."""
    key = canonical_key(reference.url)
    post = _find(session, site_id, external_id=reference.id, key=key)
    if post is None:
        insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
        session.execute(
            insert(Post)
            .values(
                id=new_id(),
                site_id=site_id,
                created_at=now,
                canonical_key=key,
                external_id=reference.id,
                url=reference.url,
                title=reference.title,
                excerpt=reference.excerpt,
                author_names=list(reference.author_names),
                published_at=reference.published_at if reference.vouched else None,
                openness=Openness.OPEN,
            )
            # A twin may be inserting the same page: then theirs is the one.
            .on_conflict_do_nothing()
        )
        post = _find(session, site_id, external_id=reference.id, key=key)
        if post is None:
            raise NotFound("post", key)
        return post
    if not reference.vouched:
        return post
    changes: Mapping[str, object] = {
        "title": reference.title,
        "excerpt": reference.excerpt,
        "author_names": list(reference.author_names),
        "published_at": reference.published_at,
    }
    for name, value in changes.items():
        if value and getattr(post, name) != value:
            setattr(post, name, value)
    if reference.id and post.external_id is None:
        post.external_id = reference.id
    return post


def register(session: Session, site_id: UUID, reference: PostReference, *, now: datetime) -> Post:
    """Store what the blog says of a page before anybody has commented on it; an address that changed is taken over, too."""
    post = resolve(session, site_id, reference, now=now)
    key = canonical_key(reference.url)
    if reference.id and post.external_id == reference.id and post.url != reference.url:
        taken = session.scalars(_BY_KEY, {"site": site_id, "key": key}).first()
        if taken is None or taken.id == post.id:
            post.canonical_key, post.url = key, reference.url
    session.flush()
    return post


def known(session: Session, site_id: UUID, reference: PostReference) -> Post | None:
    """Return the post that the blog means where it is known already; stores nothing."""
    return _find(session, site_id, external_id=reference.id, key=canonical_key(reference.url))


def find(session: Session, site_id: UUID, key: str) -> Post:
    """Return a post by the blog's own id or by an address of the page; raises NotFound."""
    post = _find(session, site_id, external_id=key, key=canonical_key(key))
    if post is None:
        raise NotFound("post", key)
    return post


# Asked for every comment, so made once.
_BY_KEY = select(Post).where(Post.site_id == bindparam("site"), Post.canonical_key == bindparam("key"))
_BY_EITHER = select(Post).where(
    Post.site_id == bindparam("site"),
    or_(Post.external_id == bindparam("external_id"), Post.canonical_key == bindparam("key")),
)


def _find(session: Session, site_id: UUID, *, external_id: str | None, key: str) -> Post | None:
    asked = {"site": site_id, "key": key}
    found = session.scalars(_BY_EITHER, {**asked, "external_id": external_id}) if external_id else session.scalars(_BY_KEY, asked)
    # The blog's own id goes before the address: a page may move.
    return min(found, key=lambda post: post.external_id != external_id, default=None)
