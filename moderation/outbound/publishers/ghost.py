"""Ghost by its admin API, with a staff access token: an integration's key may lack the permission for comments."""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from moderation.outbound.http import Reply
from moderation.outbound.publishers.port import UP_TO_DATE, CommentState, Kind, Seen, Sending, Setting, in_path, unknown_there
from moderation.outbound.publishers.words import because

SYSTEM: Final = "ghost"
LIFE: Final = 300
"""Seconds that a token lasts: the longest that Ghost takes."""


@dataclass(frozen=True, slots=True)
class Ghost:
    """Shows and hides comments; ``token`` is a staff access token (``id:secret``, the secret in hexadecimal digits)."""

    url: str
    token: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Ghost":
        """Return the publisher that the settings describe."""
        return cls(url=config["url"].rstrip("/"), token=config["token"])

    def publish(self, state: CommentState, sending: Sending) -> Reply:
        """Set the comment's status and see in the answer that it is set."""
        name = state.known_as(SYSTEM)
        if name is None:
            return unknown_there(state)
        wanted = "published" if state.visible else "hidden"
        body = orjson.dumps({"comments": [{"id": name, "status": wanted}]})
        reply, found = self._ask("PUT", f"comments/{in_path(name)}/", sending, body)
        if reply.status == 404:
            return unknown_there(state)
        if reply.ok and (status := _status(found)) != wanted:
            # What its author deleted there is as good as hidden, and cannot be shown.
            return UP_TO_DATE if status == "deleted" and not state.visible else Reply(trouble="protocol")
        return reply

    def look(self, states: Sequence[CommentState], sending: Sending) -> Sequence[Seen]:
        """Ask for the comments in one request."""
        names = {name: state.id for state in states if (name := state.known_as(SYSTEM)) is not None and name.isalnum()}
        query = urlencode({"filter": f"id:[{','.join(names)}]", "limit": len(names), "include_nested": "true"})
        reply, found = self._ask("GET", f"comments/?{query}", sending) if names else (UP_TO_DATE, {})
        if not reply.ok:
            return [Seen(id=state.id, visible=None, detail=reply.error or "") for state in states]
        rows = [row for row in found.get("comments") or [] if isinstance(row, dict)]
        statuses = {names[str(row.get("id"))]: str(row.get("status")) for row in rows if str(row.get("id")) in names}
        words = {state.id: statuses.get(state.id, "not there") for state in states}
        return [Seen(id=name, visible=status == "published", detail=status) for name, status in words.items()]

    def missing(self, sending: Sending) -> Sequence[str]:
        """Try the token on the list of comments."""
        if len(self.token.split(":")) != 2 or _secret(self.token) is None:
            return ["The token is not one of Ghost's: it has the form id:secret, with hexadecimal digits behind the colon."]
        reply, _ = self._ask("GET", "comments/?limit=1", sending)
        if reply.status in {401, 403}:
            return ["Ghost does not let this token moderate comments; it has to be a staff access token of an administrator."]
        if reply.status == 404 and (version := self._version(sending)):
            return [f"Ghost {version} has no list of comments: they are shown and hidden there, and cannot be compared."]
        return [] if reply.ok else [f"No Ghost answers at {self.url}: {because(reply)}."]

    def _version(self, sending: Sending) -> str:
        """Return the version of the Ghost that is there, empty where there is none; it tells everybody."""
        _, found = self._ask("GET", "site/", sending)
        site = found.get("site")
        return str(site.get("version", "")) if isinstance(site, dict) else ""

    def _ask(self, method: str, path: str, sending: Sending, body: bytes = b"") -> tuple[Reply, dict[str, Any]]:
        signed = sign(self.token, now=sending.now)
        if signed is None:
            return Reply(trouble="credentials"), {}
        headers = {"Authorization": f"Ghost {signed}", "Content-Type": "application/json", "Accept-Version": "v5.0"}
        return sending.ask(method, f"{self.url}/ghost/api/admin/{path}", headers=headers, body=body)


def sign(token: str, *, now: datetime) -> str | None:
    """Return the JSON Web Token (HS256) of a staff access token; None where that is not one."""
    secret = _secret(token)
    if secret is None:
        return None
    issued = int(now.timestamp())
    head = {"alg": "HS256", "typ": "JWT", "kid": token.partition(":")[0]}
    body = {"iat": issued, "exp": issued + LIFE, "aud": "/admin/"}
    signed = b".".join(_part(orjson.dumps(each)) for each in (head, body))
    return (signed + b"." + _part(hmac.digest(secret, signed, "sha256"))).decode()


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _secret(token: str) -> bytes | None:
    try:
        return bytes.fromhex(token.partition(":")[2]) or None
    except ValueError:
        return None


def _status(found: Mapping[str, Any]) -> str:
    rows = found.get("comments")
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    return str(first.get("status", ""))


KIND: Final = Kind(
    make=Ghost.from_config,
    settings=(
        Setting(name="url", help="the address of the Ghost site's admin", address=True),
        Setting(name="token", help="a staff access token of an administrator (profile page)", secret=True),
    ),
    at_once=50,
)
