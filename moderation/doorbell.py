"""The doorbell: tells a worker that there is work, and carries nothing else.

``SET bell:<kind> NX PX 1000`` keeps a burst of comments from filling Redis with messages: only the
ring that set the key sends a Celery message, and the task deletes the key before it looks for work,
so that a ring after its look is never swallowed. Losing, doubling or forging a ring costs nothing,
because workers and the relay also look by themselves.
"""

from collections.abc import Callable
from typing import Protocol

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from moderation.breaker import Breaker, Open

log = structlog.get_logger(__name__)

BELL_MS = 1000
QUEUES = {"moderate": "moderate", "explain": "moderate", "notify": "deliver", "publish": "deliver", "message": "deliver"}
"""The task queue whose workers do each kind of job."""

TASKS = {"moderate": "workers.tasks.moderate", "deliver": "workers.tasks.deliver"}

CONNECT_TIMEOUT = 0.05
TIMEOUT = 0.1
"""Seconds; the budget of a request for all of Redis is 100 ms, and the breaker makes a second time-out rare."""

FAILURES = (RedisError, OperationalError, OSError)


class Doorbell(Protocol):
    """Wakes the workers for a kind of job; never raises, because a missed ring is no fault."""

    def ring(self, kind: str) -> None:
        """Wake a worker that does this kind of job."""
        ...

    def answer(self, queue: str) -> None:
        """Take note that a worker of that queue is about to look, so that the next ring is heard."""
        ...


class NoDoorbell:
    """For an installation without Redis: the workers look for themselves."""

    def ring(self, kind: str) -> None:
        """Do nothing."""

    def answer(self, queue: str) -> None:
        """Do nothing."""


class CeleryDoorbell:
    """Rings with a Celery message on Redis."""

    def __init__(self, app: Celery, redis: Redis, breaker: Breaker, *, prefix: str) -> None:
        self._app = app
        self._redis = redis
        self._breaker = breaker
        self._prefix = prefix

    def ring(self, kind: str) -> None:
        """Send one message unless another one of the last second is still unanswered."""
        queue = QUEUES[kind]
        try:
            self._breaker.call(lambda: self._send(queue), failures=FAILURES)
        except (*FAILURES, Open) as error:
            log.debug("bell_not_rung", kind=kind, error=type(error).__name__)

    def answer(self, queue: str) -> None:
        """Take the key away before looking for work, so that the next ring is heard."""
        try:
            self._breaker.call(lambda: self._redis.delete(self._key(queue)), failures=FAILURES)
        except (*FAILURES, Open) as error:
            log.debug("bell_not_answered", queue=queue, error=type(error).__name__)

    def _send(self, queue: str) -> None:
        if self._redis.set(self._key(queue), b"1", nx=True, px=BELL_MS):
            self._app.send_task(TASKS[queue], queue=queue, ignore_result=True)

    def _key(self, queue: str) -> str:
        return f"{self._prefix}bell:{queue}"


def producer(redis_url: str, *, prefix: str) -> Celery:
    """Return a Celery application that only sends, and gives up at once: a ring is worth no waiting."""
    app = Celery("tidegate", broker=redis_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        task_ignore_result=True,
        result_backend=None,
        task_publish_retry=True,
        # With retry=False kombu blocks for seconds on a dead server; "retry, zero times" fails at once (measured).
        task_publish_retry_policy={"max_retries": 0},
        broker_connection_timeout=TIMEOUT,
        broker_pool_acquire_timeout=TIMEOUT,
        broker_transport_options={
            "max_retries": 0,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": TIMEOUT,
            "priority_steps": [0],
            "global_keyprefix": prefix,
        },
    )
    return app


def connect(redis_url: str) -> Redis:
    """Return a Redis client whose every call ends within the time-outs above; connects lazily."""
    return Redis.from_url(
        redis_url, socket_connect_timeout=CONNECT_TIMEOUT, socket_timeout=TIMEOUT, retry=None, health_check_interval=0
    )


def doorbell(redis_url: str | None, breaker: Breaker, *, prefix: str) -> "CeleryDoorbell | NoDoorbell":
    """Return the doorbell for an installation with or without Redis."""
    if redis_url is None:
        return NoDoorbell()
    return CeleryDoorbell(producer(redis_url, prefix=prefix), connect(redis_url), breaker, prefix=prefix)


Ring = Callable[[str], None]
