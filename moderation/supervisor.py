"""The supervisor: starts the stack's processes in order, keeps them running, stops them in order.

``make up``, the system tests and the benchmarks all use ``Stack``, so what is measured and broken in a test is what an
operator runs. The work of minding children is done by the package ``supervisor`` (docs/decisions/0002): this file
writes its configuration below ``TIDEGATE_HOME``, waits until the stack answers, and adds the two things it lacks, a
limit on the pause between restarts and an end for children whose supervisor was killed (see tether.py).
"""

import contextlib
import fcntl
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from xmlrpc.client import Error as CallError
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from moderation import programs
from moderation.config import Settings
from moderation.embedded import EmbeddedValkey, NoValkey, is_free
from moderation.errors import TidegateError
from moderation.leftovers import end_leftovers, group_members
from moderation.programs import PREPARATIONS, Program

LONGEST_SOCKET_PATH = 80
"""Bytes of a Unix socket's path that leave room for supervisor's own suffix; the kernel's limit is 104 to 108."""

NO_SPACE = 2**20
"""Bytes below which a disk is called full."""

POLL = 0.05
"""Seconds between two looks at a condition that another process brings about."""

UNREACHABLE = (OSError, http.client.HTTPException, CallError)
"""What a call to the supervisor raises while it starts, ends or is gone."""


class StackError(TidegateError):
    """The stack could not be started, reached or stopped; the message says what an operator can do."""


class Interrupted(StackError):
    """Whoever started the stack wants it to end before it was ready."""


