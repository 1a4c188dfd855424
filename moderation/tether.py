"""Tie a child's life to its parent's, then become the child's program.

A supervisor that is killed outright cannot stop its children. So each of them is started through this file: it asks
the kernel for SIGTERM when the parent dies (Linux), and holds a lock for as long as the program or any process it
started lives, so that the next start can find and end what is left over (everywhere). Then it replaces itself, which
keeps the process id. Run as a file, not as a module, and with the standard library only: it costs every start its
own start-up time.
"""

import ctypes
import fcntl
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel send this process SIGTERM when ``parent``, which must be the parent, dies; Linux only."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("tether: the parent was gone before the program started")


def hold(path: str) -> None:
    """Write this process's id to ``path`` and hold a shared lock on it until the last process that inherits it ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    os.set_inheritable(descriptor, True)


def main(arguments: list[str]) -> None:
    """Run ``PIDFILE PROGRAM [ARGUMENT...]``; does not return."""
    pidfile, *command = arguments
    end_with_parent(os.getppid())
    hold(pidfile)
    os.execvp(command[0], command)  # noqa: S606 -- replacing this process is the point


if __name__ == "__main__":
    main(sys.argv[1:])
