"""``tidegate mail``: whether the mail server takes our mail, asked directly; and the letters that were given up."""

import click

from moderation.commands.shell import BY, FINDING, USAGE, Fault, Shell, clean, shelled, table
from moderation.config import mailbox
from moderation.ids import new_id, read, show
from moderation.models import DeliveryState, Message
from moderation.outbound.mail import ADVICE, Letter, Mailer
from moderation.services import messages, sites

TEXT = """This is a test, sent by hand on the machine that runs Tidegate.

If you read it, mail from Tidegate reaches you.
"""


@click.group()
def mail() -> None:
    """Try the mail server, which SMTP_URL and MAIL_FROM name, and see what became of letters."""


@mail.command()
@click.argument("address")
@shelled
def test(shell: Shell, address: str) -> int:
    """Mail ADDRESS a few words and say what the mail server made of it."""
    mailer = Mailer.from_settings(shell.settings)
    if mailer is None:
        raise Fault("nobody is mailed: set SMTP_URL and MAIL_FROM", USAGE)
    try:
        to = mailbox(address)
    except ValueError as error:
        raise Fault(f"{clean(address)} is not an e-mail address", USAGE) from error
    letter = Letter(id=show("message", new_id()), to=to.addr_spec, subject="Tidegate: a test", text=TEXT)
    reply = mailer.send(letter, now=shell.now)
    where = f"{mailer.server.host}:{mailer.server.port}"
    answer = {"ok": reply.ok, "server": where, "trouble": reply.error, "said": reply.excerpt, "duration_ms": reply.duration_ms}
    if reply.ok:
        shell.show(answer, [f"{where} took it in {reply.duration_ms} ms; it may still end among unwanted mail"])
        return 0
    said = f" ({clean(reply.excerpt)})" if reply.excerpt else ""
    shell.show(answer, [f"{where}: {ADVICE[reply.error or 'protocol']}{said}"])
    return FINDING


@mail.command(name="list")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@click.option("--all", "everything", is_flag=True, help="Those that are on their way, arrived or were settled, too.")
@shelled
def list_(shell: Shell, *, site: str, everything: bool) -> None:
    """List the newest letters that were given up, and why."""
    with shell.database.reading() as session:
        state = None if everything else DeliveryState.DEAD
        found = messages.page(session, sites.find(session, site).id, state=state)
    answer = [
        {
            "id": show("message", message.id),
            "created_at": message.created_at.isoformat(),
            "kind": str(message.kind),
            "to": _receiver(message),
            "state": str(message.state),
            "attempts": message.attempts,
            "error": message.last_error,
        }
        for message in found
    ]
    rows = [
        (each["id"], each["created_at"], each["kind"], each["to"], each["state"], each["attempts"], each["error"])
        for each in answer
    ]
    shell.show(answer, table(("id", "made", "kind", "to", "state", "attempts", "error"), rows))


@mail.command()
@click.argument("message_id", metavar="ID")
@click.option("--site", required=True, metavar="NAME", help="The site.")
@shelled
def retry(shell: Shell, message_id: str, *, site: str) -> None:
    """Send the letter ID (msg_...) again that was given up."""
    with shell.database.transaction() as session:
        found = messages.retry(session, sites.find(session, site).id, read("message", message_id), by=BY, now=shell.now)
        state = str(found.state)
    shell.show({"id": message_id, "state": state}, [f"{message_id} is {state}"])


def _receiver(message: Message) -> str:
    if message.chat_id is not None:
        return show("chat", message.chat_id)
    return show("user", message.user_id) if message.user_id is not None else "author"
