"""``tidegate chat``: the rooms that are told what those who look after a site are told."""

import click
from sqlalchemy.orm import Session

from moderation.commands.shell import BY, FINDING, OK, USAGE, Fault, Shell, entered, shelled, table
from moderation.ids import read, show
from moderation.models import Chat, ChatKind
from moderation.outbound.http import Client
from moderation.services import chats, sites

WHAT = {
    ChatKind.SLACK: "the address of its incoming webhook",
    ChatKind.DISCORD: "the address of its webhook",
    ChatKind.TELEGRAM: "the bot's token",
}


@click.group()
def chat() -> None:
    """Add, list, try and remove the chat rooms that a site's news go to."""


@chat.command()
@click.argument("kind", type=click.Choice([str(kind) for kind in ChatKind]))
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--name", default="", help="What the room is called here.")
@click.option("--room", default="", metavar="ID", help="The chat's id; Telegram needs it.")
@shelled
def add(shell: Shell, kind: str, *, site: str, name: str, room: str) -> None:
    """Add a room of KIND, whose address or token is read from the terminal or from standard input: it is a secret."""
    wanted = ChatKind(kind)
    if wanted is ChatKind.TELEGRAM and not room:
        raise Fault("telegram needs the chat's id: --room ID", USAGE)
    address = entered(WHAT[wanted])
    client = Client.from_settings(shell.settings)
    with shell.database.transaction() as session:
        found = chats.add(
            session,
            sites.find(session, site).id,
            wanted,
            name=name or kind,
            address=address,
            room=room,
            guard=client.guard,
            secret=shell.settings.secret,
            by=BY,
            now=shell.now,
        )
        answer = _row(found)
    shell.show(answer, [str(answer["id"]), f"now try it: tidegate chat test {answer['id']} --site {site}"])


@chat.command(name="list")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def list_(shell: Shell, *, site: str) -> None:
    """List a site's rooms, without their addresses."""
    with shell.database.reading() as session:
        answer = [_row(each) for each in chats.page(session, sites.find(session, site).id)]
    shell.show(answer, table(("id", "kind", "name", "room"), [tuple(each.values()) for each in answer]))


@chat.command()
@click.argument("chat_id", metavar="ID")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def test(shell: Shell, chat_id: str, *, site: str) -> int:
    """Write a few words into the room ID (chat_...) and say what became of them."""
    with shell.database.reading() as session:
        found = _found(session, site, chat_id)
        session.expunge(found)
    reply = chats.send(Client.from_settings(shell.settings), found, [chats.TEST], secret=shell.settings.secret)
    said = "it took it" if reply.ok else f"it did not take it: {reply.error}"
    shell.show({"ok": reply.ok, "error": reply.error}, [said])
    return OK if reply.ok else FINDING


@chat.command()
@click.argument("chat_id", metavar="ID")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def remove(shell: Shell, chat_id: str, *, site: str) -> None:
    """Tell the room ID nothing more, and forget its address."""
    with shell.database.transaction() as session:
        found = _found(session, site, chat_id)
        chats.remove(session, found.site_id, found.id, by=BY, now=shell.now)
    shell.show({"id": chat_id}, [f"{chat_id} is removed"])


def _found(session: Session, site: str, chat_id: str) -> Chat:
    return chats.find(session, sites.find(session, site).id, read("chat", chat_id))


def _row(each: Chat) -> dict[str, str]:
    return {"id": show("chat", each.id), "kind": str(each.kind), "name": each.name, "room": each.room}
