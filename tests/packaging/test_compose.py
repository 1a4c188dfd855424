"""The production shape: a valid Compose file, the commands of `tidegate up`, and no more rights than needed."""

import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from moderation.config import Profile, Settings
from moderation.programs import Program, plan
from tests.packaging.compose import PARTS, ROOT, VARIABLE, read

SERVICES = read()["services"]
SCHEMA = json.loads((Path(__file__).parent / "vendor" / "compose-spec.json").read_text())


SMALL = "docker-compose.small.yml"


def programs(profile: Profile = "standard") -> dict[str, Program]:
    settings = Settings(home=Path("/tmp/tidegate"), database_url="", secret=b"", profile=profile)
    return {program.name: program for program in plan(settings, None, python="python")}


@pytest.mark.parametrize("name", ["docker-compose.yml", SMALL])
def test_the_file_is_valid_by_the_compose_specification(name: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(read(name))] == []


def test_the_schema_notices_a_misspelt_key() -> None:
    spoiled = read()
    spoiled["services"]["api"]["healtcheck"] = {}
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(spoiled)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_runs_the_very_command_of_the_plan(name: str) -> None:
    program = programs()[name]
    assert tuple(SERVICES[name]["command"]) == program.command
    assert program.environment.items() <= SERVICES[name]["environment"].items()
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= program.grace


def test_every_planned_program_has_a_service_but_the_demo() -> None:
    assert set(programs()) - {"demo"} == set(PARTS)


def test_the_small_machine_runs_the_small_plan_and_nothing_twice() -> None:
    small = read(SMALL)["services"]
    stopped = {name for name, service in small.items() if service.get("scale") == 0}
    running = (set(SERVICES) | set(small)) - stopped
    assert set(programs("small")) - {"demo"} == running & {*PARTS, "worker"}
    assert tuple(small["worker"]["command"]) == programs("small")["worker"].command
    assert small["worker"]["extends"] == {"file": "docker-compose.yml", "service": "deliver"}
    assert {name for name in running & {*PARTS, "worker"} if small[name]["environment"]["TIDEGATE_PROFILE"] != "small"} == set()


def test_every_container_of_the_small_machine_has_a_limit_of_memory() -> None:
    small = read(SMALL)["services"]
    assert {name for name in (*small, "caddy") if small[name].get("scale") != 0 and "mem_limit" not in small[name]} == set()


def test_all_who_judge_share_one_folder_of_models() -> None:
    for name in PARTS:
        assert "models:/models" in SERVICES[name]["volumes"]
        assert SERVICES[name]["environment"]["TIDEGATE_MODELS"] == "/models"
    assert "--owner=tidegate" in next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if "/models" in line)


def test_the_image_runs_the_api_where_no_command_is_given() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (command,) = (line.removeprefix("CMD ") for line in lines if line.startswith("CMD "))
    assert tuple(json.loads(command)) == programs()["api"].command


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes --requirement /src/lock/default.txt" in text
    users = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert users == ["10001:10001"]
    assert text.index("USER ") > text.rindex("RUN "), "nothing runs as root after the change of user"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service: dict[str, Any] = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert "stop_grace_period" in service or name == "migrate"


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_service_that_stays_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_only_caddy_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["caddy"]


def test_the_store_and_the_doorbell_are_apart_from_the_internet() -> None:
    networks = read()["networks"]
    assert SERVICES["postgres"]["networks"] == SERVICES["valkey"]["networks"] == ["inside"]
    assert networks["inside"]["internal"]


def test_no_image_floats() -> None:
    images = [service["image"] for service in SERVICES.values()]
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert [image for image in [*images, *bases] if not re.search(r":\d+[.\d]*(-\w+)*$", image)] == []


def test_moderate_can_be_scaled() -> None:
    assert "container_name" not in SERVICES["moderate"]
    assert "ports" not in SERVICES["moderate"]


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if name.endswith(("SECRET", "PASSWORD")):
                assert VARIABLE.fullmatch(value), name


def test_make_env_fills_in_every_variable_that_must_be_set(tmp_path: Path) -> None:
    with (tmp_path / ".env").open("w") as file:
        subprocess.run([ROOT / "deploy" / "make-env", "comments.example"], cwd=tmp_path, stdout=file, check=True)
    made = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    used = {match[1] for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text()) if match[2] == "?"}
    assert used == set(made)
    assert made["TIDEGATE_HOSTNAME"] == "comments.example"
    secrets = [value for name, value in made.items() if name != "TIDEGATE_HOSTNAME"]
    assert len(set(secrets)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{64}", value) for value in secrets)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_make_env_for_a_small_machine_names_both_files() -> None:
    made = subprocess.run(
        [ROOT / "deploy" / "make-env", "--small", "c.example"], capture_output=True, text=True, check=True
    ).stdout
    values = dict(line.split("=", 1) for line in made.splitlines())
    assert values["TIDEGATE_HOSTNAME"] == "c.example"
    assert [name for name in values["COMPOSE_FILE"].split(":") if not (ROOT / name).is_file()] == []


def test_what_the_image_needs_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            assert set(line.split()[1:-1]) <= kept, line
