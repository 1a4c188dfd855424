"""The Celery application of the workers: what each setting is for stands beside it (celery 5.7, kombu 5.7).

Messages are doorbells without content. They may be lost, doubled or forged at no cost, because the work is in the database's job
table; so most settings here keep a worker awake and its end orderly, and none of them keeps data safe.
"""

from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.entity import Exchange, Queue

from moderation import logs
from moderation.config import Settings

TIME_LIMIT = 60.0
"""Seconds that one piece of work may take, as a task or in a thread (see watchdog.py)."""

VISIBILITY_TIMEOUT = 120
"""Seconds until an unacknowledged ring is sent again: longer than any task may run."""


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the settings of the workers' Celery application."""
    return {
        # Without Redis there is nobody to listen to: the fallback thread does all the work.
        "broker_url": settings.redis_url or "memory://",
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_TIMEOUT,
            # The two multiply to the seconds between sweeps for rings that a killed worker left behind.
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            # One list per queue: four lists in a fixed order would starve the last.
            "priority_steps": [0],
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
            "socket_keepalive": True,
            # Notices a half-open connection, which otherwise stays deaf for minutes.
            "health_check_interval": 10,
            "retry_on_timeout": False,
            # Another application in the same Redis must not share our queues, nor its shorter visibility time-out.
            "global_keyprefix": settings.redis_prefix,
            "client_name": "tidegate-worker",
        }
        if settings.redis_url
        else {},
        "visibility_timeout": VISIBILITY_TIMEOUT,
        # A ring is acknowledged after the work, so that a killed child's ring comes back at once.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # A failed or timed-out task must not come back for ever: leases and attempts in the database see to the repetition.
        "task_acks_on_failure": True,
        "task_acks_on_timeout": True,
        # Nobody reads results, and stored ones would fill Redis.
        "task_ignore_result": True,
        "result_backend": None,
        "task_store_errors_even_if_ignored": False,
        "task_time_limit": TIME_LIMIT,
        "task_soft_time_limit": 45,
        # A misspelt queue is an error, not a queue that nobody reads.
        "task_create_missing_queues": False,
        # 0 would mean "without limit".
        "worker_prefetch_multiplier": 1,
        # Nothing here is ever sent with an eta; this bounds the memory that a forged message could take.
        "worker_eta_task_limit": 50,
        # Would leave a worker throttled after a reconnect.
        "worker_enable_prefetch_count_reduction": False,
        # The fence makes a double run harmless; cancelling would cost a reload of the model.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Lets a task finish on SIGQUIT (to which SIGTERM is remapped) and gives its ring back otherwise. An idle worker ends at
        # once: the pause would only protect unacknowledged rings, which may be lost.
        "worker_soft_shutdown_timeout": 20.0,
        "worker_enable_soft_shutdown_on_idle": False,
        # A forked child inherits locks of the model's threads; a spawned one starts clean.
        "worker_pool_start_method": "spawn",
        # Loading a model takes longer than the default of four seconds, and a child killed for that is respawned for ever.
        "worker_proc_alive_timeout": 120.0,
        # A task is a ring, of which a busy blog has twenty a second, and a new child takes seconds to load the models: every two
        # thousand, as for tasks that are work, is a pause each hundred seconds. What leaks is bounded by the memory below.
        "worker_max_tasks_per_child": 100_000,
        "worker_max_memory_per_child": 2_000_000,
        # Control and event traffic is where reconnects have crashed; the heartbeat is in the database.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        # For ever, and without giving up after the default of a hundred tries.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_pool_acquire_timeout": 1.0,
        # Pickle would run what a message says.
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_hijack_root_logger": False,
    }


def make(settings: Settings) -> Celery:
    """Return the application with its two queues and its tasks."""
    app = Celery("workers", include=["workers.tasks"], set_as_current=True)
    app.conf.update(configuration(settings))
    # Each with an exchange and a key of its own: without them both are bound to the default queue's, and each ring comes twice.
    app.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in ("moderate", "deliver")]  # type: ignore[no-untyped-call]
    app.conf.task_default_queue = "moderate"
    return app


@setup_logging.connect
def _log(**_: object) -> None:
    logs.configure(settings.log_level)


settings = Settings.from_env()
app = make(settings)
