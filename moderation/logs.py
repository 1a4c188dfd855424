"""Logs: one JSON object per line on standard error, of structlog and of the libraries alike; never a comment's text.

What a library logs with ``logging`` passes through the same renderer, so that a line break in a value cannot forge a line.
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo, Processor

# Without the local variables, which the transformer adds unless told otherwise: a comment's text is among them.
_transform = ExceptionDictTransformer(show_locals=False)


def _without_values(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """Return a traceback to be logged; PostgreSQL says in DETAIL and CONTEXT which values it refused, and that stays out."""
    shown = _transform(exc_info)
    for each in shown:
        each["exc_value"] = re.split(r"\n(?:DETAIL|CONTEXT):", each["exc_value"], maxsplit=1)[0]
    return shown


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(_without_values),
)


def configure(level: str) -> None:
    """Set up logging for this process at ``level`` (debug, info, warning or error)."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=list(_SHARED),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Of Celery what it tells of each message, too: a ring says nothing, and two lines for each cost as much as answering it.
    for chatty in (
        "alembic", "kombu", "celery.utils.functional", "celery.worker.strategy", "celery.app.trace", "httpx2", "httpcore2",
    ):  # fmt: skip
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
