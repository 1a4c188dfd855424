"""Statements of reasons from the command line."""

import stat
from pathlib import Path

from moderation.database import Database
from tests.moderation.commands.conftest import Cli, answer


def test_the_file_replaces_an_older_one_and_is_for_its_owner_alone(cli: Cli, installed: Database, tmp_path: Path) -> None:
    target = tmp_path / "statements.jsonl"
    target.write_text("older")
    said = answer(cli("statements", str(target), "--site", "blog", "--since", "7d", "--json"))
    assert (said["statements"], target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (0, b"", 0o600)
    assert cli("statements", "-", "--site", "blog").stdout == ""
    assert "nowhere" in cli("statements", str(target), "--site", "nowhere", code=3).stderr
