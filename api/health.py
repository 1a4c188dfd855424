"""Is it alive, is it ready, and what do the numbers say."""

import ipaddress
from typing import Any

import structlog
from flask import Blueprint, Response, request
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from api import metrics
from api.auth import PUBLIC, needs
from api.context import Context, context
from api.errors import Problem
from moderation import migrations
from moderation.breaker import Open
from moderation.database import ping
from moderation.services import processes

log = structlog.get_logger(__name__)

blp = Blueprint("health", __name__)

SCHEMA = "schema"


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
def numbers() -> Response:
    """Return counters and gauges for Prometheus; to this machine alone unless the operator opened it."""
    here = context()
    if not here.runtime.settings.metrics_public and not _from_here():
        raise Problem(404, "no-such-route", "Metrics are for this machine alone; see TIDEGATE_METRICS_PUBLIC.")
    return Response(metrics.exposition(here.runtime.database), content_type=metrics.CONTENT_TYPE)


def _database(here: Context) -> str:
    try:
        with here.runtime.database.reading() as session:
            ping(session)
        if SCHEMA in here.seen_well:
            return "ok"
        present, wanted = migrations.state(here.runtime.database)
    except SQLAlchemyError as error:
        log.warning("not_ready", part="database", error=type(error).__name__)
        return f"cannot be reached ({type(error).__name__})"
    if present == wanted:
        # It stays so while this release runs, and to find out reads files: not with every request of a stranger.
        here.seen_well.add(SCHEMA)
        return "ok"
    return f"has schema {present}, this release needs {wanted}: run tidegate migrate"


def _workers(here: Context) -> dict[str, str]:
    with here.runtime.database.reading() as session:
        alive = {
            kind for found in processes.alive(session, now=here.runtime.database.now(session)) for kind in found.kind.split("+")
        }
    return {kind: "ok" if kind in alive else "no such process was heard of lately" for kind in metrics.WORKERS}


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
