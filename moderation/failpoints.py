"""Named places where a test may make the process fail: killed, raising or pausing exactly there.

Configured by ``TIDEGATE_FAILPOINTS``, such as ``worker.after_claim:kill`` or ``relay.placed@3:raise`` (at the third pass). Each
one goes off once for an installation, marked by a file under ``run``, so that the restarted process gets past it. Without the
setting a failpoint costs one look into an empty dictionary.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

import structlog

from moderation.config import Settings, SettingsError

log = structlog.get_logger(__name__)

PLACES = {
    "api.before_commit": "a submission is complete but not yet committed",
    "api.after_commit": "a submission is committed, no bell rang and no answer was sent",
    "api.after_decision": "a moderator's decision is committed and no answer was sent",
    "worker.before_claim_commit": "jobs are claimed but the claim is not committed",
    "worker.after_claim": "jobs are claimed and nothing is done about them",
    "worker.scoring": "a comment's facts are read and it is about to be scored",
    "worker.before_finish_commit": "a decision is complete but not yet committed",
    "worker.after_finish": "a decision is committed",
    "explain.searching": "a comment is about to be explained",
    "explain.before_commit": "an explanation is complete but not yet committed",
    "deliver.before_send": "a delivery is claimed and not sent",
    "deliver.after_send": "a delivery is answered and the answer not stored",
    "deliver.after_mark": "a delivery's outcome is stored",
    "relay.placed": "events and audit rows have their places but are not committed",
}
ACTIONS = ("kill", "raise", "pause")
PAUSE = 30.0
"""Seconds that a pause lasts: longer than any lease of a moderate job."""

Action = Literal["kill", "raise", "pause"]


class Failed(Exception):
    """Raised by a failpoint that was told to."""


@dataclass(slots=True)
class _Armed:
    action: Action
    left: int
    marker: Path


_armed: dict[str, _Armed] = {}
_lock = threading.Lock()


def configure(settings: Settings) -> None:
    """Arm what the settings name; raises SettingsError for an unknown name or action, or where the public could come by."""
    _armed.clear()
    if not settings.failpoints:
        return
    if urlsplit(settings.public_url).hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise SettingsError("TIDEGATE_FAILPOINTS: only for tests on this machine; PUBLIC_URL is not a local address")
    for entry in settings.failpoints.split(","):
        place, _, action = entry.strip().partition(":")
        name, _, nth = place.partition("@")
        if name not in PLACES or action not in ACTIONS or not (nth or "1").isdecimal():
            raise SettingsError(f"TIDEGATE_FAILPOINTS: {entry!r} is not PLACE:ACTION or PLACE@N:ACTION")
        marker = settings.home / "run" / f"failpoint.{name}"
        _armed[name] = _Armed(cast("Action", action), int(nth or 1), marker)
    log.warning("failpoints_armed", places=sorted(_armed))


def failpoint(name: str) -> None:
    """Fail here if a test asked for it; does nothing otherwise."""
    if not _armed:
        return
    with _lock:
        armed = _armed.get(name)
        if armed is None:
            return
        armed.left -= 1
        if armed.left > 0:
            return
        del _armed[name]
    try:
        os.close(os.open(armed.marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    log.warning("failpoint", place=name, action=armed.action)
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if armed.action == "pause":
        time.sleep(PAUSE)
        return
    raise Failed(name)