class Stack:
    """The processes of one installation, from ``start`` to ``stop``.

    ``settings`` names the home, the port and the databases. ``only`` chooses some of the planned programs by name (None: all);
    ``planned`` replaces the plan itself, and ``preparations`` what is run before it. ``environment`` is added to that of every
    process. ``asked`` is looked at while waiting, and ends the wait with Interrupted. Start it from the main thread: on Linux the
    children are told to end when the thread that started them does.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        only: Iterable[str] | None = None,
        planned: Sequence[Program] | None = None,
        preparations: Mapping[str, Sequence[str]] = PREPARATIONS,
        environment: Mapping[str, str] | None = None,
        asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self.home = settings.home
        self._run = self.home / "run"
        self._preparations = preparations
        self._extra = dict(environment or {})
        self._asked = asked
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._short_folder: Path | None = None
        self._stopping = threading.Event()
        self._reviver: threading.Thread | None = None
        chosen = None if only is None else frozenset(only)
        self.valkey = self._embedded() if planned is None and (chosen is None or "valkey" in chosen) else None
        if planned is None:
            planned = programs.plan(settings, self.valkey)
        self.programs = {program.name: program for program in planned if chosen is None or program.name in chosen}
        if unknown := (chosen or frozenset()) - self.programs.keys() - {"valkey"}:
            raise StackError(f"no program is called {' or '.join(sorted(unknown))}")

    @property
    def base_url(self) -> str:
        """Where the API answers on this machine."""
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def redis_url(self) -> str | None:
        """The doorbell's address, embedded or the operator's; None without one."""
        return self.valkey.url if self.valkey else self.settings.redis_url

    @property
    def running(self) -> bool:
        """Tell whether the supervising process is alive."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def environment(self) -> dict[str, str]:
        """Return the environment of the stack's processes: this one's, the settings' and what the caller added."""
        settings = self.settings
        if "demo" in self.programs:
            # The demo blog's receiver is on this machine, where nothing else may be sent.
            receiver = f"127.0.0.1:{programs.demo_port(settings)}"
            settings = replace(settings, webhook_allow=(*settings.webhook_allow, receiver))
        ours = programs.environment(settings, self.redis_url)
        inherited = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}
        return {**inherited, **ours, **self._extra}

    def start(self, *, report: Callable[[str], None] = lambda _: None) -> None:
        """Take the home, end what an earlier life left, prepare, and start every program without waiting for it.

        Raises StackError when another stack has the home, a port is taken, or a preparation fails.
        """
        self.settings.make_directories()
        self._take_home()
        try:
            for name in end_leftovers(self._run):
                report(f"ended {name}, left over from an earlier life")
            self._check_ports()
            if self.valkey:
                self.valkey.prepare()
            for name, command in self._preparations.items():
                self._prepare(name, command)
            self._start_supervisor()
        except BaseException:
            self._let_go()
            raise

    def wait_ready(self, timeout: float = 60.0, *, report: Callable[[str], None] = lambda _: None) -> None:
        """Wait until every program runs and the API says it is ready; ``report`` hears of each step.

        Raises StackError after ``timeout`` seconds, naming what was missing.
        """
        waiting = list(self.programs)
        fallen: set[str] = set()
        missing = "no program runs"

        def ready() -> bool:
            nonlocal missing
            if not self.running:
                raise StackError(f"the supervisor ended; see {self.home / 'logs' / 'supervisor.log'}")
            states = self.states()
            for name in [name for name in waiting if states.get(name) == "RUNNING"]:
                waiting.remove(name)
                report(f"{name} runs")
            for name in (name for name in waiting if states.get(name) == "BACKOFF" and name not in fallen):
                fallen.add(name)
                report(f"{name} ended at once and is tried again; see {self.home / 'logs' / f'{name}.log'}")
            missing = ", ".join(waiting) or (self._not_ready() if "api" in self.programs else "")
            return not missing

        try:
            self.wait_until(ready, "ready", timeout=timeout)
        except Interrupted:
            raise
        except TimeoutError as error:
            raise StackError(f"not ready after {timeout:.0f} s: {missing}; see {self.home / 'logs'}") from error

    def states(self) -> dict[str, str]:
        """Return each program's state in supervisor's words (STARTING, RUNNING, BACKOFF, FATAL ...); empty without it."""
        try:
            return {found["name"]: found["statename"] for found in self._call("getAllProcessInfo")}
        except UNREACHABLE:
            return {}

    def pid(self, name: str) -> int:
        """Return the process id of a program's main process; raises StackError when it does not run."""
        pid = int(self._call("getProcessInfo", self._full_name(name))["pid"])
        if pid == 0:
            raise StackError(f"{name} does not run")
        return pid

    def processes(self, name: str) -> list[int]:
        """Return the ids of a program's main process and of all in its process group, the main one first (Linux)."""
        main = self.pid(name)
        return [main, *(pid for pid in group_members(main) if pid != main)]

    def kill(self, name: str, signal_number: int = signal.SIGKILL, *, group: bool = False) -> int:
        """Send a signal to a program's main process, or to its whole group; return the main process's id."""
        pid = self.pid(name)
        if group:
            os.killpg(pid, signal_number)
        else:
            os.kill(pid, signal_number)
        return pid

    def restart(self, name: str, *, timeout: float = 60.0) -> None:
        """Stop a program as it wishes to be stopped, start it again and wait until it runs."""
        self.stop_program(name)
        self.start_program(name, timeout=timeout)

    def stop_program(self, name: str) -> None:
        """Stop one program, with its grace, and leave it stopped; no effect on one that does not run."""
        try:
            self._call("stopProcess", self._full_name(name), True)
        except Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def start_program(self, name: str, *, timeout: float = 60.0) -> None:
        """Start one stopped program and wait until it runs; no effect on one that runs."""
        try:
            self._call("startProcess", self._full_name(name), False)
        except Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise
        self.wait_until(lambda: self.states().get(name) == "RUNNING", f"{name} runs", timeout=timeout)

    def wait_until(self, condition: Callable[[], bool], what: str, *, timeout: float = 30.0) -> None:
        """Wait for a condition that the stack brings about.

        Raises TimeoutError, with ``what``, after ``timeout`` seconds, and Interrupted when asked to end.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if self._asked():
                raise Interrupted(f"interrupted while waiting: {what}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout:.0f} s in vain: {what}")
            time.sleep(POLL)

    def logs(self, name: str) -> str:
        """Return what a program (or ``supervisor``) wrote to its newest log file."""
        path = self.home / "logs" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Stop all programs in order, each with its grace, then the supervisor; kill what is left; free the home."""
        self._stopping.set()
        try:
            if self._supervisor is not None:
                if self._supervisor.poll() is None:
                    self._supervisor.terminate()
                try:
                    self._supervisor.wait(sum(program.grace for program in self.programs.values()) + 10)
                except subprocess.TimeoutExpired:
                    self._supervisor.kill()
                    self._supervisor.wait()
                end_leftovers(self._run)
            if self._reviver is not None:
                self._reviver.join()
        finally:
            self._supervisor = None
            self._reviver = None
            self._let_go()

    def end_now(self) -> None:
        """Kill every process of the stack at once, as a machine's failure would; ``stop`` still has to be called."""
        self._stopping.set()
        if self._supervisor is not None:
            self._supervisor.kill()
            self._supervisor.wait()
        end_leftovers(self._run, grace=0)

    def __enter__(self) -> Self:
        """Start the stack and wait until it is ready."""
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop the stack."""
        self.stop()

    # ------------------------------------------------------------------------------------------------------ in detail

    def _embedded(self) -> EmbeddedValkey | None:
        if self.settings.redis_url:
            return None
        try:
            return EmbeddedValkey(self.home)
        except NoValkey:
            return None

    def _check_ports(self) -> None:
        for name, port in (("api", self.settings.port), ("demo", programs.demo_port(self.settings))):
            if name in self.programs and not is_free(port):
                raise StackError(f"port {port} ({name}) is taken; choose another with TIDEGATE_PORT")

    def _take_home(self) -> None:
        descriptor = os.open(self._run / "stack.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StackError(f"another Tidegate is running in {self.home}") from None
        self._lock = descriptor
        self._stopping.clear()

    def _let_go(self) -> None:
        if self._short_folder is not None:
            shutil.rmtree(self._short_folder, ignore_errors=True)
            self._short_folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare(self, name: str, command: Sequence[str]) -> None:
        path = self.home / "logs" / f"{name}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                Program.tethered(self._run / f"{name}.pid", command),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone
            )
            try:
                self.wait_until(lambda: process.poll() is not None, name, timeout=600)
            except BaseException:
                process.terminate()
                process.wait()
                raise
        if process.returncode != 0:
            raise StackError(f"{name} failed: {self._why(name)} (all of it in {path})")

    def _why(self, name: str) -> str:
        """Return what a program that failed said last; a full disk takes the words away, too."""
        if shutil.disk_usage(self.home).free < NO_SPACE:
            return f"no space is left at {self.home}"
        said = self.logs(name).splitlines()
        # The first line of the last message: what is indented belongs to the one before, as does SQLAlchemy's link.
        whole = [line for line in said if line.strip() and not line.startswith((" ", "\t", "(Background on"))]
        return whole[-1] if whole else "no output"

    def _start_supervisor(self) -> None:
        configuration = self._run / "supervisor.conf"
        configuration.write_text(programs.supervisor_configuration(self.home, self._socket(), self.programs.values()))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)]
        self._supervisor = subprocess.Popen(
            Program.tethered(self._run / "supervisor.pid", command),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the others in order
        )
        self._reviver = threading.Thread(target=self._revive, name="revive", daemon=True)
        self._reviver.start()

    def _revive(self) -> None:
        """Start again what supervisor has given up on, so that no outage of a dependency ends a program for good."""
        while not self._stopping.wait(1.0) and self.running:
            for name, state in self.states().items():
                if state == "FATAL":
                    with contextlib.suppress(*UNREACHABLE):
                        self._call("startProcess", self._full_name(name), False)

    def _socket(self) -> Path:
        path = self._run / "supervisor.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        if self._short_folder is None:
            self._short_folder = Path(tempfile.mkdtemp(prefix="tidegate-"))
        return self._short_folder / "s.sock"

    def _full_name(self, name: str) -> str:
        return f"{self.programs[name].group}:{name}"

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket()}")
        try:
            with ServerProxy("http://localhost", transport=transport) as server:
                return getattr(server.supervisor, method)(*arguments)
        finally:
            transport.close()

    def _not_ready(self) -> str:
        """Return what the API says is missing, or an empty string when it is ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            body = answer.read(2000).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"api: {error}"
        finally:
            connection.close()
        return "" if answer.status == http.HTTPStatus.OK else f"/readyz answers {answer.status}: {body}"
