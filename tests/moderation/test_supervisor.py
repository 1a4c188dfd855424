"""The supervisor, with small stand-in programs of this file's own: start, order, restarts, and that nothing is left behind."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.embedded import free_port
from moderation.leftovers import end_leftovers
from moderation.programs import Program, supervisor_configuration
from moderation.supervisor import Interrupted, Stack, StackError

ROOT = Path(__file__).parents[2]

STEADY = """
    import signal, sys, time
    def end(*_):
        print("ended", time.time_ns(), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("began", flush=True)
    while True:
        time.sleep(60)
"""
DEAF = """
    import signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)
"""
CRASHING = "raise SystemExit(3)"


def program(name: str, code: str = STEADY, *, group: str | None = None, priority: int = 10, grace: int = 5) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", f"exec({textwrap.dedent(code)!r})"),
        group=group or name,
        priority=priority,
        grace=grace,
        environment={"SAID_TO": f"{name}, 100 %"},
    )


@pytest.mark.parametrize("part", ["two\nlines", "a ;comment"])
def test_a_command_that_supervisor_would_misread_is_refused(part: str, tmp_path: Path) -> None:
    misread = Program(name="one", command=(part,), group="one", priority=1)
    with pytest.raises(ValueError, match="cannot be written"):
        supervisor_configuration(tmp_path, tmp_path / "socket", [misread])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path}/tidegate.db", port=free_port(), secret=b"s" * 32)


@pytest.fixture
def stack_of(settings: Settings) -> Iterator[Callable[..., Stack]]:
    """Makes stacks of stand-in programs and stops them."""
    with contextlib.ExitStack() as ends:

        def make(*planned: Program, **arguments: object) -> Stack:
            stack = Stack(settings, planned=planned, preparations=arguments.pop("preparations", {}), **arguments)  # type: ignore[arg-type]
            ends.callback(stack.stop)
            return stack

        yield make


def running(stack: Stack) -> list[int]:
    """Return the ids of every process that holds a lock of the stack, or a supervised one's group."""
    found = []
    for pidfile in (stack.home / "run").glob("*.pid"):
        pid = int(pidfile.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            found.append(pid)
    return found


def ended_at(stack: Stack, name: str) -> int:
    return int(stack.logs(name).split("ended ")[1].split()[0])


def test_every_program_runs_and_none_is_left_after_the_stop(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(program("one"), program("two"))
    stack.start()
    stack.wait_ready()
    assert stack.states() == {"one": "RUNNING", "two": "RUNNING"}
    pids = running(stack)
    assert {stack.pid("one"), stack.pid("two")} < set(pids)
    stack.stop()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_groups_stop_from_the_highest_priority_down_each_after_the_one_before(stack_of: Callable[..., Stack]) -> None:
    slow = STEADY.replace('print("ended"', 'time.sleep(0.7); print("ended"')
    stack = stack_of(program("last", priority=10), program("first", slow, priority=30), program("second", priority=20))
    stack.start()
    stack.wait_ready()
    stack.stop()
    assert ended_at(stack, "first") < ended_at(stack, "second") < ended_at(stack, "last")


def test_a_killed_program_is_started_again(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(program("one"))
    stack.start()
    stack.wait_ready()
    stack.wait_until(lambda: "began" in stack.logs("one"), "it has begun")
    killed = stack.kill("one")
    stack.wait_until(lambda: stack.logs("one").count("began") == 2, "it has begun again")
    assert stack.pid("one") != killed


@pytest.mark.slow
def test_a_program_that_cannot_start_is_tried_for_ever_and_not_too_often(stack_of: Callable[..., Stack]) -> None:
    """supervisor itself gives up after a few tries; an hour's outage of a database must not end a program for good."""
    healed = stack_of(program("one"))  # only for its home
    marker = healed.home / "healed"
    code = f"""
        import pathlib, sys, time
        print("try", flush=True)
        if not pathlib.Path({str(marker)!r}).exists():
            sys.exit(3)
        time.sleep(600)
    """
    stack = stack_of(program("one", code))
    stack.start()
    stack.wait_until(lambda: stack.logs("one").count("try") >= 6, "six tries, two more than supervisor makes", timeout=40)
    tries, since = stack.logs("one").count("try"), time.monotonic()
    stack.wait_until(lambda: stack.logs("one").count("try") >= tries + 2, "two more tries", timeout=20)
    assert time.monotonic() - since > 1.0, "no pause between the tries"
    marker.touch()
    stack.wait_ready(15)


def test_a_program_that_ignores_the_polite_signal_is_killed_with_its_whole_group(stack_of: Callable[..., Stack]) -> None:
    parent = f"""
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", {textwrap.dedent(DEAF)!r}])
        print("child", child.pid, flush=True)
        {textwrap.dedent(DEAF).strip().replace(chr(10), chr(10) + "        ")}
    """
    stack = stack_of(program("deaf", parent, grace=1))
    stack.start()
    stack.wait_ready()
    stack.wait_until(lambda: "child" in stack.logs("deaf"), "it has a child")
    child = int(stack.logs("deaf").split()[1])
    stack.stop()
    stack.wait_until(lambda: not Path(f"/proc/{child}").exists(), "the child is gone")


def test_the_programs_get_the_settings_the_extra_environment_and_their_own(stack_of: Callable[..., Stack]) -> None:
    code = """
        import os, time
        print([os.environ[name] for name in ("TIDEGATE_PORT", "EXTRA", "SAID_TO")], flush=True)
        time.sleep(600)
    """
    stack = stack_of(program("one", code), environment={"EXTRA": "a b"})
    stack.start()
    stack.wait_ready()
    assert stack.logs("one").strip() == str([str(stack.settings.port), "a b", "one, 100 %"])


def test_a_program_that_cannot_start_is_named_with_its_log(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(program("broken", CRASHING))
    stack.start()
    told: list[str] = []
    with pytest.raises(StackError, match=r"not ready after 2 s: broken"):
        stack.wait_ready(2, report=told.append)
    assert told == [f"broken ended at once and is tried again; see {stack.home / 'logs' / 'broken.log'}"]


def test_a_home_serves_one_stack_at_a_time(stack_of: Callable[..., Stack]) -> None:
    stack_of(program("one")).start()
    with pytest.raises(StackError, match="another Tidegate is running"):
        stack_of(program("two")).start()


def test_a_failed_preparation_says_what_it_said_and_starts_nothing(stack_of: Callable[..., Stack]) -> None:
    command = (sys.executable, "-c", "raise SystemExit('the disk is full')")
    stack = stack_of(program("one"), preparations={"migrate": command})
    with pytest.raises(StackError, match="migrate failed: the disk is full"):
        stack.start()
    assert running(stack) == []


@pytest.mark.parametrize(
    ("free", "said"),
    [(2**30, "migrate failed: OperationalError: the server is away"), (2**19, "migrate failed: no space is left at ")],
)
def test_a_failed_preparation_says_the_message_and_not_what_stands_around_it(
    stack_of: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch, free: int, said: str
) -> None:
    words = "OperationalError: the server is away\n\tIs it running?\n(Background on this error at: https://example.org)"
    stack = stack_of(program("one"), preparations={"migrate": (sys.executable, "-c", f"raise SystemExit({words!r})")})
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    with pytest.raises(StackError, match=re.escape(said)):
        stack.start()


def test_a_long_preparation_ends_when_someone_asks(stack_of: Callable[..., Stack]) -> None:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    asked = iter([False, False, False])
    stack = stack_of(program("one"), preparations={"migrate": command}, asked=lambda: next(asked, True))
    with pytest.raises(Interrupted):
        stack.start()
    assert running(stack) == []


def test_a_program_that_is_not_planned_cannot_be_chosen(settings: Settings) -> None:
    with pytest.raises(StackError, match="no program is called aip"):
        Stack(settings, only=["aip"])


def test_a_long_home_does_not_keep_the_supervisor_from_listening(stack_of: Callable[..., Stack], settings: Settings) -> None:
    far = settings.home / ("x" * 60) / ("y" * 60)
    stack = Stack(
        Settings(home=far, database_url=settings.database_url, secret=settings.secret), planned=[program("one")], preparations={}
    )
    with stack:
        assert stack.states() == {"one": "RUNNING"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's signal at a parent's death is Linux's")
def test_nothing_outlives_a_supervisor_that_is_killed(stack_of: Callable[..., Stack]) -> None:
    stack = stack_of(program("one"), program("two"))
    stack.start()
    stack.wait_ready()
    pids = [stack.pid("one"), stack.pid("two")]
    assert stack._supervisor is not None
    stack._supervisor.kill()
    stack.wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "they ended")


@pytest.mark.slow
def test_what_an_earlier_life_left_is_ended_by_the_next_start(stack_of: Callable[..., Stack]) -> None:
    """The kernel's signal does not end a deaf program; its lock tells the next start about it."""
    first = stack_of(program("deaf", DEAF))
    first.start()
    first.wait_ready()
    left = first.pid("deaf")
    assert first._supervisor is not None
    first._supervisor.kill()
    first._supervisor.wait()
    os.close(first._lock or 0)  # as the kernel would for a process that was killed
    first._lock = None
    assert Path(f"/proc/{left}").exists()
    second = stack_of(program("one"))
    told: list[str] = []
    second.start(report=told.append)
    assert told == ["ended deaf, left over from an earlier life"]
    second.wait_until(lambda: not Path(f"/proc/{left}").exists(), "it is gone")


def test_a_lock_that_nobody_holds_ends_nobody(tmp_path: Path) -> None:
    """Its number may by now belong to a stranger: to this very test, for example."""
    (tmp_path / "old.pid").write_text(f"{os.getpid()}\n")
    assert end_leftovers(tmp_path) == []
    assert not (tmp_path / "old.pid").exists()


UP = """
import sys
from moderation import foreground, supervisor
from moderation.config import Settings
from moderation.programs import Program, supervisor_configuration
from tests.moderation.test_supervisor import program

class Small(supervisor.Stack):
    def __init__(self, settings, **arguments):
        super().__init__(settings, planned=[program("one"), program("two")], preparations={}, **arguments)

foreground.Stack = Small
sys.exit(foreground.up(Settings.from_env()))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_says_when_it_is_ready_and_leaves_no_process(settings: Settings, signal_number: signal.Signals) -> None:
    command = [sys.executable, "-c", UP]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TIDEGATE_HOME": str(settings.home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.strip().startswith("ready after"):
                break
        assert {"one runs", "two runs"} <= set(said)
        pids = [int(path.read_text()) for path in (settings.home / "run").glob("*.pid")]
        assert len(pids) == 3
        process.send_signal(signal_number)
        assert process.wait(30) == 0
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
