"""Endpoints, deliveries and events on the wire."""

from marshmallow import Schema, fields, validate

from api.schemas.fields import Line, Moment, Number
from moderation.models import DeliveryState
from moderation.services.events import TYPES


class EndpointIn(Schema):
    """An address to announce events to."""

    url = Line(required=True, longest=2048, shortest=1)
    event_types = fields.List(fields.String(validate=validate.OneOf(TYPES)), load_default=list)
    include_text = fields.Boolean(load_default=False)


class EndpointPatch(Schema):
    """What to change about an endpoint."""

    url = Line(longest=2048, shortest=1)
    event_types = fields.List(fields.String(validate=validate.OneOf(TYPES)))
    include_text = fields.Boolean()
    state = fields.String(validate=validate.OneOf(["active", "paused"]))


class EndpointOut(Schema):
    """An endpoint; ``secret`` is shown when it is made or rotated and never again."""

    id = fields.String()
    url = fields.String()
    event_types = fields.List(fields.String())
    include_text = fields.Boolean()
    state = fields.String()
    state_reason = fields.String()
    failures = fields.Integer()
    created_at = fields.String()
    secret = fields.String()


class EndpointsOut(Schema):
    """All endpoints of a site."""

    items = fields.List(fields.Nested(EndpointOut))


class DeliveriesQuery(Schema):
    """Which deliveries."""

    state = fields.String(validate=validate.OneOf([str(state) for state in DeliveryState]))
    endpoint = Line(longest=64)
    after = Line(longest=64)
    limit = Number(load_default=50, least=1, most=200)


class AttemptOut(Schema):
    """One try."""

    number = fields.Integer()
    at = fields.String()
    duration_ms = fields.Integer()
    response_status = fields.Integer(allow_none=True)
    error = fields.String(allow_none=True)
    response_excerpt = fields.String()


class DeliveryOut(Schema):
    """An event on its way to an endpoint."""

    id = fields.String()
    event_id = fields.String(metadata={"description": "the webhook-id of every attempt"})
    endpoint_id = fields.String()
    comment_id = fields.String(allow_none=True)
    seq = fields.Integer(allow_none=True)
    state = fields.String()
    attempts = fields.Integer()
    last_error = fields.String(allow_none=True)
    created_at = fields.String()
    finished_at = fields.String(allow_none=True)
    tries = fields.List(fields.Nested(AttemptOut), metadata={"description": "only for a single delivery"})


class DeliveriesOut(Schema):
    """A page of deliveries, newest first."""

    items = fields.List(fields.Nested(DeliveryOut))
    next = fields.String(allow_none=True)


class ReplayIn(Schema):
    """Which deliveries to send again: all dead ones, or with ``since`` also those delivered from then on."""

    since = Moment(allow_none=True, load_default=None)
    endpoint = Line(longest=64, allow_none=True, load_default=None)
    after = Line(longest=64, allow_none=True, load_default=None)


class ReplayOut(Schema):
    """How many were put on their way again."""

    replayed = fields.Integer()
    next = fields.String(allow_none=True, metadata={"description": "there are more: give it as ``after``"})


class EventsQuery(Schema):
    """Where to go on in the feed."""

    after = Number(load_default=0, most=2**63 - 1)
    limit = Number(load_default=100, least=1, most=500)


class StreamQuery(Schema):
    """Where to begin to stream the feed."""

    after = Number(most=2**63 - 1, metadata={"description": "without it, and without Last-Event-ID, from now on"})


class EventOut(Schema):
    """Something that happened; ``position`` only grows and has no gaps that are filled later."""

    position = fields.Integer()
    id = fields.String()
    type = fields.String()
    timestamp = fields.String()
    data = fields.Dict()


class EventsOut(Schema):
    """A part of the feed, oldest first."""

    items = fields.List(fields.Nested(EventOut))
    next = fields.Integer(metadata={"description": "give it as ``after``; the same number again when there is nothing new"})
