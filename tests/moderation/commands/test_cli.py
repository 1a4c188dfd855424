"""The command line as a whole: one line per fault, exit codes that scripts can use, and a page that says what help says."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from moderation.cli import COMMANDS, tidegate
from moderation.commands.reference import helps, page
from moderation.database import Database
from moderation.services import sites
from tests.moderation.commands.conftest import Cli, answer

ROOT = Path(__file__).parents[3]


def test_the_page_in_docs_is_what_help_says() -> None:
    assert (ROOT / "docs" / "cli.md").read_text().endswith(page(tidegate) + "\n")


@pytest.mark.parametrize("command", [[], ["site"], ["policy"]])
def test_a_list_of_commands_says_whole_sentences(cli: Cli, command: list[str]) -> None:
    listed = cli(*command, "--help").stdout.partition("Commands:")[2]
    assert ("..." in listed, listed.strip() != "") == (False, True)


def test_every_command_has_help_and_all_but_up_take_json(cli: Cli) -> None:
    described = dict(helps(tidegate))
    assert {name.split()[1] for name in described if " " in name} == set(COMMANDS) - {"demo"}
    for name, said in described.items():
        assert cli(*name.split()[1:], "--help").stdout.strip()
        assert ("--json" in said) == (name not in {"tidegate", "tidegate up"}), name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "No such command 'nonsense'."),
        (["site", "add"], "Missing argument 'NAME'."),
        (["site", "add", "a b"], "A site's name has ASCII letters, digits, hyphens and dots."),
        (["replay", "--site", "blog", "--policy", "strict", "--since", "3y"], "such as 30d"),
        (["replay", "--site", "blog"], "give a policy's name or a file, and not both"),
        (["key", "add", "--site", "blog", "--kind", "personal"], "a personal key needs --moderator"),
        (["moderator", "add", "nobody", "--site", "blog"], "not an e-mail address"),
        (["deliveries", "replay", "dlv_" + "0" * 32, "--site", "blog", "--since", "1h"], "give either a delivery"),
    ],
)
def test_wrong_usage_is_one_line_and_two(cli: Cli, installed: Database, arguments: list[str], said: str) -> None:
    result = cli(*arguments, code=2)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["site", "show", "nowhere"],
        ["key", "list", "--site", "nowhere"],
        ["key", "revoke", "key_" + "0" * 32, "--site", "blog"],
        ["key", "revoke", "my key", "--site", "blog"],
        ["moderator", "revoke", "nobody@x.example", "--site", "blog"],
        ["policy", "activate", "standard@7", "--site", "blog"],
        ["policy", "activate", "standard@x", "--site", "blog"],
        ["replay", "--site", "blog", "--policy", "unheard-of"],
        ["deliveries", "replay", "dlv_" + "0" * 32, "--site", "blog"],
    ],
)
def test_what_there_is_not_is_three(cli: Cli, installed: Database, arguments: list[str]) -> None:
    assert cli(*arguments, code=3).stderr.startswith("tidegate: no ")


def test_every_fault_of_the_configuration_has_its_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_PORT", "many")
    monkeypatch.setenv("PUBLIC_URL", "here")
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    lines = cli("site", "list", code=2).stderr.splitlines()
    assert [line.split(": ")[1] for line in lines] == ["TIDEGATE_PORT", "PUBLIC_URL", "DATABASE_URL"]


def test_up_refuses_a_wrong_configuration_before_it_starts_anything(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_PORT", "many")
    assert cli("up", code=2).stderr.startswith("tidegate: TIDEGATE_PORT: ")
    assert not home.exists()


def test_a_database_that_does_not_answer_is_four(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://anna:hunter2@127.0.0.1:1/nothing")
    said = cli("site", "list", code=4).stderr
    assert "the database cannot be used" in said
    assert "hunter2" not in said


def test_a_sqlite_file_that_is_not_there_is_not_made_by_looking(cli: Cli, home: Path) -> None:
    assert "tidegate migrate" in cli("site", "list", code=4).stderr
    assert not (home / "data").exists()


def test_a_database_without_tables_says_what_to_do(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.db").touch()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    assert "no tables yet" in cli("site", "list", code=4).stderr


def test_a_mistake_of_ours_is_not_hidden(cli: Cli, installed: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sites, "everything", broken)
    with pytest.raises(ZeroDivisionError):
        cli("site", "list")


def test_migrate_makes_a_private_home_and_a_second_time_changes_nothing(cli: Cli, home: Path) -> None:
    first = answer(cli("migrate", "--json"))
    assert answer(cli("migrate", "--json")) == first
    assert {path.stat().st_mode & 0o777 for path in (home, home / "data", home / "keys")} == {0o700}
    assert (home / "data" / "tidegate.db").stat().st_mode & 0o777 == 0o600


def test_the_installed_command_works_in_a_process_of_its_own(home: Path) -> None:
    environment = {**os.environ, "TIDEGATE_HOME": str(home)}
    command = [sys.executable, "-m", "moderation.cli"]
    migrated = subprocess.run([*command, "migrate"], env=environment, capture_output=True, text=True, check=True)
    assert migrated.stdout.startswith("the database is at revision ")
    missing = subprocess.run([*command, "site", "show", "x"], env=environment, capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stdout, missing.stderr) == (3, "", "tidegate: no site x\n")


def test_commands_are_found_where_the_table_says() -> None:
    context = click.Context(tidegate)
    assert [name for name in COMMANDS if tidegate.get_command(context, name) is None] == []
