"""Is it alive, is it ready, and what do the numbers say."""

import ipaddress
from typing import Any

import structlog
from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from api.auth import PUBLIC, needs
from api.context import Context, context
from api.errors import Problem
from moderation import migrations
from moderation.breaker import Open
from moderation.database import ping
from moderation.models import Case, Comment, Delivery, DeliveryState, Event, Job, JobKind, Status
from moderation.services import processes

log = structlog.get_logger(__name__)

blp = Blueprint("health", __name__)

WORKERS = ("moderate", "deliver", "relay")


@blp.get("/healthz")
@needs(PUBLIC)
def healthz() -> dict[str, str]:
    """Say that this process answers."""
    return {"status": "alive"}


@blp.get("/readyz")
@needs(PUBLIC)
def readyz() -> tuple[dict[str, Any], int]:
    """Say whether comments are taken in and decided, and if not, what is wrong.

    Without a worker comments are still taken in, so that is a 503 for a human's eye only; a missing Redis is slower and no fault.
    """
    here = context()
    checks: dict[str, str] = {"database": _database(here)}
    if checks["database"] == "ok":
        checks |= _workers(here)
    checks["models"] = here.models.state
    notices = {"redis": _redis(here)}
    ready = all(found == "ok" for found in checks.values())
    return {"status": "ready" if ready else "not ready", "checks": checks, "notices": notices}, 200 if ready else 503


@blp.get("/metrics")
@needs(PUBLIC)
def metrics() -> Response:
    """Return gauges read from the database, for Prometheus; to this machine alone unless the operator opened it."""
    here = context()
    if not here.runtime.settings.metrics_public and not _from_here():
        raise Problem(404, "no-such-route", "Metrics are for this machine alone; see TIDEGATE_METRICS_PUBLIC.")
    registry = CollectorRegistry()
    registry.register(_Gauges(here))
    return Response(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


def _database(here: Context) -> str:
    try:
        with here.runtime.database.reading() as session:
            ping(session)
        present, wanted = migrations.state(here.runtime.database)
    except SQLAlchemyError as error:
        log.warning("not_ready", part="database", error=type(error).__name__)
        return f"cannot be reached ({type(error).__name__})"
    return "ok" if present == wanted else f"has schema {present}, this release needs {wanted}: run tidegate migrate"


def _workers(here: Context) -> dict[str, str]:
    with here.runtime.database.reading() as session:
        alive = {
            kind for found in processes.alive(session, now=here.runtime.database.now(session)) for kind in found.kind.split("+")
        }
    return {kind: "ok" if kind in alive else "no such process was heard of lately" for kind in WORKERS}


def _redis(here: Context) -> str:
    redis = here.runtime.redis
    if redis is None:
        return "none: workers look for work by themselves"
    try:
        here.runtime.breaker.call(redis.ping, failures=(RedisError, OSError))
    except (RedisError, OSError, Open) as error:
        return f"cannot be reached ({type(error).__name__}): workers look for work by themselves"
    return "ok"


def _from_here() -> bool:
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


class _Gauges:
    """What the database says at the moment it is asked."""

    def __init__(self, here: Context) -> None:
        self._here = here

    def collect(self) -> Any:
        """Yield the metric families."""
        database = self._here.runtime.database
        with database.reading() as session:
            now = database.now(session)
            jobs = dict(session.execute(select(Job.kind, func.count()).group_by(Job.kind)).all())
            oldest = session.scalar(select(func.min(Job.created_at)).where(Job.kind == JobKind.MODERATE))
            cases = session.scalar(select(func.count()).select_from(Case).where(Case.closed_at.is_(None))) or 0
            dead = session.scalar(select(func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.DEAD)) or 0
            unplaced = session.scalar(select(func.count()).select_from(Event).where(Event.feed_pos.is_(None))) or 0
            pending = session.scalar(select(func.count()).select_from(Comment).where(Comment.status == Status.PENDING)) or 0
            alive = processes.alive(session, now=now)
        depth = GaugeMetricFamily("tidegate_jobs", "Jobs that are not finished", labels=["kind"])
        for kind in JobKind:
            depth.add_metric([str(kind)], jobs.get(kind, 0))
        yield depth
        running = GaugeMetricFamily("tidegate_processes", "Processes heard of lately", labels=["kind"])
        for worker in WORKERS:
            running.add_metric([worker], sum(worker in found.kind.split("+") for found in alive))
        yield running
        waited = (now - oldest).total_seconds() if oldest else 0.0
        yield GaugeMetricFamily("tidegate_oldest_pending_seconds", "Age of the oldest comment to be judged", value=waited)
        yield GaugeMetricFamily("tidegate_comments_pending", "Comments to be judged", value=pending)
        yield GaugeMetricFamily("tidegate_cases_open", "Cases that wait for a human", value=cases)
        yield GaugeMetricFamily("tidegate_deliveries_dead", "Deliveries given up", value=dead)
        yield GaugeMetricFamily("tidegate_events_unplaced", "Events without a place in the feed", value=unplaced)
