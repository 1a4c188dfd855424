"""What went wrong between us and a blog, in words that a person can do something about."""

from collections.abc import Mapping
from typing import Final

from moderation.outbound.http import Reply

TROUBLES: Final[Mapping[str, str]] = {
    "timeout": "it did not answer in time",
    "refused_address": "Tidegate sends nothing to such an address unless TIDEGATE_WEBHOOK_ALLOW names it",
    "unresolvable": "its name leads to no address",
    "connect": "nothing listens there",
    "tls": "its certificate is not to be trusted, or it speaks no TLS",
    "protocol": "something else answers there",
    "credentials": "what was entered for it cannot be used",
    "fault": "Tidegate itself failed, and its log says how",
}

STATUSES: Final[Mapping[int, str]] = {
    401: "it does not let us in",
    403: "it does not let us in",
    404: "there is nothing at that path",
    429: "it was asked too often and wants to be left alone for a while",
}


def because(reply: Reply) -> str:
    """Return why a blog could not be asked, as the end of a sentence without its full stop."""
    if reply.trouble is not None:
        return TROUBLES.get(reply.trouble, reply.trouble)
    if reply.ok or reply.status is None:
        return TROUBLES["protocol"]
    families = {3: "it sends us on to another address, so enter that one", 5: "it has a fault of its own"}
    said = STATUSES.get(reply.status) or families.get(reply.status // 100) or "it refuses the question"
    return f"{said} (status {reply.status})"
