"""A Coral that asks our door and tells it what became of its comments, signed as Coral signs."""

import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from moderation.services import signing, sites
from tests.api.conftest import CIVIL, ORIGIN, SECRET

SIGNED_WITH = "ssec_0123456789abcdef0123456789abcdef"


class Coral:
    """A Coral with an external moderation phase and a webhook."""

    def __init__(self, door: Any) -> None:
        self.door = door
        self.keep("blog", SIGNED_WITH)

    def keep(self, site: str, shown: str) -> Any:
        with self.door.runtime.database.transaction() as session:
            found = sites.find(session, site)
            return signing.add(
                session,
                found.id,
                door="coral",
                shown=shown,
                name="phase",
                secret=SECRET,
                by="test",
                now=datetime.now(UTC),
            ).id

    def send(self, body: Any, *, path: str = "/coral/blog", secrets: Any = (SIGNED_WITH,), **options: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()
        signed = ",".join(f"sha256={hmac.digest(secret.encode(), data, 'sha256').hex()}" for secret in secrets)
        headers = {"User-Agent": "Coral Moderation/9.9.9", "X-Coral-Signature": signed, **options.pop("headers", {})}
        return self.door.client.post(path, data=data, headers=headers, content_type="application/json", **options)

    def ask(
        self, text: str = CIVIL, *, author: str = "u-1", action: str = "NEW", parent: str | None = None, **options: Any
    ) -> Any:
        return self.send(self.asked(text, author=author, action=action, parent=parent), **options)

    def asked(self, text: str, *, author: str = "u-1", action: str = "NEW", parent: str | None = None) -> dict[str, Any]:
        return {
            "action": action,
            "comment": {"body": text, "parentID": parent},
            "author": {"id": author, "role": "COMMENTER"},
            "story": {"id": "s-1", "url": f"{ORIGIN}/arms"},
            "site": {"id": "site-1"},
            "tenantID": "t-1",
            "tenantDomain": "coral.example",
        }

    def tell(self, kind: str, comment: str, **data: Any) -> Any:
        event = {"id": "e-1", "type": kind, "data": {"commentID": comment, "storyID": "s-1", "siteID": "site-1", **data}}
        return self.send(event, path="/coral/blog/events")

    def stored(self) -> list[dict[str, Any]]:
        return list(self.door.get("/v1/comments").json["items"])

    def only(self) -> dict[str, Any]:
        (item,) = self.stored()
        return item

    def count(self, model: Any) -> int:
        with self.door.runtime.database.reading() as session:
            return session.scalar(select(func.count()).select_from(model)) or 0
