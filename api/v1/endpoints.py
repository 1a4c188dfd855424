"""Endpoints: addresses that are told of a site's events, and how their deliveries fare."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.auth import by, needs, principal
from api.context import blueprint, context
from api.schemas.endpoint import (
    DeliveriesOut,
    DeliveriesQuery,
    DeliveryOut,
    EndpointIn,
    EndpointOut,
    EndpointPatch,
    EndpointsOut,
    ReplayIn,
    ReplayOut,
)
from moderation.ids import read, show
from moderation.models import Attempt, Delivery, DeliveryState, Endpoint
from moderation.services import endpoints
from moderation.services.events import iso

blp = blueprint("endpoints", "/endpoints", "Webhook endpoints")
sending = blueprint("deliveries", "/deliveries", "Webhook deliveries")


@blp.route("")
class Endpoints(MethodView):
    """All endpoints of a site."""

    @blp.response(200, EndpointsOut)
    @needs("endpoints:read")
    def get(self) -> Any:
        """List the endpoints."""
        with context().runtime.database.reading() as session:
            return {"items": [_shown(found) for found in endpoints.page(session, principal().site_id)]}

    @blp.arguments(EndpointIn)
    @blp.response(201, EndpointOut)
    @needs("endpoints:manage")
    def post(self, asked: dict[str, Any]) -> Any:
        """Subscribe an address; the answer has the secret to verify its webhooks by, shown this once."""
        here = context()
        # Asks the resolver, so before the transaction.
        here.guard.check(asked["url"])
        made = here.runtime.database.transact(
            lambda session: endpoints.create(
                session,
                principal().site_id,
                url=asked["url"],
                guard=here.guard,
                secret=here.runtime.settings.secret,
                by=by(),
                now=here.runtime.clock.now(),
                event_types=asked["event_types"],
                include_text=asked["include_text"],
            )
        )
        return {**_shown(made.endpoint), "secret": made.secret}


@blp.route("/<endpoint_id>")
class OneEndpoint(MethodView):
    """One endpoint."""

    @blp.response(200, EndpointOut)
    @needs("endpoints:read")
    def get(self, endpoint_id: str) -> Any:
        """Show an endpoint."""
        with context().runtime.database.reading() as session:
            return _shown(endpoints.find(session, principal().site_id, read("endpoint", endpoint_id)))

    @blp.arguments(EndpointPatch)
    @blp.response(200, EndpointOut)
    @needs("endpoints:manage")
    def patch(self, asked: dict[str, Any], endpoint_id: str) -> Any:
        """Change an endpoint; ``state`` pauses it or resumes it with all that waited."""
        here = context()
        number = read("endpoint", endpoint_id)
        state = asked.pop("state", None)
        if "url" in asked:
            here.guard.check(asked["url"])

        def unit(session: Any) -> dict[str, Any]:
            now = here.runtime.clock.now()
            site_id = principal().site_id
            if asked:
                endpoints.update(session, site_id, number, guard=here.guard, by=by(), now=now, **asked)
            if state == "paused":
                endpoints.pause(session, site_id, number, by=by(), now=now)
            elif state == "active":
                endpoints.resume(session, site_id, number, by=by(), now=now)
            return _shown(endpoints.find(session, site_id, number))

        return here.runtime.database.transact(unit)

    @blp.response(204)
    @needs("endpoints:manage")
    def delete(self, endpoint_id: str) -> Any:
        """Unsubscribe an address; what it did not get stays in the feed."""
        runtime = context().runtime
        number = read("endpoint", endpoint_id)
        runtime.database.transact(
            lambda session: endpoints.delete(session, principal().site_id, number, by=by(), now=runtime.clock.now())
        )
        return Response(status=HTTPStatus.NO_CONTENT)


@blp.route("/<endpoint_id>/rotate")
class Rotation(MethodView):
    """A new secret."""

    @blp.response(200, EndpointOut)
    @needs("endpoints:manage")
    def post(self, endpoint_id: str) -> Any:
        """Give an endpoint a new secret; for a day the old one signs too."""
        runtime = context().runtime
        number = read("endpoint", endpoint_id)
        made = runtime.database.transact(
            lambda session: endpoints.rotate(
                session,
                principal().site_id,
                number,
                secret=runtime.settings.secret,
                by=by(),
                now=runtime.clock.now(),
            )
        )
        return {**_shown(made.endpoint), "secret": made.secret}


@blp.route("/<endpoint_id>/test")
class Trial(MethodView):
    """A trial event."""

    @blp.response(202, DeliveryOut)
    @needs("endpoints:manage")
    def post(self, endpoint_id: str) -> Any:
        """Send an event that means nothing; its delivery shows what came of it."""
        runtime = context().runtime
        number = read("endpoint", endpoint_id)
        return _delivery(
            runtime.database.transact(
                lambda session: endpoints.test(session, principal().site_id, number, now=runtime.clock.now())
            )
        )


@sending.route("")
class Deliveries(MethodView):
    """All deliveries of a site."""

    @sending.arguments(DeliveriesQuery, location="query")
    @sending.response(200, DeliveriesOut)
    @needs("endpoints:read")
    def get(self, query: dict[str, Any]) -> Any:
        """List deliveries, newest first."""
        limit = query["limit"]
        with context().runtime.database.reading() as session:
            found = endpoints.deliveries(
                session,
                principal().site_id,
                endpoint_id=read("endpoint", query["endpoint"]) if "endpoint" in query else None,
                state=DeliveryState(query["state"]) if "state" in query else None,
                before=read("delivery", query["after"]) if "after" in query else None,
                limit=limit + 1,
            )
        following = show("delivery", found[limit - 1].id) if len(found) > limit else None
        return {"items": [_delivery(delivery) for delivery in found[:limit]], "next": following}


@sending.route("/<delivery_id>")
class OneDelivery(MethodView):
    """One delivery."""

    @sending.response(200, DeliveryOut)
    @needs("endpoints:read")
    def get(self, delivery_id: str) -> Any:
        """Show a delivery with each attempt."""
        number = read("delivery", delivery_id)
        with context().runtime.database.reading() as session:
            delivery = endpoints.delivery(session, principal().site_id, number)
            tries = endpoints.attempts(session, principal().site_id, number)
        return {**_delivery(delivery), "tries": [_attempt(attempt) for attempt in tries]}


@sending.route("/<delivery_id>/replay")
class Replay(MethodView):
    """One delivery, again."""

    @sending.response(202, DeliveryOut)
    @needs("endpoints:manage")
    def post(self, delivery_id: str) -> Any:
        """Send a delivery again under the same webhook-id."""
        runtime = context().runtime
        number: UUID = read("delivery", delivery_id)
        return _delivery(
            runtime.database.transact(
                lambda session: endpoints.replay(session, principal().site_id, number, by=by(), now=runtime.clock.now())
            )
        )


@sending.route("/replay")
class ReplayMany(MethodView):
    """Many deliveries, again."""

    @sending.arguments(ReplayIn)
    @sending.response(202, ReplayOut)
    @needs("endpoints:manage")
    def post(self, asked: dict[str, Any]) -> Any:
        """Send all dead deliveries again, or with ``since`` also what was delivered from then on."""
        runtime = context().runtime
        done = runtime.database.transact(
            lambda session: endpoints.replay_many(
                session,
                principal().site_id,
                by=by(),
                now=runtime.clock.now(),
                endpoint_id=read("endpoint", asked["endpoint"]) if asked["endpoint"] else None,
                since=asked["since"],
                after=read("delivery", asked["after"]) if asked["after"] else None,
            )
        )
        return {"replayed": done.count, "next": show("delivery", done.next) if done.next else None}


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": show("endpoint", endpoint.id),
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "include_text": endpoint.include_text,
        "state": str(endpoint.state),
        "state_reason": endpoint.state_reason,
        "failures": endpoint.failures,
        "created_at": iso(endpoint.created_at),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": show("delivery", delivery.id),
        "event_id": show("event", delivery.event_id),
        "endpoint_id": show("endpoint", delivery.endpoint_id),
        "comment_id": show("comment", delivery.comment_id) if delivery.comment_id else None,
        "seq": delivery.seq,
        "state": str(delivery.state),
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
        "created_at": iso(delivery.created_at),
        "finished_at": iso(delivery.finished_at) if delivery.finished_at else None,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": iso(attempt.created_at),
        "duration_ms": attempt.duration_ms,
        "response_status": attempt.response_status,
        "error": attempt.error,
        "response_excerpt": attempt.response_excerpt,
    }
