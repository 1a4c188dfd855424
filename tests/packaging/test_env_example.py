""".env.example names every setting, with its default, and nothing else."""

import itertools
import re
from dataclasses import fields
from pathlib import Path

import pytest

from moderation.config import Settings
from tests.packaging.compose import ROOT, VARIABLE

LINES = (ROOT / ".env.example").read_text().splitlines()
EXAMPLE = dict(line.split("=", 1) for line in LINES if line and not line.startswith("#"))
SOURCE = (ROOT / "moderation" / "config.py").read_text()


def test_it_names_every_variable_that_the_settings_read_and_those_of_compose() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', SOURCE))
    composed = {match[1] for match in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert set(EXAMPLE) == read | composed


def test_its_values_are_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in EXAMPLE:
        monkeypatch.delenv(name, raising=False)
    plain = Settings.from_env()
    for name, value in EXAMPLE.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env() == plain


def test_every_setting_is_explained() -> None:
    """A comment above a variable, or above the one before it where they belong together."""
    for above, line in itertools.pairwise(LINES):
        assert not re.match(r"[A-Z_]+=", line) or above, f"{line} stands alone"


def test_no_setting_is_without_a_variable() -> None:
    """`redis_prefix` alone has none: only tests need another."""
    assert len(fields(Settings)) == len(set(re.findall(r'env\.\w+\(\s*"(\w+)"', SOURCE))) + 1
