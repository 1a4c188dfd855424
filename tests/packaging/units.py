"""The units of systemd that we ship, as the tests read them."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.packaging.compose import ROOT

FOLDER = ROOT / "deploy" / "systemd"
COMMON = FOLDER / "tidegate-.service.d" / "common.conf"
SERVICES = sorted(FOLDER.glob("tidegate-*.service"))


def entries(path: Path, section: str) -> Iterator[tuple[str, str]]:
    """Give a section's settings in their order; a name may come several times."""
    within = ""
    for line in path.read_text().splitlines():
        if line.startswith("["):
            within = line.strip("[]")
        elif within == section and line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


def value(path: Path, section: str, name: str) -> str:
    """Return a setting that comes once."""
    (found,) = [value for each, value in entries(path, section) if each == name]
    return found


def command(path: Path, instance: str = "1") -> list[str]:
    """Return what a service runs, with ``python`` in the place of the installed one."""
    program, *arguments = shlex.split(value(path, "Service", "ExecStart").replace("%i", instance).replace("%%", "%"))
    assert program == "/opt/tidegate/bin/python"
    return ["python", *arguments]


def environment() -> dict[str, str]:
    """Return what all services have in their environment."""
    pairs = [pair for name, value in entries(COMMON, "Service") if name == "Environment" for pair in shlex.split(value)]
    return dict(pair.split("=", 1) for pair in pairs)
