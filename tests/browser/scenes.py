"""Every page that a reader or a moderator meets, furnished as on a busy morning, one after the other."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, expect
from sqlalchemy import select

from api.demo_blog.articles import ARTICLES
from moderation.ids import read
from moderation.models import ChatKind, Comment, Follower, MessageKind
from moderation.services import authorship, chats, followers, letter_links, messages, sites
from tests.api.conftest import SECRET
from tests.browser.conftest import Blog

THREAD = (
    (
        "Rita",
        "Enough! Missiles fell on those towns since spring while this government counted shells like a miser. Send them all.",
    ),
    ("Jonas", "And who counts them afterwards? Three years ago rifles turned up at a market two borders away."),
    ("Mehmet", "My grandmother grew up beside that river and loved its old bridge. I hope that somebody shields it."),
    ("Ana", "Could the newsroom publish the committee's figures as a table, please?"),
)
HELD = (
    ("Kurt", "What a st*pid, w0rthless 1diot you are. Nobody wants you here."),
    ("Leo", "I will find you and break your legs, you hear me?"),
    ("Nora", "She lives at 12 Harbour Street. Ring her at +1 202 555 0143 and tell her what you think."),
    ("Xue", "Cheap watches, best price, buy now at http://cheap-watches.example and http://watches.example"),
    ("Paula", "You pathetic little moron, crawl back under your rock and stay there."),
)
REJECTED = "Shut your stupid mouth, you disgusting idiot, you make me sick."
DRAFT = "The vote was close. You are a stupid, worthless idiot and everybody here hates you."


class Morning:
    """A blog with a thread, a queue and a history; ``address`` and ``plain`` are what one needs to visit its pages."""

    def __init__(self, blog: Blog) -> None:
        self.blog = blog
        self.door = blog.installation.door
        self.api = blog.installation.url
        self._readers = 0
        first = self._send(*THREAD[0])
        self.thread = [first, *(self._send(name, body, parent_id=first["id"]) for name, body in THREAD[1:2])]
        self.thread += [self._send(name, body) for name, body in THREAD[2:]]
        held = [self._send(name, body) for name, body in HELD]
        self.threat = held[1]
        self._room()
        self.rejected = self._send("Tom", REJECTED)
        self._decide(self.rejected, "reject", reason=1)
        again = self._send("Ute", f"{REJECTED} Again and again.")
        self._decide(again, "reject", reason=1)
        self._own(again, "second-look", {})
        self._decide(held[-1], "approve")
        self.door.explain()
        for number, comment in enumerate(self.thread):
            at, what = comment["created_at"], "comment.approved"
            blog.told(number, type=what, timestamp=at, comment=comment["id"], post=ARTICLES[0].slug, seq=1)
        self._report(self.thread[1], "It is a rumour, and not about this article.")

    def own(self, comment: dict[str, Any]) -> str:
        """Return the address of an author's own page."""
        return f"{self.api}/c/{authorship.token_of(SECRET, read('comment', comment['id']))}?lang=en"

    def letter(self) -> str:
        """Return the address in a moderator's letter about the threat that waits."""
        database = self.door.runtime.database
        comment_id = read("comment", self.threat["id"])
        now = datetime.now(UTC)
        with database.transaction() as session:
            site = sites.find(session, self.blog.keys.site)
            user = next(user for user, _ in sites.members(session, site.id))
            told = messages.announce(session, MessageKind.URGENT, site_id=site.id, comment_id=comment_id, revision=1, now=now)
            message = messages.to_person(session, told, user.id, now=now)
        return letter_links.address(self.api, letter_links.token_of(SECRET, message.id))

    def following(self) -> str:
        """Return the address in the letter that asks an author whether to mail."""
        with self.door.runtime.database.transaction() as session:
            comment = session.get_one(Comment, read("comment", self.rejected["id"]))
            now = datetime.now(UTC)
            followers.follow(session, comment, "tom@reader.example", language="en", secret=SECRET, now=now)
            follower = session.scalars(select(Follower)).one()
        return followers.address(self.api, followers.token_of(SECRET, follower.id))

    def _room(self) -> None:
        runtime = self.door.runtime
        with runtime.database.transaction() as session:
            chats.add(
                session,
                sites.find(session, self.blog.keys.site).id,
                ChatKind.SLACK,
                name="newsroom",
                address="https://chat.example/hooks/T0",
                guard=self.door.context.guard,
                secret=SECRET,
                by="test",
                now=datetime.now(UTC),
            )

    def plain(self, page: str, **asked: str) -> str:
        """Return the address of a page for readers without script."""
        return f"{self.api}/s/{self.blog.keys.site}/{page}?{urlencode({'lang': 'en', **asked})}"

    def _send(self, name: str, body: str, **more: Any) -> dict[str, Any]:
        self._readers += 1
        article = ARTICLES[0]
        asked = {
            "post": {"id": article.slug, "url": self.blog.article, "title": article.title, "excerpt": article.summary},
            "author": {"id": f"reader-{self._readers}", "name": name},
            "body": body,
            **more,
        }
        answer = self.door.post("/v1/comments", asked, key=self.blog.keys.secret_key, headers={"Prefer": "wait=10"})
        found: dict[str, Any] = answer.json
        assert found["status"] != "pending", found
        return found

    def _decide(self, comment: dict[str, Any], verdict: str, **more: Any) -> None:
        body = {"verdict": verdict, "revision": comment["revision"], **more}
        answer = self.door.post(f"/v1/comments/{comment['id']}/decisions", body, key=self.blog.keys.secret_key)
        assert answer.status_code == 201, answer.text

    def _own(self, comment: dict[str, Any], act: str, fields: dict[str, str]) -> None:
        address = self.own(comment).removeprefix(self.api).replace("?", f"/{act}?")
        assert self.door.client.post(address, data=fields).status_code == 303

    def _report(self, comment: dict[str, Any], note: str) -> None:
        body = {"reason": 7, "note": note}
        answer = self.door.post(
            f"/v1/comments/{comment['id']}/reports", body, key=self.blog.keys.publishable_key, headers={"Origin": self.blog.url}
        )
        assert answer.status_code == 200, answer.text


