"""Waiting for news without holding anything: one thread a process looks for everybody, and nobody keeps a connection.

Two kinds wait: requests with ``Prefer: wait`` for one comment's decision, and event streams for their site's feed. Both are few
and bounded, because each occupies a thread of the server.
"""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from moderation.ids import show
from moderation.models import Event
from moderation.runtime import Runtime
from moderation.services import comments, endpoints
from moderation.services.events import iso

log = structlog.get_logger(__name__)

STREAMS = 12
WAITERS = 8
STREAM_SECONDS = 60.0
RETRY_MS = 2000
WAIT_LOOK = 0.04
"""Seconds between two looks while a request waits: a decision is seen at most this late."""
STREAM_LOOK = 0.5
PAGE = 200
BACKLOG = 1000


class Full(Exception):
    """All places are taken."""


@dataclass(eq=False, slots=True)
class _Stream:
    site_id: UUID
    position: int
    events: "queue.Queue[Event | None]" = field(default_factory=lambda: queue.Queue(BACKLOG))


class Hub:
    """The one poller of a process; it runs only while somebody waits."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Condition()
        self._waiting: dict[UUID, list[threading.Event]] = {}
        self._streams: list[_Stream] = []
        self._thread: threading.Thread | None = None
        self._ending = False
        self._streamed_at = 0.0

    def wait(self, comment_id: UUID, seconds: float) -> bool:
        """Wait until a comment is decided; false when the time is up. Raises Full."""
        decided = threading.Event()
        with self._lock:
            if sum(len(events) for events in self._waiting.values()) >= WAITERS:
                raise Full
            self._waiting.setdefault(comment_id, []).append(decided)
            self._wake()
        try:
            return decided.wait(seconds)
        finally:
            with self._lock:
                events = self._waiting.get(comment_id, [])
                if decided in events:
                    events.remove(decided)
                if not events:
                    self._waiting.pop(comment_id, None)

    def stream(self, site_id: UUID, position: int) -> Iterator[bytes]:
        """Return a site's events behind a feed position as server-sent events, for up to a minute. Raises Full at once."""
        stream = _Stream(site_id, position)
        with self._lock:
            if len(self._streams) >= STREAMS:
                raise Full
            self._streams.append(stream)
            self._wake()
        return self._send(stream)

    def end(self) -> None:
        """Let everybody go."""
        with self._lock:
            self._ending = True
            for stream in self._streams:
                _put(stream, None)
            self._lock.notify_all()

    def _send(self, stream: _Stream) -> Iterator[bytes]:
        until = time.monotonic() + STREAM_SECONDS
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while (left := until - time.monotonic()) > 0:
                try:
                    event = stream.events.get(timeout=min(left, 15.0))
                except queue.Empty:
                    yield b": still here\n\n"
                    continue
                if event is None:
                    return
                yield server_sent(event)
        finally:
            with self._lock:
                if stream in self._streams:
                    self._streams.remove(stream)

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="hub", daemon=True)
            self._thread.start()
        self._lock.notify_all()

    def _poll(self) -> None:
        while True:
            with self._lock:
                while not self._waiting and not self._streams and not self._ending:
                    self._lock.wait()
                if self._ending:
                    return
                waiting = list(self._waiting)
                streams = list(self._streams)
            try:
                self._look(waiting, streams)
            except SQLAlchemyError as error:
                log.warning("hub_failed", error=type(error).__name__)
            time.sleep(WAIT_LOOK if waiting else STREAM_LOOK)

    def _look(self, waiting: list[UUID], streams: list[_Stream]) -> None:
        decided: set[UUID] = set()
        feeds: dict[UUID, list[Event]] = {}
        stream_due = bool(streams) and time.monotonic() >= self._streamed_at + STREAM_LOOK
        with self._runtime.database.reading() as session:
            if waiting:
                decided = comments.decided_among(session, waiting)
            if stream_due:
                self._streamed_at = time.monotonic()
                for site_id in {stream.site_id for stream in streams}:
                    behind = min(stream.position for stream in streams if stream.site_id == site_id)
                    feeds[site_id] = endpoints.feed(session, site_id, after=behind, limit=PAGE)
        with self._lock:
            for comment_id in decided:
                for event in self._waiting.pop(comment_id, []):
                    event.set()
        for stream in streams if stream_due else []:
            for found in feeds.get(stream.site_id, []):
                if found.feed_pos is not None and found.feed_pos > stream.position and _put(stream, found):
                    stream.position = found.feed_pos


def _put(stream: _Stream, event: Event | None) -> bool:
    """Hand an event over; a reader that does not keep up gets the rest with a later look."""
    try:
        stream.events.put_nowait(event)
    except queue.Full:
        return False
    return True


def server_sent(event: Event) -> bytes:
    """Return an event as the ``text/event-stream`` format has it; its id is the feed position."""
    body = orjson.dumps(as_public(event))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.feed_pos or 0, event.type.encode(), body)


def as_public(event: Event) -> dict[str, object]:
    """Return an event as the feed shows it."""
    return {
        "position": event.feed_pos,
        "id": show("event", event.id),
        "type": event.type,
        "timestamp": iso(event.created_at),
        "data": event.data,
    }
