"""Stand-ins for the services that publishers write to, each made from that service's schema or code.

Each keeps one comment, answers with the shapes and the status codes of the real one, and refuses what that refuses: a wrong
credential, a comment that there is none of, a stale version. WordPress and Isso are held to the real ones elsewhere.
"""

import base64
import hmac
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from graphql import build_schema, graphql_sync
from itsdangerous import BadSignature, URLSafeTimedSerializer

from tests.moderation.outbound.receiver import Got, status

Reply = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """A comment that a reader wrote at a blog, and that the blog lists."""

    number: int
    at: datetime
    text: str
    waiting: bool = True
    parent: int | None = None
    post: int = 5
    """The one that is there; Blogger alone has all others too."""


class Blog(ABC):
    """One comment at a service; ``known`` is the id by which Tidegate knows it, ``unknown`` is nobody's.

    ``wrong`` is a credential that it does not take; ``keeps_rejected`` says whether it can show again what it took down.
    """

    kind: ClassVar[str]
    known: ClassVar[str]
    unknown: ClassVar[str]
    wrong: ClassVar[Mapping[str, str]]
    keeps_rejected: ClassVar[bool] = True

    def __init__(self, base: str) -> None:
        self.base = base
        self.changes = 0
        self.place = "waiting"
        self.written: list[Written] = []

    @abstractmethod
    def config(self) -> dict[str, str]:
        """Return the settings of a publisher that reaches it."""

    @abstractmethod
    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        """Return status and body of the answer to a request."""

    @property
    def visible(self) -> bool:
        return self.place == "public"

    def move(self, place: str) -> None:
        if place != self.place:
            self.changes += 1
            self.place = place

    def answer(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        parts = urlsplit(got.path)
        sent = json.loads(got.body) if got.body[:1] in {b"{", b"["} else dict(parse_qsl(got.body.decode()))
        code, body = self.respond(got, parts.path, dict(parse_qsl(parts.query)), sent)
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        status(code, body=data, Content_Type="application/json")(handler, got)


class WordPressBlog(Blog):
    kind, known, unknown = "wordpress", "wordpress:7", "wordpress:8"
    wrong: ClassVar = {"password": "not it"}
    may_moderate = has_plugin = True
    words: ClassVar = {"approved": "public", "hold": "waiting", "spam": "spam", "trash": "trash"}

    def config(self) -> dict[str, str]:
        return {"url": self.base, "username": "tidegate", "password": "abcd efgh"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        if path != "/index.php":
            return 404, "no such page"
        return self._rest(got, query["rest_route"].removeprefix("/wp/v2/"), query, sent)

    def _rest(self, got: Got, route: str, query: dict[str, str], sent: Any) -> Reply:
        if got.headers.get("authorization") != "Basic " + base64.b64encode(b"tidegate:abcd efgh").decode():
            return 401, {"code": "rest_cannot_edit"}
        described = {
            "users/me": {"id": 2, "capabilities": {"moderate_comments": self.may_moderate}},
            "OPTIONS": {"schema": {"properties": {"meta": {"properties": {"tidegate_said": {}} if self.has_plugin else {}}}}},
        }
        if {route, got.method} & described.keys():
            return 200, described[route if route in described else got.method]
        if route == "comments":
            if "after" in query:
                return 200, self._listed(query)
            ours = {"id": 7, "status": self._word(), "meta": {"tidegate_id": ""}}
            # A WordPress without the plugin answers the question that it does not know with whatever there is.
            return 200, [ours] if "7" in query.get("include", "7").split(",") else []
        if route != "comments/7":
            return 404, {"code": "rest_comment_invalid_id"}
        self.move(self.words.get(sent["status"], self.place))
        return 200, {"id": 7, "status": self._word()}

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """List as WordPress does: later than a time, at most so many, and no word of the pages that may follow."""
        assert (query["order"], query["orderby"], query["status"], query["context"]) == ("asc", "date_gmt", "all", "edit")
        # WordPress leaves a field out that is asked for by a part of it.
        assert "content" in query["_fields"].split(",")
        after, without = datetime.fromisoformat(query["after"]), query.get("exclude", "").split(",")
        found = sorted((each for each in self.written if each.at.replace(microsecond=0) > after), key=lambda each: each.at)
        listed = [each for each in found if str(each.number) not in without]
        return [self._row(each) for each in listed[: int(query["per_page"])]]

    def _row(self, each: Written) -> dict[str, Any]:
        up = {"id": 4, "link": f"{self.base}/arms/", "title": {"rendered": "Arms &amp; the treaty"}}
        return {
            "id": each.number,
            "parent": each.parent or 0,
            "status": "hold" if each.waiting else "approved",
            "type": "comment",
            "date_gmt": each.at.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat(),
            "link": f"{self.base}/arms/comment-page-2/#comment-{each.number}",
            "content": {"raw": f"<p>{each.text}</p>"},
            "author_name": "Ann",
            "author_email": "ann@blog.example",
            "author_url": "",
            "author_ip": "203.0.113.9",
            "author_user_agent": "Firefox",
            "meta": {},
            "_embedded": {"up": [up]},
        }

    def _word(self) -> str:
        return next(word for word, place in self.words.items() if place == self.place)


class IssoBlog(Blog):
    kind, known, unknown = "isso", "7", "8"
    wrong: ClassVar = {"session_key": "not it"}
    keeps_rejected = False

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self.text = "the text"
        self.mode: int | None = 2

    @property
    def visible(self) -> bool:
        return self.mode == 1 and self.text == "the text"

    def config(self) -> dict[str, str]:
        return {"url": self.base, "session_key": "the key"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        if path == "/config":
            return 200, {"config": {}}
        number, *action = path.removeprefix("/id/").split("/")
        if number != "7" and got.method == "GET":
            return 404, "Not Found"
        shown = action[1] if action else got.headers.get("cookie", "").removeprefix("7=")
        try:
            signed = URLSafeTimedSerializer("the key").loads(shown)
        except BadSignature:
            return 403, "Forbidden"
        if got.method == "GET":
            return (200, {"id": 7, "mode": self.mode, "text": self.text}) if self.mode else (404, "Not Found")
        if signed != 7 or self.mode is None:
            return 404, "Not Found"
        before = (self.mode, self.text)
        if action[0] == "activate":
            self.mode = 1
        elif action[0] == "edit":
            self.text = sent["text"]
        else:
            self.mode = None
        self.changes += before != (self.mode, self.text)
        return 200, "done"


class BloggerBlog(Blog):
    kind, known, unknown = "blogger", "blogger:5/7", "blogger:5/8"
    wrong: ClassVar = {"refresh_token": "not it"}
    words: ClassVar = {"public": "LIVE", "waiting": "PENDING", "spam": "SPAM", "removed": "EMPTIED"}

    def config(self) -> dict[str, str]:
        named = {"blog_id": "3", "client_id": "us", "client_secret": "ours", "refresh_token": "theirs"}
        return {**named, "api": self.base, "tokens": f"{self.base}/token"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        if path == "/token":
            return self._token(sent)
        if got.headers.get("authorization") != "Bearer let us in":
            return 401, {"error": {"code": 401}}
        if path == "/v3/blogs/3/comments":
            return self._listed(query, [value for name, value in parse_qsl(urlsplit(got.path).query) if name == "status"])
        described = {
            "/v3/users/self/blogs/3": {"kind": "blogger#blogUserInfo", "blog_user_info": {"hasAdminAccess": True}},
            "/v3/blogs/3/posts/5": {"id": "5", "url": f"{self.base}/arms.html", "title": "Arms &amp; the treaty"},
        }
        if (number := path.removeprefix("/v3/blogs/3/posts/")).isdigit():
            described.setdefault(path, {"id": number, "url": f"{self.base}/{number}.html", "title": f"Post {number}"})
        if path in described:
            return 200, described[path]
        rest = path.removeprefix("/v3/blogs/3/posts/5/comments/7")
        moves = {"/approve": "public", "/spam": "spam", "/removecontent": "removed"}
        if not path.startswith("/v3/blogs/3/posts/5/comments/7") or (rest and rest not in moves):
            return 404, {"error": {"code": 404}}
        if rest:
            self.move(moves[rest])
        return 200, {"kind": "blogger#comment", "id": "7", "status": self.words[self.place]}

    def _token(self, sent: Any) -> Reply:
        if (sent["client_id"], sent["client_secret"]) != ("us", "ours"):
            return 401, {"error": "invalid_client", "error_description": "The OAuth client was not found."}
        if sent["refresh_token"] != "theirs":
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "let us in", "expires_in": 3599, "token_type": "Bearer"}

    def _listed(self, query: dict[str, str], statuses: list[str]) -> Reply:
        """List as Blogger does: the newest first, with a token for the next page, which does not last for ever."""
        assert query["fetchBodies"] == "true"
        since, at = datetime.fromisoformat(query["startDate"]), query.get("pageToken", "page-0")
        if not at.startswith("page-"):
            return 400, {"error": {"code": 400}}
        found = sorted((each for each in self.written if each.at >= since), key=lambda each: each.at, reverse=True)
        rows = [row for each in found if (row := self._row(each))["status"] in statuses]
        begin = int(at.removeprefix("page-"))
        end = begin + int(query["maxResults"])
        more = {"nextPageToken": f"page-{end}"} if end < len(rows) else {}
        return 200, {"kind": "blogger#commentList", "items": rows[begin:end], **more}

    def _row(self, each: Written) -> dict[str, Any]:
        return {
            "kind": "blogger#comment",
            "id": str(each.number),
            "status": "PENDING" if each.waiting else "LIVE",
            "post": {"id": str(each.post)},
            "blog": {"id": "3"},
            "published": each.at.isoformat(),
            "content": f"{each.text}<br>",
            "author": {"id": "1", "displayName": "Ann", "url": "https://www.blogger.com/profile/1"},
            **({"inReplyTo": {"id": str(each.parent)}} if each.parent else {}),
        }


class GhostBlog(Blog):
    kind, known, unknown = "ghost", "64f0c3b1a7e2d90001aa0007", "64f0c3b1a7e2d90001aa0008"
    wrong: ClassVar = {"token": "64f0:beef"}
    lists = True

    def config(self) -> dict[str, str]:
        return {"url": self.base, "token": "64f0:c0ffee"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        signed, _, signature = got.headers.get("authorization", "").removeprefix("Ghost ").rpartition(".")
        expected = base64.urlsafe_b64encode(hmac.digest(bytes.fromhex("c0ffee"), signed.encode(), "sha256")).rstrip(b"=")
        head, body = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in signed.split("."))
        if signature.encode() != expected or (head["kid"], head["alg"]) != ("64f0", "HS256"):
            return 401, {"errors": [{"type": "UnauthorizedError"}]}
        assert (body["aud"], body["exp"] - body["iat"]) == ("/admin/", 300)
        comment = {"id": self.known, "status": "published" if self.visible else "hidden"}
        if path == "/ghost/api/admin/site/":
            return 200, {"site": {"title": "A blog", "version": "5.130"}}
        if got.method == "GET" and self.lists:
            wanted = query.get("filter", f"id:[{self.known}]")
            return 200, {"comments": [comment] if self.known in wanted else [], "meta": {}}
        if path != f"/ghost/api/admin/comments/{self.known}/":
            return 404, {"errors": [{"type": "NotFoundError"}]}
        self.move("public" if sent["comments"][0]["status"] == "published" else "hidden")
        return 200, {"comments": [{**comment, "status": sent["comments"][0]["status"]}]}


class DisqusBlog(Blog):
    kind, known, unknown = "disqus", "7", "8"
    wrong: ClassVar = {"access_token": "not it"}

    def config(self) -> dict[str, str]:
        return {"forum": "blog", "api_key": "k", "api_secret": "s", "access_token": "t", "api": self.base}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        given = {**query, **sent}
        if (given.get("api_key"), given.get("api_secret"), given.get("access_token")) != ("k", "s", "t"):
            return 401, {"code": 18, "response": "Invalid token"}
        call = path.removeprefix("/api/3.0/posts/").removesuffix(".json")
        if call == "list":
            return 200, {"code": 0, "response": []}
        if given["post"] != "7":
            return 400, {"code": 2, "response": "Invalid argument, 'post'"}
        if call == "details":
            post = {"id": "7", "isApproved": self.visible, "isSpam": self.place == "spam", "isDeleted": self.place == "removed"}
            return 200, {"code": 0, "response": post}
        assert got.method == "POST"
        moves = {"approve": "public", "spam": "spam", "remove": "removed", "restore": "waiting"}
        self.move(moves[call])
        return 200, {"code": 0, "response": [{"id": "7"}]}


class DiscourseBlog(Blog):
    kind, known, unknown = "discourse", "7", "8"
    wrong: ClassVar = {"api_key": "not it"}

    def config(self) -> dict[str, str]:
        return {"url": self.base, "username": "tidegate", "api_key": "k"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        if (got.headers.get("api-key"), got.headers.get("api-username")) != ("k", "tidegate"):
            return 403, {"errors": ["not allowed"]}
        if path == "/review.json":
            waiting = self.place == "waiting" and query.get("topic_id") == "4"
            return 200, self._reviewables() if waiting else {"reviewables": [], "bundled_actions": [], "actions": []}
        if path.startswith("/review/"):
            if query.get("version") != "3":
                return 409, {"errors": ["someone was faster"]}
            self.move("public" if path.endswith("disagree_and_restore") else "hidden")
            return 200, {"result": {"success": "OK"}}
        if path not in {"/posts/7.json", "/posts/7/recover", "/posts/7/unhide"}:
            return 404, {"errors": ["not found"]}
        if got.method == "DELETE":
            self.move("deleted")
        elif got.method == "PUT":
            # Each undoes its own, and leaves the other as it is.
            assert self.place == ("deleted" if path.endswith("recover") else "hidden")
            self.move("public")
        hidden = self.place in {"hidden", "waiting"}
        return 200, {"id": 7, "topic_id": 4, "hidden": hidden, "deleted_at": "2026-01-01" if self.place == "deleted" else None}

    def _reviewables(self) -> dict[str, Any]:
        """List as Discourse's serializers do: ids within each other, and what they are beside them."""
        kinds = {"post-disagree_and_restore": ["disagree_and_restore"], "12-agree": ["delete_and_agree", "agree_and_keep_hidden"]}
        other = {"id": 11, "type": "ReviewableFlaggedPost", "version": 0, "post_id": 6, "bundled_action_ids": ["11-agree"]}
        item = {"id": 12, "type": "ReviewableFlaggedPost", "version": 3, "post_id": 7, "bundled_action_ids": list(kinds)}
        names = {name for each in kinds.values() for name in each}
        return {
            "reviewables": [other, item],
            "bundled_actions": [
                {"id": "11-agree", "action_ids": ["post-delete_user"]},
                *({"id": each, "action_ids": [f"post-{name}" for name in named]} for each, named in kinds.items()),
            ],
            "actions": [{"id": f"post-{name}", "action_name": name, "server_action": name, "label": name} for name in names],
        }


@dataclass(slots=True)
class CoralComment:
    """A comment in Coral, whose text is HTML there."""

    id: str
    body: str
    author: str = "u-1"
    status: str = "SYSTEM_WITHHELD"
    written: datetime = field(default_factory=lambda: datetime.now(UTC))
    revision: str = "r-1"

    def as_coral_has_it(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status,
            "createdAt": self.written.isoformat().replace("+00:00", "Z"),
            "author": {"id": self.author},
            "revision": {"id": self.revision, "body": self.body},
        }


class CoralBlog(Blog):
    """Runs each question against Coral's own schema; ``knows_reasons`` is false of the versions before 2023."""

    kind, known, unknown = "coral", "c-7", "c-8"
    wrong: ClassVar = {"token": "not it"}
    page = 50

    def __init__(self, base: str) -> None:
        super().__init__(base)
        self.role = "ADMIN"
        self.asked = 0
        self.knows_reasons = True
        self.comments = [CoralComment("c-7", "the text")]
        self.reasons: list[Any] = []
        self.schema = build_schema(Path(__file__).with_name("coral.graphql").read_text())

    def config(self) -> dict[str, str]:
        return {"url": self.base, "token": "eyJhbGciOiJIUzI1NiJ9.tidegate.signature"}

    @property
    def visible(self) -> bool:
        return self.comments[0].status in {"NONE", "APPROVED"}

    def respond(self, got: Got, path: str, query: dict[str, str], sent: Any) -> Reply:
        self.asked += 1
        if path != "/api/graphql":
            return 404, "<html>not found</html>"
        if got.headers.get("authorization") != "Bearer eyJhbGciOiJIUzI1NiJ9.tidegate.signature":
            return 200, self._error("TOKEN_INVALID")
        if self.role != "ADMIN":
            return 200, self._error("RAW_QUERY_NOT_AUTHORIZED")
        if not self.knows_reasons and "reason" in sent["variables"].get("input", {}):
            return 400, {"errors": [{"message": 'Field "reason" is not defined', "extensions": {"code": "BAD_USER_INPUT"}}]}
        done = graphql_sync(self.schema, sent["query"], self._root(), variable_values=sent["variables"])
        return 200, done.formatted

    def _error(self, code: str) -> dict[str, Any]:
        return {"errors": [{"message": code, "extensions": {"code": code, "type": "INVALID_REQUEST_ERROR"}}], "data": None}

    def _root(self) -> dict[str, Any]:
        return {
            "viewer": {"id": "admin", "role": self.role},
            "comment": lambda _info, id: next((each.as_coral_has_it() for each in self.comments if each.id == id), None),  # noqa: A006
            "comments": self._listed,
            "approveComment": lambda _info, input: self._changed(input, "APPROVED"),  # noqa: A006
            "rejectComment": lambda _info, input: self._changed(input, "REJECTED"),  # noqa: A006
        }

    def _listed(self, _info: Any, *, first: int, after: str, storyID: str, orderBy: str) -> dict[str, Any]:  # noqa: N803
        assert (first, orderBy) == (50, "CREATED_AT_DESC")
        before = datetime.fromisoformat(after)
        found = sorted((each for each in self.comments if each.written < before), key=lambda each: each.written, reverse=True)
        found = found if storyID == "s-1" else []
        listed = [each.as_coral_has_it() for each in found[: self.page]]
        end = listed[-1]["createdAt"] if listed else None
        return {
            "nodes": listed,
            "pageInfo": {"hasNextPage": len(found) > self.page, "hasPreviousPage": False, "endCursor": end},
        }

    def _changed(self, given: dict[str, Any], status: str) -> dict[str, Any]:
        comment = next((each for each in self.comments if each.id == given["commentID"]), None)
        if comment is None or comment.revision != given["commentRevisionID"]:
            return {"comment": None, "clientMutationId": given["clientMutationId"]}
        self.changes += comment.status != status
        comment.status = status
        self.reasons.append(given.get("reason"))
        return {"comment": comment.as_coral_has_it(), "clientMutationId": given["clientMutationId"]}


BLOGS: tuple[type[Blog], ...] = (WordPressBlog, IssoBlog, BloggerBlog, GhostBlog, DisqusBlog, DiscourseBlog, CoralBlog)