def reading(morning: Morning, page: Page) -> Iterator[str]:
    """Visit what readers meet; the name of each page is given out while it is shown."""
    blog = morning.blog
    page.goto(blog.url)
    expect(page.locator(f"[data-tidegate-count={ARTICLES[0].slug}]")).not_to_be_empty()
    yield "blog-index"
    page.goto(blog.article)
    expect(page.locator("[part=comment]").first).to_be_visible()
    page.locator("tidegate-comments").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#comments').scrollIntoView()")
    yield "section"
    page.get_by_role("button", name="Report the comment by Jonas").click()
    yield "section-report"
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Your name").fill("Ben")
    page.get_by_role("textbox", name="Your comment").fill(DRAFT)
    page.get_by_role("button", name="Send", exact=True).click()
    nudge = page.get_by_role("group", name="Before you post")
    expect(nudge).to_be_visible()
    yield "section-nudge"
    nudge.get_by_role("button", name="Post it").click()
    own = page.get_by_role("article", name="Your comment")
    expect(own).to_be_visible()
    own.scroll_into_view_if_needed()
    yield "section-held"
    page.goto(morning.plain("comments", post=ARTICLES[0].slug, url=blog.article))
    yield "plain-thread"
    page.goto(morning.plain("report", comment=morning.thread[0]["id"]))
    yield "plain-report"
    page.goto(morning.own(morning.rejected))
    yield "own-page"
    page.goto(morning.following())
    yield "following"
    page.goto(f"{blog.url}/received")
    yield "blog-received"


def moderating(morning: Morning, page: Page) -> Iterator[str]:
    """Visit what a moderator meets, who is an admin."""
    console = f"{morning.api}/console"
    page.goto(morning.letter())
    yield "console-letter"
    page.goto(morning.blog.keys.login_url)
    yield "console-link"
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("article.card")).to_be_visible()
    yield "console-queue"
    page.locator("summary", has_text="Reject").click()
    yield "console-reasons"
    for name, path in (
        ("console-reported", "queue?tab=reported"),
        ("console-second-look", "queue?tab=second_look"),
        ("console-empty", "queue?tab=escalated"),
        ("console-sweep", "sweep?words=you&all=true"),
        ("console-overview", "overview"),
        ("console-behind", "overview/comments?of=newcomers"),
        ("console-learning", "learning"),
        ("console-posts", "posts"),
        ("console-words", "words"),
        ("console-wording", "reasons"),
        ("console-policy", "policy"),
        ("console-notices", "notices"),
        ("console-people", "people"),
        ("console-deliveries", "deliveries"),
        ("console-account", "account"),
    ):
        page.goto(f"{console}/{path}")
        yield name
        if name == "console-notices":
            page.locator("summary", has_text="Add a room").click()
            page.get_by_label("What you call it").scroll_into_view_if_needed()
            yield "console-room"
    page.context.clear_cookies()
    page.goto(f"{console}/queue")
    yield "console-sign-in"
