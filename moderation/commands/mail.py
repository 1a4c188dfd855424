"""``tidegate mail``: whether the mail server takes our mail, asked directly."""

import click

from moderation.commands.shell import FINDING, USAGE, Fault, Shell, clean, shelled
from moderation.config import mailbox
from moderation.ids import new_id, show
from moderation.outbound.mail import ADVICE, Letter, Mailer

TEXT = """This is a test, sent by hand on the machine that runs Tidegate.

If you read it, mail from Tidegate reaches you.
"""


@click.group()
def mail() -> None:
    """Try the mail server, which SMTP_URL and MAIL_FROM name."""


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
