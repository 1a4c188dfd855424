"""The units of systemd: the commands of `tidegate up`, no more rights than needed, and an API whose place is kept for it."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from moderation.config import Profile, Settings
from moderation.programs import PREPARATIONS, Program, plan
from tests.api.conftest import settings
from tests.api.server import PATIENCE, ROOT, environment
from tests.packaging.units import COMMON, FOLDER, SERVICES, command, entries, value
from tests.packaging.units import environment as common
from tests.servers import tied

EXPOSURE = 20
"""Tenths that systemd-analyze may find; 100 is a service without any protection."""

HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""
"""What systemd does with a socket: it is descriptor 3, and the environment says for which process."""


def programs(profile: Profile) -> dict[str, Program]:
    given = Settings(home=Path("/var/lib/tidegate"), database_url="", secret=b"", profile=profile)
    return {program.name: program for program in plan(given, None, python="python") if program.name != "demo"}


def unit(name: str) -> Path:
    return next(path for path in SERVICES if path.name.removeprefix("tidegate-").split(".")[0].rstrip("@") == name)


@pytest.mark.parametrize(("profile", "name"), [(p, name) for p in ("standard", "small") for name in programs(p)])
def test_a_unit_runs_the_very_command_of_the_plan(profile: Profile, name: str) -> None:
    program, path = programs(profile)[name], unit(name)
    # Several that judge on one machine are told apart by their number.
    assert tuple(part.replace("moderate-1@", "moderate@") for part in command(path)) == program.command
    assert program.environment.items() <= common().items()
    assert int(value(path, "Service", "TimeoutStopSec")) >= program.grace


def test_every_unit_is_a_program_of_the_plan_or_prepares_for_it() -> None:
    known = {*programs("standard"), *programs("small"), "prepare", "backup"}
    assert {path.name.removeprefix("tidegate-").split(".")[0].rstrip("@") for path in SERVICES} <= known
    assert tuple(command(unit("prepare"))[1:]) == PREPARATIONS["prepare"][1:-1], "a production site has no demo"


def test_a_part_comes_back_whatever_it_ended_of() -> None:
    for path in SERVICES:
        kind = value(path, "Service", "Type")
        if kind != "oneshot":
            assert value(path, "Service", "Restart") == "always", path.name
        assert "Requires" not in dict(entries(path, "Unit")) or path.name == "tidegate-api.service"
    assert value(COMMON, "Unit", "StartLimitIntervalSec") == "0"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a folder of their own, with an interpreter that is there."""
    folder = tmp_path / "units"
    shutil.copytree(FOLDER, folder)
    for path in folder.rglob("*.service"):
        text = path.read_text().replace("/opt/tidegate/bin/python", sys.executable)
        path.write_text(text.replace("/opt/tidegate/bin/tidegate", sys.executable))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    places = f"{folder}:/lib/systemd/system:/usr/lib/systemd/system"
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": places, "SYSTEMD_LOG_LEVEL": "warning"}
    return subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)


def names(folder: Path) -> list[str]:
    return [
        path.name.replace("@.", "@1.") for path in folder.iterdir() if path.suffix in {".service", ".socket", ".target", ".timer"}
    ]


def test_systemd_has_nothing_to_say_against_the_units(installed: Path) -> None:
    for name in names(installed):
        said = analyze(installed, "verify", "--man=no", "--recursive-errors=no", name)
        ours = [line for line in (said.stdout + said.stderr).splitlines() if "tidegate" in line]
        assert (said.returncode, ours) == (0, []), name


def test_systemd_notices_a_misspelt_setting(installed: Path) -> None:
    path = installed / "tidegate-relay.service"
    path.write_text(path.read_text().replace("TimeoutStopSec=", "TimoutStopSec="))
    assert "TimoutStopSec" in analyze(installed, "verify", "--man=no", path.name).stderr


def test_no_service_has_more_rights_than_it_needs(installed: Path) -> None:
    for name in names(installed):
        if name.endswith(".service"):
            judged = analyze(installed, "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", name)
            assert judged.returncode == 0, judged.stdout[-300:]


def test_the_example_names_settings_that_there_are() -> None:
    known = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named = set(re.findall(r"^#?([A-Z_]+)=", (FOLDER / "env.example").read_text(), re.MULTILINE))
    assert named <= known


@pytest.mark.system
def test_a_request_that_comes_while_the_api_restarts_waits_for_it(tmp_path: Path, sqlite_url: str) -> None:
    """As tidegate-api.socket has it: the place is systemd's, and the API is handed it."""
    given = settings(tmp_path, sqlite_url)
    variables = environment(given, 1)
    with socket.create_server(("127.0.0.1", 0)) as place:
        start = [sys.executable, "-c", HAND_OVER, str(place.fileno()), sys.executable, *command(unit("api"))[1:]]
        for _ in range(2):
            log = tmp_path / "api.log"
            with socket.create_connection(place.getsockname(), timeout=PATIENCE) as early, log.open("ab") as file:
                early.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                process = subprocess.Popen(
                    [*tied(tmp_path / "tether.pid"), *start],
                    env=variables, stdout=file, stderr=file, pass_fds=[place.fileno()], cwd=tmp_path,
                )  # fmt: skip
                try:
                    assert early.makefile("rb").read().startswith(b"HTTP/1.1 200"), log.read_text()
                finally:
                    process.terminate()
                    status = process.wait(PATIENCE)
                assert status == 0, log.read_text()
