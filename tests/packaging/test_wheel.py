"""What is installed is what is in the tree: a wheel that lacks a template works in the checkout and nowhere else."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.packaging.compose import ROOT

PACKAGES = ("api", "moderation", "workers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built from a copy of the tree, so that nothing is left in the tree."""
    source, made = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in shipped():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(made), str(source)]
    subprocess.run(command, check=True, timeout=110)
    (path,) = made.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def shipped() -> list[str]:
    """Return the files that Dockerfile copies, by name."""
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()]
    names = [str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts]
    return [*names, "pyproject.toml", "README.md", "LICENSE"]


@pytest.mark.slow
def test_every_file_of_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    assert {name for name in shipped() if Path(name).parts[0] in PACKAGES} - wheel == set()


@pytest.mark.slow
def test_nothing_but_the_packages_is_in_the_wheel(wheel: set[str]) -> None:
    assert {Path(name).parts[0] for name in wheel if ".dist-info" not in name} == set(PACKAGES)
