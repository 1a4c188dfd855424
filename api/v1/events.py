"""The feed: every event of a site in order, to be pulled or streamed, so that nobody depends on a webhook alone."""

from typing import Any

from flask import Response, request
from flask.views import MethodView

from api.auth import needs, principal
from api.context import blueprint, context
from api.errors import RETRY_AFTER, Problem
from api.schemas.endpoint import EventsOut, EventsQuery, StreamQuery
from api.streams import Full, as_public
from moderation.services import endpoints

blp = blueprint("events", "", "The feed of events")

LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "integer", "minimum": 0},
    "description": "the id of the last event that was read; browsers send it when they come back",
}


@blp.route("/events")
class Events(MethodView):
    """The feed, pulled."""

    @blp.arguments(EventsQuery, location="query")
    @blp.response(200, EventsOut)
    @needs("events:read")
    def get(self, query: dict[str, Any]) -> Any:
        """Read events behind a position, oldest first."""
        with context().runtime.database.reading() as session:
            found = endpoints.feed(session, principal().site_id, after=query["after"], limit=query["limit"])
        return {"items": [as_public(event) for event in found], "next": found[-1].feed_pos if found else query["after"]}


@blp.route("/stream")
class Stream(MethodView):
    """The feed, streamed."""

    @blp.doc(parameters=[LAST_EVENT_ID])
    @blp.arguments(StreamQuery, location="query")
    @blp.response(200, content_type="text/event-stream")
    @needs("events:read")
    def get(self, query: dict[str, Any]) -> Any:
        """Stream events as they get their place.

        Begins behind ``Last-Event-ID``, else behind ``after``, else with what happens from now on. Ends after a minute; a reader
        comes back by itself.
        """
        position = _position(query.get("after"))
        try:
            body = context().hub.stream(principal().site_id, position)
        except Full:
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise Problem(503, "too-many-streams", "All streams are taken; read /v1/events meanwhile.", headers=headers) from None
        return Response(body, content_type="text/event-stream", headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def _position(after: int | None) -> int:
    last = request.headers.get("Last-Event-ID", "")
    if last.isascii() and last.isdecimal() and len(last) < 19:
        return int(last)
    if after is not None:
        return after
    with context().runtime.database.reading() as session:
        return endpoints.feed_end(session, principal().site_id)
