"""A blog with a policy, a moderator and an editor, on a real database and with the real models."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from moderation.database import Database
from moderation.ids import new_id, read
from moderation.models import Comment, Decision, Membership, Role, Site, Subject, User
from moderation.policy.verdict import Verdict
from moderation.scoring import catalog
from moderation.services import comments, policies, review, submission
from moderation.services.asking import Models, Scoring
from moderation.services.authors import AuthorClaim
from moderation.services.comments import CommentView
from moderation.services.moderating import Moderator
from moderation.services.posts import PostReference
from moderation.services.submission import Once, Receipt, Submission

if TYPE_CHECKING:
    from tests.moderation.services.office import Office

SECRET = b"a secret for the tests, long enough"
CIVIL = "I disagree with the treaty, but thank you for this clear article."
ABUSIVE = "You are a stupid, worthless idiot and everybody here hates you."
THREAT = "I will find you and kill you if you write here again."


@dataclass
class Blog:
    """What a test does with a site, in few words; every call is a transaction of its own."""

    database: Database
    site_id: UUID
    moderator_id: UUID
    editor_id: UUID
    score: Scoring
    start: datetime = field(default_factory=lambda: datetime.now(UTC))
    _sent: int = 0

    def worker(self, *, score: Scoring | None = None, name: str = "one") -> Moderator:
        return Moderator(self.database, score or self.score, SECRET, name)

    def submission(self, body: str = CIVIL, **changes: Any) -> Submission:
        self._sent += 1
        author = changes.pop("author", None) or AuthorClaim(id=f"reader-{self._sent}", name=f"Reader {self._sent}")
        post = changes.pop("post", None) or PostReference(id="p1", url="https://blog.example/arms", title="Arms and the treaty")
        return Submission(post=post, author=author, body=body, **changes)

    def submit(
        self, body: str = CIVIL, *, vouched: bool = True, once: Once | None = None, now: datetime | None = None, **changes: Any
    ) -> Receipt:
        asked = self.submission(body, **changes)
        return self.database.transact(
            lambda session: submission.submit(
                session, self.site_id, asked, vouched=vouched, secret=SECRET, once=once, now=now or datetime.now(UTC)
            )
        )

    def judged(self, body: str = CIVIL, **changes: Any) -> CommentView:
        """Submit, let the worker decide, and return what became of it."""
        receipt = self.submit(body, **changes)
        self.worker().drain()
        return self.view(receipt.comment_id)

    def view(self, comment_id: UUID | str) -> CommentView:
        with self.database.reading() as session:
            return comments.view(session, self.site_id, self.id_of(comment_id))

    def row(self, comment_id: UUID | str) -> Comment:
        with self.database.reading() as session:
            return session.get_one(Comment, self.id_of(comment_id))

    def queue(self, **question: Any) -> list[review.CaseView]:
        with self.database.reading() as session:
            return review.queue(session, self.site_id, now=datetime.now(UTC), **question).items

    def decide(self, comment: CommentView, verdict: Verdict = Verdict.APPROVE, **changes: Any) -> Decision:
        self._sent += 1
        options: dict[str, Any] = {
            "verdict": verdict,
            "revision": comment.revision,
            "reason": 1 if verdict is Verdict.REJECT else None,
            "user_id": self.moderator_id,
            "cause": f"request:{self._sent}",
            "now": datetime.now(UTC),
            **changes,
        }
        return self.database.transact(
            lambda session: review.decide(session, self.site_id, read("comment", comment.id), **options)
        )

    def undo(self, decision: Decision, **changes: Any) -> Decision:
        self._sent += 1
        options: dict[str, Any] = {
            "user_id": self.moderator_id,
            "cause": f"request:{self._sent}",
            "now": datetime.now(UTC),
            **changes,
        }
        return self.database.transact(lambda session: review.undo(session, self.site_id, decision.id, **options))

    def revise(self, comment: CommentView, body: str) -> CommentView:
        self.database.transact(
            lambda session: submission.revise(
                session, self.site_id, read("comment", comment.id), body=body, now=datetime.now(UTC)
            )
        )
        return self.view(comment.id)

    def withdraw(self, comment: CommentView) -> CommentView:
        self.database.transact(
            lambda session: submission.withdraw(session, self.site_id, read("comment", comment.id), now=datetime.now(UTC))
        )
        return self.view(comment.id)

    def activate(self, policy: str, *, minutes: float = 0) -> None:
        with self.database.transaction() as session:
            version = policies.find_version(session, self.site_id, Subject.POLICY, policy)
            policies.activate(session, version, by="test", now=self.start + timedelta(minutes=minutes))

    @staticmethod
    def id_of(comment_id: UUID | str) -> UUID:
        return comment_id if isinstance(comment_id, UUID) else read("comment", comment_id)


@pytest.fixture(scope="session")
def models() -> Models:
    return Models(catalog.bundled(), catalog.spam())


@pytest.fixture
def blog(database: Database, models: Models) -> Blog:
    """A blog on either database."""
    return found_blog(database, models)


@pytest.fixture
def sqlite_blog(sqlite_database: Database, models: Models) -> Blog:
    """A blog on SQLite, for what no database can make a difference to."""
    return found_blog(sqlite_database, models)


@pytest.fixture
def at(blog: Blog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Office"]:
    """A blog whose people are told by mail, on either database."""
    yield from opened_office(blog, tmp_path, monkeypatch)


@pytest.fixture
def sqlite_at(sqlite_blog: Blog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Office"]:
    """The same on SQLite, for what no database can make a difference to."""
    yield from opened_office(sqlite_blog, tmp_path, monkeypatch)


def opened_office(blog: Blog, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Office"]:
    # The office is built on what stands here.
    from tests.moderation.services.office import office

    with office(blog, folder, monkeypatch) as world:
        yield world


def found_blog(database: Database, models: Models) -> Blog:
    now = datetime.now(UTC)
    with database.transaction() as session:
        site = Site(id=new_id(), created_at=now, name="blog", title="A blog", origins=["https://blog.example"])
        people = [
            User(id=new_id(), created_at=now, email=f"{name.lower()}@blog.example", name=name) for name in ("Mona", "Edith")
        ]
        session.add_all([site, *people])
        session.flush()
        for person, role in zip(people, (Role.MODERATOR, Role.EDITOR), strict=True):
            session.add(Membership(site_id=site.id, user_id=person.id, role=role, created_at=now))
        policies.install(session, site.id, active="standard", by="test", now=now)
    return Blog(database, site.id, people[0].id, people[1].id, models)
