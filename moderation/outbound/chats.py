"""A few lines of text in the shapes that Slack, Discord and Telegram take, with nothing in them that is markup there.

Mattermost and Rocket.Chat take Slack's. What a stranger can have written (a post's title) mentions nobody, formats nothing and
shows no preview; lines that are links of ours stay links.
"""

import re
from typing import Any, Final

LONGEST: Final = 1900
"""Characters of a message; Discord takes 2000, the others more."""

_MARKUP: Final = re.compile(r"([\\*_~`|>#\-\[\]()<@:.])")


def slack(lines: list[str]) -> dict[str, Any]:
    """Return the body for a Slack incoming webhook: three characters are special, and markup is off."""
    text = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text[:LONGEST], "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def discord(lines: list[str]) -> dict[str, Any]:
    """Return the body for a Discord webhook: markup escaped, nobody mentioned, nothing embedded."""
    text = "\n".join(f"<{line}>" if _is_link(line) else _MARKUP.sub(r"\\\1", line) for line in lines)
    return {"content": text[:LONGEST], "allowed_mentions": {"parse": []}, "flags": 4}


def telegram(lines: list[str], room: str) -> dict[str, Any]:
    """Return the body for a Telegram bot's ``sendMessage``: plain text, which has no markup, and no preview."""
    return {"chat_id": room, "text": "\n".join(lines)[:LONGEST], "link_preview_options": {"is_disabled": True}}


def _is_link(line: str) -> bool:
    return line.startswith(("https://", "http://")) and " " not in line
