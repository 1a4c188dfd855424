"""The lock files: complete, pinned with hashes, free of torch, and true to pyproject.toml."""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.compose import ROOT

HEAVY = re.compile(r"torch|nvidia|cuda|triton|detoxify|transformers")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def entries(name: str) -> dict[str, list[str]]:
    """Return the lines of a lock file that hold on this machine: requirement first, then its hashes; by package."""
    text = (ROOT / "lock" / f"{name}.txt").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        parts = re.split(r"\s+(?=--hash)", line.strip())
        requirement = Requirement(parts[0])
        if requirement.marker is None or requirement.marker.evaluate():
            found[canonicalize_name(requirement.name)] = parts
    return found


def version(entry: list[str]) -> str:
    (specifier,) = Requirement(entry[0]).specifier
    assert specifier.operator == "=="
    return specifier.version


def wanted(requirements: list[str], extra: str = "") -> list[Requirement]:
    parsed = [Requirement(text) for text in requirements]
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": extra})]


def resolve(requirements: list[str], locked: dict[str, list[str]], extra: str = "") -> set[str]:
    """Follow the requirements through the locked versions, by what each installed package says that it needs."""
    open_ones = wanted(requirements, extra)
    reached: set[str] = set()
    followed: set[tuple[str, str]] = set()
    while open_ones:
        one = open_ones.pop()
        name = canonicalize_name(one.name)
        assert name in locked, f"{one} is not locked"
        assert one.specifier.contains(version(locked[name]), prereleases=True), f"{locked[name][0]} is locked, {one} is needed"
        reached.add(name)
        for further in ("", *one.extras):
            if (name, further) not in followed:
                followed.add((name, further))
                assert metadata.version(name) == version(locked[name]), f"installed is another {name} than locked: run make check"
                open_ones += wanted(metadata.requires(name) or [], further)
    return reached


def test_the_default_lock_resolves_and_holds_nothing_that_nobody_needs() -> None:
    locked = entries("default")
    assert resolve(PROJECT["dependencies"], locked) == set(locked)


def test_the_development_lock_resolves_on_top_of_the_default_one() -> None:
    locked = entries("dev")
    resolve([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]], locked)
    assert {name: version(entry) for name, entry in entries("default").items()}.items() <= {
        name: version(entry) for name, entry in locked.items()
    }.items()


@pytest.mark.parametrize("name", ["default", "dev"])
def test_a_lock_brings_neither_torch_nor_anything_for_graphics_cards(name: str) -> None:
    text = (ROOT / "lock" / f"{name}.txt").read_text()
    assert [line for line in text.splitlines() if HEAVY.match(line)] == []


@pytest.mark.parametrize("name", ["default", "dev"])
def test_every_package_is_pinned_by_hash(name: str) -> None:
    text = (ROOT / "lock" / f"{name}.txt").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line[:60]


def test_the_lock_for_detoxify_pins_torch_exactly_and_leaves_the_build_open() -> None:
    locked = entries("detoxify")
    assert locked["torch"] == ["torch==2.13.0"]
    assert [name for name in locked if re.match(r"nvidia|cuda|triton", name)] == []
    assert {name: version(entry) for name, entry in entries("default").items()}.items() <= {
        name: version(entry) for name, entry in locked.items()
    }.items()


@pytest.mark.parametrize("name", ["default", "dev", "detoxify"])
def test_a_lock_names_no_place_to_download_from(name: str) -> None:
    assert not re.search(r"://|--(index|extra-index|find-links)", (ROOT / "lock" / f"{name}.txt").read_text())
