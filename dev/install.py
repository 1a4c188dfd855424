"""Installs a lock file into the running virtual environment and shows how far it is.

    .venv/bin/python dev/install.py lock/default.txt [SECONDS]

pip says either nothing or several screens; on a slow line an installation of minutes would look like one that hangs. With the
standard library only, because it is what installs the rest.
"""

import re
import subprocess
import sys
import threading
from pathlib import Path

PACKAGE = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)
STEP = re.compile(r"^\s*(?:Collecting|Requirement already satisfied:|Building wheel for)\s+([^\s;=<>(]+)")
FOUND = re.compile(r"^(?:Collecting|Requirement already satisfied:)")


def main(lock: str, seconds: str = "1500") -> int:
    """Install and return pip's status; its last words are shown when it fails."""
    total = len(set(PACKAGE.findall(Path(lock).read_text())))
    pip_install = [sys.executable, "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    command = [*pip_install, "--requirement", lock]
    said: list[str] = []
    found = 0
    terminal = sys.stdout.isatty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        clock = threading.Timer(float(seconds), pip.kill)
        clock.start()
        for line in pip.stdout or ():
            said.append(line)
            found += bool(FOUND.match(line))
            if step := STEP.match(line):
                what = f"  {lock}: {min(found, total)} of {total}  {Path(step[1]).name[:60]}"
                print(f"\r{what:<100}" if terminal else what, end="" if terminal else "\n", flush=True)
            elif line.startswith("Installing collected"):
                print(f"\r{'  unpacking':<100}" if terminal else "  unpacking", flush=True)
        status = pip.wait()
        clock.cancel()
    if status != 0:
        print("\n" + "".join(said[-25:]), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
