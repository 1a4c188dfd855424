"""Installs other people's clients of Tidegate's doors, each where it can hurt nobody, for `make test-clients`.

    python dev/clients.py .venv-clients

The folder becomes a virtual environment of its own, because clients pin old versions of what Tidegate uses, too. Those that
share an import name get a folder each below ``apart``; those for Node live below ``node``, where npm is there. With the standard
library only.
"""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

LISTS = Path(__file__).resolve().parents[1] / "tests" / "clients"
QUIET = ("--quiet", "--disable-pip-version-check")


def named(file: str) -> list[str]:
    """Return the lines of a list that name a package."""
    lines = (LISTS / file).read_text().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def main(folder: str) -> int:
    """Install what the lists name; returns the status of the first command that failed."""
    home = Path(folder).absolute()
    if not (home / "bin" / "python").exists():
        venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", *QUIET]
    commands = [[*pip, "--requirement", str(LISTS / "requirements.txt")]]
    for package in named("apart.txt"):
        target = home / "apart" / package.partition("==")[0]
        shutil.rmtree(target, ignore_errors=True)
        commands.append([*pip, "--no-deps", "--target", str(target), package])
    if npm := shutil.which("npm"):
        (home / "node").mkdir(exist_ok=True)
        options = ["--no-audit", "--no-fund", "--no-save", "--silent"]
        commands.append([npm, "install", "--prefix", str(home / "node"), *options, *named("node.txt")])
    else:
        print("npm is not there: the clients for Node are left out", file=sys.stderr)
    for command in commands:
        if status := subprocess.run(command, check=False).returncode:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
