"""The tree keeps its shape: who may import whom, how long a file may be, and what it may not know."""

import re
import subprocess
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[1]
PRODUCT = ("api", "moderation", "workers")
LONGEST_FILE = 420
"""Lines. The plan says "about 400": what grows beyond that has become two things."""


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "versions" not in path.parts]
    assert found
    return found


def test_every_import_follows_the_floors(capsys: pytest.CaptureFixture[str]) -> None:
    """The contracts stand in pyproject.toml."""
    status = lint_imports(str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_no_file_is_longer_than_about_400_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources(*PRODUCT)}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_only_the_settings_read_the_environment() -> None:
    """A module that looks for itself has a setting that no test can give it. What is handed on to a child is another matter."""
    reading = re.compile(r"os\.environ(\[[^]]+\](?! = )|\.get\b)|getenv\(|\b(FileAware)?Env\(")
    readers = {str(path.relative_to(ROOT)) for path in sources(*PRODUCT) if reading.search(path.read_text())}
    assert readers == {"moderation/config.py"}


def test_no_service_commits() -> None:
    """Whoever opened the transaction says what belongs together."""
    committing = {path.name for path in sources("moderation/services") if re.search(r"\.(commit|begin)\(", path.read_text())}
    assert committing == set()


def test_nothing_tracked_names_a_registry_or_a_path_of_one_machine() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    hosts = re.compile(rb"pypi\.org|pythonhosted\.org|registry\.npmjs|/work/(main|shared|plan)|/opt/wheels")
    here = Path(__file__).relative_to(ROOT)
    names = [name for name in tracked.stdout.split("\0") if name and name != str(here) and (ROOT / name).is_file()]
    assert [name for name in names if hosts.search((ROOT / name).read_bytes())] == []
