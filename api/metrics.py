"""What Prometheus is told: the requests as the server's processes counted them, and the work as the database has it.

Each process counts in a file of its own (``run/metrics``, see gunicorn.py) and whichever is asked adds them all up, so that it
does not matter which one that is. No label holds anything that a caller chose.
"""

import time
from collections.abc import Iterator

from flask import Response, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MutexValue, ValueClass
from sqlalchemy import func, select

from moderation.database import Database
from moderation.models import Case, Comment, Delivery, DeliveryState, Event, Job, JobKind, Status
from moderation.services import processes

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
WORKERS = ("moderate", "deliver", "relay")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("tidegate_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("tidegate_request_seconds", "Time to the answer's first byte", ["route"], buckets=BUCKETS)


def count(response: Response) -> Response:
    """Count the request at hand and the time it took."""
    route = request.url_rule.rule if request.url_rule is not None else "none"
    method = request.method if request.method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} else "other"
    REQUESTS.labels(method, route, str(response.status_code)).inc()
    if "began" in g:
        SECONDS.labels(route).observe(time.perf_counter() - g.began)
    return response


def exposition(database: Database) -> bytes:
    """Return all metrics in Prometheus' text format; raises what the database raises."""
    counted: CollectorRegistry = REGISTRY
    if ValueClass is not MutexValue:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    work = CollectorRegistry()
    work.register(_Work(database))
    return generate_latest(counted) + generate_latest(work)


class _Work(Collector):
    """What the database says at the moment it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metric families."""
        with self._database.reading() as session:
            now = self._database.now(session)
            jobs = {row[0]: row[1] for row in session.execute(select(Job.kind, func.count()).group_by(Job.kind))}
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
