"""What an author is mailed: whether to mail at all, what a person decided, and that somebody answered.

In the language that the form was in, and with nothing in it that a stranger wrote: no answer's text, no name, no title.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from moderation.config import Settings
from moderation.ids import show
from moderation.models import Comment, Decider, Follower, Following, Message, MessageKind, Post, Site
from moderation.outbound.mail import Letter, one_line
from moderation.services import authorship, followers, own, wording
from moderation.services.own import Outcome

NEWS = frozenset(
    {
        Outcome.PUBLISHED,
        Outcome.AFTER_PARENT,
        Outcome.REJECTED,
        Outcome.REMOVED,
        Outcome.OVERTURNED,
        Outcome.UPHELD,
        Outcome.UPHELD_ALONE,
    }
)
"""What is worth a letter; while somebody has to decide, nothing is."""


def write(session: Session, message: Message, settings: Settings, *, now: datetime) -> Letter | None:
    """Return the letter of a message to an author; None where it is not wanted, not news any more, or one too many today."""
    following = session.get(Following, message.comment_id) if message.comment_id is not None else None
    if following is None:
        return None
    follower = session.get_one(Follower, following.follower_id, populate_existing=True)
    to = followers.address_of(follower, secret=settings.secret)
    wanted = (follower.confirmed_at is None) == (message.kind is MessageKind.CONFIRM)
    if to is None or not wanted or followers.told_lately(session, follower, now=now) >= followers.TOLD_A_DAY:
        return None
    site = session.get_one(Site, message.site_id)
    texts = wording.texts(following.language)["mail"]
    title = one_line(site.title, longest=80)
    link = followers.address(settings.public_url, followers.token_of(settings.secret, follower.id))
    comment = session.get_one(Comment, following.comment_id, populate_existing=True)
    parts: list[str] | None
    if message.kind is MessageKind.CONFIRM:
        parts = [texts["confirm"].format(site=title), f"{texts['confirm_link']}\n{link}", texts["confirm_not"]]
    elif message.kind is MessageKind.VERDICT:
        parts = _verdict(session, comment, following.language, settings, now=now)
    else:
        parts = _reply(session, comment, UUID(hex=message.data["reply"]), following.language, title)
    if parts is None:
        return None
    stop = f"{link}/stop"
    return Letter(
        id=show("message", message.id),
        to=to,
        subject=texts[f"{message.kind}_subject"].format(site=title),
        text="\n\n".join([*parts, f"{texts['stop'].format(site=title)}\n{stop}"]) + "\n",
        headers=unsubscribing(stop),
    )


def unsubscribing(stop: str) -> dict[str, str]:
    """Return the headers by which a mail program offers to stop such letters, with one click where we are reached over https."""
    headers = {"List-Unsubscribe": f"<{stop}>"}
    if stop.startswith("https:"):
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _verdict(session: Session, comment: Comment, language: str, settings: Settings, *, now: datetime) -> list[str] | None:
    token = authorship.token_of(settings.secret, comment.id)
    found = own.view(session, token, secret=settings.secret, now=now)
    if found.outcome not in NEWS or (found.by is Decider.MACHINE and comment.decision_seq == 1):
        return None
    link = f"{authorship.address(settings.public_url, token)}?lang={language}"
    return [wording.said(found, language), f"{wording.texts(language)['mail']['verdict_link']}\n{link}"]


def _reply(session: Session, comment: Comment, reply_id: UUID, language: str, title: str) -> list[str] | None:
    reply = session.get(Comment, reply_id)
    if reply is None or reply.visible_revision is None or comment.visible_revision is None:
        return None
    texts = wording.texts(language)["mail"]
    post = session.get_one(Post, comment.post_id)
    return [texts["reply"].format(site=title), f"{texts['reply_link']}\n{post.url}#{show('comment', reply.id)}"]
