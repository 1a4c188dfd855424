"""Makes models and names fail in the processes of a stack whose PYTHONPATH names this folder; the product knows nothing of it.

Python imports this file at its start. It waits until the module that is to be changed has been imported, and then puts a fault
around the real thing: a text with one of the words below makes the real scorer crash, fail, hang or score nothing finite.
"""

import ctypes
import importlib.abc
import importlib.util
import os
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

CRASHES, RUNS_OUT, HANGS, IS_NO_NUMBER = "Crashberry", "Memoryberry", "Hangberry", "Nanberry"
MOVING = "moving.example"
RUN = Path(os.environ.get("TIDEGATE_HOME", "/nonexistent")) / "run"
UNLOADABLE = RUN / "unloadable"
"""While this file exists no model can be loaded."""
RESOLVES = RUN / "resolves"
"""While this file exists the name MOVING has an address."""

LEASES: dict[str, dict[str, Any]] = {
    "moderation.services.delivery": {"LEASE": timedelta(seconds=10)},
    "moderation.services.explaining": {"LEASE": timedelta(seconds=10)},
}
LIMITS: dict[str, dict[str, Any]] = {
    "workers.app": {"TIME_LIMIT": 4.0},
    "workers.process": {"SLICE": 1.0},
    "workers.watchdog": {"CHILDLESS": 1.5},
    "workers.models": {"AGAIN_AFTER": 2.0},
}
HURRIED = {"leases": LEASES, "all": {**LEASES, **LIMITS}}.get(os.environ.get("FAULTS_HURRY", ""), {})
"""What FAULTS_HURRY in the environment asks for: the same rules with shorter times. Celery's own time limit stays what it is."""

FOLDER = str(Path(__file__).parent)
HURRY = {"PYTHONPATH": FOLDER, "FAULTS_HURRY": "leases"}
"""The settings of a stack that is to come back to what a killed process held sooner than a minute later."""


def poison(module: Any) -> None:
    """Put the faults around the bundled model."""
    logits, session = module.OnnxScorer.logits, module._session

    def failing_logits(self: Any, texts: Any) -> Any:
        if any(CRASHES in text for text in texts):
            os.kill(os.getpid(), signal.SIGSEGV)
        if any(RUNS_OUT in text for text in texts):
            raise MemoryError
        if any(HANGS in text for text in texts):
            # With the interpreter's lock held, so that no other thread of the process can do anything about it.
            ctypes.PyDLL(None).sleep(3600)
        found = logits(self, texts)
        return found * float("nan") if any(IS_NO_NUMBER in text for text in texts) else found

    def failing_session(model: bytes) -> Any:
        if UNLOADABLE.exists():
            raise MemoryError
        return session(model)

    module.OnnxScorer.logits, module._session = failing_logits, failing_session


class Afterwards(importlib.abc.MetaPathFinder):
    """Lets a module be imported as usual and changes it then."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        changed = HURRIED.get(name, {})
        if not changed and name != "moderation.scoring.onnx":
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            if unknown := changed.keys() - vars(module).keys():
                raise AttributeError(f"{name} has no {unknown} to be hurried")
            vars(module).update(changed)
            if name == "moderation.scoring.onnx":
                poison(module)

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


def resolve(host: Any, *rest: Any, **more: Any) -> Any:
    """Resolve a name as the system does, but for one that has an address now and then."""
    if host in {MOVING, MOVING.encode()}:
        if not RESOLVES.exists():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        host = "127.0.0.1"
    return system_resolve(host, *rest, **more)


system_resolve = socket.getaddrinfo
if __name__ == "sitecustomize":  # and not where a test only wants to know the words
    socket.getaddrinfo = resolve
    sys.meta_path.insert(0, Afterwards())
