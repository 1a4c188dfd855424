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

from moderation.ids import show
from moderation.models import Event
from moderation.runtime import Runtime
from moderation.services import comments, endpoints
from moderation.services.events import iso

log = structlog.get_logger(__name__)

STREAMS = 12
WAITERS = 8
"""Places a process; together they leave a third of its threads to everybody else."""

STREAMS_SMALL = 4
WAITERS_SMALL = 4
"""The same for the small profile, whose one process has half the threads."""

STREAM_SECONDS = 60.0
RETRY_MS = 2000
STILL_HERE = 15.0
"""Seconds of silence after which a stream says that it lives, so that a reader who went is noticed."""

WAIT_LOOK = 0.04
"""Seconds between two looks while a request waits: a decision is seen at most this late."""
STREAM_LOOK = 0.5
AFTER_FAILURE = 1.0
"""Seconds to the next look when the database could not be asked."""
PAGE = 200
BACKLOG = 1000


class Full(Exception):
    """All places are taken."""


@dataclass(eq=False, slots=True)
class _Place:
    """A stream's place: how far it has read, and what is there to be sent."""

    site_id: UUID
    position: int
    events: "queue.Queue[Event | None]" = field(default_factory=lambda: queue.Queue(BACKLOG))


class Hub:
    """The one poller of a process; it looks only while somebody waits."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._streams_at_most = STREAMS_SMALL if runtime.settings.small else STREAMS
        self._waiters_at_most = WAITERS_SMALL if runtime.settings.small else WAITERS
        self._news = threading.Condition()
        self._waiting: dict[UUID, list[threading.Event]] = {}
        self._places: list[_Place] = []
        self._thread: threading.Thread | None = None
        self._ending = False
        self._streamed_at = 0.0

    def wait(self, comment_id: UUID, seconds: float) -> bool:
        """Wait until a comment is decided; false when the time is up or the process ends. Raises Full."""
        decided = threading.Event()
        with self._news:
            if self._ending or sum(len(events) for events in self._waiting.values()) >= self._waiters_at_most:
                raise Full
            self._waiting.setdefault(comment_id, []).append(decided)
            self._wake()
        try:
            return decided.wait(seconds) and not self._ending
        finally:
            with self._news:
                events = self._waiting.get(comment_id, [])
                if decided in events:
                    events.remove(decided)
                if not events:
                    self._waiting.pop(comment_id, None)

    def stream(self, site_id: UUID, position: int) -> "Stream":
        """Return a site's events behind a feed position as server-sent events, for up to a minute. Raises Full at once."""
        place = _Place(site_id, position)
        with self._news:
            if self._ending or len(self._places) >= self._streams_at_most:
                raise Full
            self._places.append(place)
            self._wake()
        return Stream(self, place)

    def leave(self, place: _Place) -> None:
        """Give a stream's place back; a second time changes nothing."""
        with self._news:
            if place in self._places:
                self._places.remove(place)

    def end(self) -> None:
        """Let everybody go and take nobody in any more."""
        with self._news:
            self._ending = True
            for place in self._places:
                _put(place, None)
            for events in self._waiting.values():
                for decided in events:
                    decided.set()
            self._news.notify_all()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="hub", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def _poll(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._places and not self._ending:
                    self._news.wait()
                if self._ending:
                    return
                waiting = list(self._waiting)
                places = list(self._places)
            pause = WAIT_LOOK if waiting else STREAM_LOOK
            try:
                self._look(waiting, places)
            except Exception as error:
                # Whatever it was, those who wait are waiting for the next look.
                log.exception("hub_failed", error=type(error).__name__)
                pause = AFTER_FAILURE
            time.sleep(pause)

    def _look(self, waiting: list[UUID], places: list[_Place]) -> None:
        decided: set[UUID] = set()
        feeds: dict[tuple[UUID, int], list[Event]] = {}
        stream_due = bool(places) and time.monotonic() >= self._streamed_at + STREAM_LOOK
        with self._database.reading() as session:
            if waiting:
                decided = comments.decided_among(session, waiting)
            if stream_due:
                self._streamed_at = time.monotonic()
                # Who reads the same feed is usually equally far: that is one question for all of them.
                for site_id, position in {(place.site_id, place.position) for place in places}:
                    feeds[site_id, position] = endpoints.feed(session, site_id, after=position, limit=PAGE)
        with self._news:
            for comment_id in decided:
                for event in self._waiting.pop(comment_id, []):
                    event.set()
        for place in places if stream_due else ():
            for found in feeds[place.site_id, place.position]:
                # A reader who does not keep up gets the rest with a later look.
                if found.feed_pos is None or not _put(place, found):
                    break
                place.position = found.feed_pos


class Stream:
    """One reader's server-sent events; the server closes it when the reader went, whether it had begun or not."""

    def __init__(self, hub: Hub, place: _Place) -> None:
        self._hub = hub
        self._place = place
        self._until = time.monotonic() + STREAM_SECONDS
        self._begun = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Return the next event, or a sign of life; waits for it."""
        if not self._begun:
            self._begun = True
            return b"retry: %d\n\n" % RETRY_MS
        left = self._until - time.monotonic()
        if left <= 0:
            self.close()
            raise StopIteration
        try:
            event = self._place.events.get(timeout=min(left, STILL_HERE))
        except queue.Empty:
            return b": still here\n\n"
        if event is None:
            self.close()
            raise StopIteration
        return server_sent(event)

    def close(self) -> None:
        """Give the place back."""
        self._hub.leave(self._place)


def _put(place: _Place, event: Event | None) -> bool:
    try:
        place.events.put_nowait(event)
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
