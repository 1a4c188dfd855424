"""``tidegate up``: the stack in the foreground of a terminal, until Ctrl-C."""

import contextlib
import signal
import sys
import threading
import time
from types import FrameType

from moderation import welcome
from moderation.config import Settings
from moderation.errors import TidegateError
from moderation.supervisor import Interrupted, Stack, StackError


def up(settings: Settings) -> int:
    """Run the whole stack in the foreground until Ctrl-C or SIGTERM; return the exit code for the shell."""
    began = time.monotonic()
    asked = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    earlier = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    stack = Stack(settings, asked=asked.is_set)
    try:
        return _run_until_asked(stack, asked, began)
    except Interrupted:
        return 0
    except TidegateError as error:
        print(f"tidegate: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        was_running = stack.running
        if was_running:
            say("stopping")
        stack.stop()
        for number, handler in earlier.items():
            signal.signal(number, handler)
        if was_running:
            say(f"stopped; the data stays in {stack.home}")


def _run_until_asked(stack: Stack, asked: threading.Event, began: float) -> int:
    if stack.redis_url is None:
        say("no Valkey or Redis server found: going on without one; comments wait up to a second longer")
    say("preparing the database")
    stack.start(report=say)
    stack.wait_ready(report=say)
    say(welcome.addresses(stack.settings, time.monotonic() - began))
    while not asked.wait(0.5):
        if not stack.running:
            raise StackError(f"the supervisor ended unexpectedly; see {stack.home / 'logs' / 'supervisor.log'}")
    return 0


def say(what: str) -> None:
    """Print one step of the start or the stop at once; a terminal that is gone must not keep us from stopping."""
    with contextlib.suppress(OSError):
        print(f"  {what}", flush=True)
