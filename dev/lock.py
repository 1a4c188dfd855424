"""Writes the lock files: the exact versions that installations, tests and images get, for every platform at once.

default.txt is what the product needs, dev.txt that and what development needs, both with hashes. detoxify.txt is everything for
the extra `detoxify`, on top of dev.txt: without hashes, because torch is built anew for every kind of machine, and without the
packages for graphics cards, which a build for processors does not want.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "lock"
FOR_GRAPHICS_CARDS = re.compile(r"(nvidia|cuda|triton)\b")
HEADER = "# Written by `make lock` from pyproject.toml; do not edit.\n"


def resolve(name: str, *arguments: str, on_top_of: str | None = None) -> None:
    """Write one lock file, with the versions of another one where they have packages in common."""
    path = LOCK / f"{name}.txt"
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal", "--python-version", "3.11"),
        *("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet", "--output-file", str(path)),
        *(("--constraint", str(LOCK / f"{on_top_of}.txt")) if on_top_of else ()),
        *arguments,
        *sys.argv[1:],
    ]
    print(f"lock/{name}.txt", flush=True)
    subprocess.run(command, cwd=ROOT, check=True)
    kept = [line for line in path.read_text().splitlines(keepends=True) if not FOR_GRAPHICS_CARDS.match(line)]
    path.write_text(HEADER + "".join(kept))


if __name__ == "__main__":
    LOCK.mkdir(exist_ok=True)
    resolve("default", "--generate-hashes")
    resolve("dev", "--extra", "dev", "--generate-hashes", on_top_of="default")
    resolve("detoxify", "--extra", "detoxify", on_top_of="dev")
