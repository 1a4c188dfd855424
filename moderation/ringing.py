"""Ringing for the workers beside the work at hand and not within it: nobody waits for the doorbell's Redis.

What was rung for while the thread was ringing is rung for once. A process that ends in between loses a ring, which costs
nothing: workers look by themselves.
"""

import threading

import structlog

from moderation.doorbell import Doorbell

log = structlog.get_logger(__name__)


class Ringer:
    """Passes rings on in a thread of its own, which begins with the first one.

    The first ring goes out at once; those of the next ``pause`` seconds are then passed on together, because a message costs its
    receiver as much as the work that it announces.
    """

    def __init__(self, doorbell: Doorbell, *, pause: float = 0.0) -> None:
        self._doorbell = doorbell
        self._pause = pause
        self._rung: set[str] = set()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ending = False

    def ring(self, kind: str) -> None:
        """Have the workers woken for a kind of job; returns at once and never raises."""
        with self._news:
            self._rung.add(kind)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)
                self._thread.start()
            self._news.notify()

    def end(self) -> None:
        """Ring for what is left and end the thread."""
        with self._news:
            self._ending = True
            self._news.notify()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._rung and not self._ending:
                    self._news.wait()
                if not self._rung:
                    return
                rung, self._rung = self._rung, set()
            for kind in sorted(rung):
                try:
                    self._doorbell.ring(kind)
                except Exception as error:
                    # The doorbell promises not to raise; if it does, the next ring must still be passed on.
                    log.exception("bell_failed", kind=kind, error=type(error).__name__)
            if self._pause:
                with self._news:
                    self._news.wait_for(lambda: self._ending, timeout=self._pause)
