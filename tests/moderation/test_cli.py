"""The command line: answers on standard output, faults in one line on standard error, and exit codes that scripts can use."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text, update

from moderation.cli import COMMANDS, tidegate
from moderation.commands.doctor import filesystem
from moderation.commands.reference import helps, page
from moderation.database import Database
from moderation.ids import new_id, show
from moderation.models import Audit, Delivery, DeliveryState, Endpoint, Event, Job
from moderation.policy.shipped import SHIPPED
from moderation.services import keys, processes, sealing, sites
from tests.servers import postgres_binaries

SECRET = "0123456789abcdef" * 4
ROOT = Path(__file__).parents[2]

Cli = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of the test's own, with no database yet."""
    for name in [name for name in os.environ if name.startswith("TIDEGATE_")]:
        monkeypatch.delenv(name)
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "TRUSTED_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def cli(home: Path) -> Cli:
    """Run a command in this process."""

    def run(*arguments: str, code: int = 0, stdin: str | None = None) -> Result:
        result = CliRunner().invoke(tidegate, list(arguments), prog_name="tidegate", input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        if code in {2, 3, 4}:
            assert all(line.startswith("tidegate: ") for line in result.stderr.splitlines()), result.stderr
            assert result.stdout == ""
        return result

    return run


@pytest.fixture
def installed(cli: Cli, database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A migrated database, once of each kind, with the site ``blog``."""
    monkeypatch.setenv("DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("TIDEGATE_SECRET", SECRET)
    cli("site", "add", "blog", "--title", "A blog", "--origin", "https://blog.example/page", "--policy", "standard")
    return database


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


# ------------------------------------------------------------------------------------------------------- the whole of it


def test_the_page_in_docs_is_what_help_says() -> None:
    assert (ROOT / "docs" / "cli.md").read_text().endswith(page(tidegate) + "\n")


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


# --------------------------------------------------------------------------------------------------- without a database


def test_explain_says_what_matched_and_why(cli: Cli, home: Path) -> None:
    abusive = "You are a stupid, worthless idiot and everybody here hates you."
    found = answer(cli("explain", abusive, "--author", "newcomer", "--json"))
    assert found["verdict"] == "flag"
    assert found["rules"][0]["evidence"]["insult"] > 0.5
    shown = cli("explain", abusive, "--author", "newcomer").stdout
    assert shown.startswith("FLAG by policy standard: not published")
    assert "Personal attack" in shown
    assert not home.exists()


def test_explain_shows_what_the_author_makes_of_it(cli: Cli) -> None:
    link = "There is more about the treaty at https://example.org/a and https://example.org/b for those who want it."
    assert answer(cli("explain", link, "--author", "newcomer", "--json"))["verdict"] == "flag"
    assert answer(cli("explain", link, "--author", "trusted", "--json"))["verdict"] == "approve"
    assert "many links" not in cli("explain", link, "--author", "trusted").stdout
    assert "links by a newcomer" in cli("explain", link, "--author", "newcomer").stdout


def test_explain_reads_standard_input_and_a_policy_of_ones_own(cli: Cli, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE)
    found = answer(cli("explain", "-", "--policy", str(policy), "--json", stdin="Just a word about cheese.\n"))
    assert (found["policy"], found["verdict"]) == ("mine", "flag")
    assert "1 to 20000 characters" in cli("explain", " ", code=2).stderr
    assert "neither a file nor one of the policies" in cli("explain", "x", "--policy", "lenient", code=2).stderr


MINE = """
name = "mine"
summary = "A person reads everything with letters in it."

[[rule]]
name = "letters"
when = "letters > 0"
verdict = "flag"
reason = 9
explanation = "A person reads every comment here."
"""


def test_policy_check_puts_a_caret_under_the_mistake(cli: Cli, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE.replace("letters > 0", "leters > 0"))
    said = cli("policy", "check", str(policy), code=1).stderr
    assert "there is no signal 'leters'; did you mean letters?" in said
    _, excerpt, caret = said.splitlines()
    assert excerpt[caret.index("^") :].startswith("leters")
    found = answer(cli("policy", "check", str(policy), "--json", code=1))
    assert (found["ok"], found["rule"], found["line"]) == (False, "letters", 7)


def test_policy_check_is_content_with_every_shipped_policy(cli: Cli) -> None:
    for name, source in SHIPPED.items():
        assert answer(cli("policy", "check", "-", "--json", stdin=source))["name"] == name


def test_policy_check_refuses_what_is_no_text(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(b"name = \xff")
    assert "UTF-8" in cli("policy", "check", str(tmp_path / "mine.toml"), code=2).stderr


# ---------------------------------------------------------------------------------------------------- sites and people


def test_a_site_is_listed_and_shown(cli: Cli, installed: Database) -> None:
    (listed,) = answer(cli("site", "list", "--json"))
    assert (listed["name"], listed["origins"], listed["policy"]) == ("blog", ["https://blog.example"], "standard@1")
    shown = answer(cli("site", "show", "blog", "--json"))
    assert shown == {**shown, **listed, "keys": 0, "members": 0, "comments": {}, "open_cases": 0}
    assert "https://blog.example" in cli("site", "list").stdout


def test_a_key_is_shown_once_and_dead_once_revoked(cli: Cli, installed: Database) -> None:
    made = answer(cli("key", "add", "--site", "blog", "--expires-in", "90d", "--json"))

    def opens() -> keys.Principal:
        with installed.reading() as session:
            return keys.authenticate(session, made["key"], secret=SECRET.encode(), now=datetime.now(UTC))

    assert show("key", opens().key_id) == made["id"]
    listed = cli("key", "list", "--site", "blog")
    assert made["begins"] in listed.stdout
    assert made["key"].split("_")[3] not in listed.stdout
    cli("key", "revoke", made["id"], "--site", "blog")
    with pytest.raises(keys.BadKey):
        opens()


def test_only_the_key_is_on_standard_output(cli: Cli, installed: Database) -> None:
    assert cli("key", "add", "--site", "blog", "--kind", "door").stdout.strip().isalnum()


def test_a_moderators_key_dies_with_the_role(cli: Cli, installed: Database) -> None:
    cli("moderator", "add", "Ann@blog.example", "--site", "blog", "--role", "editor")
    made = answer(cli("key", "add", "--site", "blog", "--kind", "personal", "--moderator", "ann@blog.example", "--json"))
    (listed,) = answer(cli("moderator", "list", "--site", "blog", "--json"))
    assert (listed["email"], listed["name"], listed["role"]) == ("ann@blog.example", "Ann", "editor")
    cli("moderator", "revoke", "ann@blog.example", "--site", "blog")
    with installed.reading() as session, pytest.raises(keys.BadKey):
        keys.authenticate(session, made["key"], secret=SECRET.encode(), now=datetime.now(UTC))


def test_a_policy_is_stored_put_into_force_and_rolled_back(cli: Cli, installed: Database, tmp_path: Path) -> None:
    policy = tmp_path / "mine.toml"
    policy.write_text(MINE)
    cli("policy", "activate", "mine", "--site", "blog", "--file", str(policy))
    policy.write_text(MINE.replace("letters > 0", "letters > 5"))
    cli("policy", "activate", "mine", "--site", "blog", "--file", str(policy))
    assert answer(cli("site", "show", "blog", "--json"))["policy"] == "mine@2"
    cli("policy", "activate", "mine@1", "--site", "blog")
    in_force = [each["policy"] for each in answer(cli("policy", "list", "--site", "blog", "--json")) if each["in_force"]]
    assert in_force == ["mine@1"]
    assert "is called mine" in cli("policy", "activate", "yours", "--site", "blog", "--file", str(policy), code=2).stderr


def test_control_characters_do_not_reach_the_terminal(cli: Cli, installed: Database) -> None:
    cli("site", "add", "evil", "--title", "\x1b[2Jgone")
    assert "\x1b" not in cli("site", "list").stdout
    assert "\\x1b[2Jgone" in cli("site", "list").stdout


# ----------------------------------------------------------------------------------------------------------- safekeeping


def dead_delivery(database: Database) -> str:
    now = datetime.now(UTC)
    with database.transaction() as session:
        site = sites.find(session, "blog")
        endpoint = Endpoint(
            id=new_id(), site_id=site.id, created_at=now, url="https://a.example/", secrets=[{"salt": "x", "until": None}]
        )
        event = Event(id=new_id(), site_id=site.id, created_at=now, type="endpoint.test", data={})
        session.add_all([endpoint, event])
        session.flush()
        delivery = Delivery(
            id=new_id(), site_id=site.id, created_at=now, event_id=event.id, endpoint_id=endpoint.id, body=b"{}",
            state=DeliveryState.DEAD,
        )  # fmt: skip
        session.add(delivery)
    return show("delivery", delivery.id)


def test_dead_deliveries_are_listed_and_sent_again(cli: Cli, installed: Database) -> None:
    shown = dead_delivery(installed)
    assert [each["id"] for each in answer(cli("deliveries", "list", "--site", "blog", "--state", "dead", "--json"))] == [shown]
    assert answer(cli("deliveries", "replay", "--site", "blog", "--json")) == {"replayed": 1}
    assert cli("deliveries", "replay", "--site", "blog").stdout == "nothing to send again\n"
    with installed.reading() as session:
        assert session.query(Job).count() == 1
    assert answer(cli("deliveries", "replay", shown, "--site", "blog", "--json")) == {"replayed": 1}


def seal(database: Database) -> None:
    with database.transaction() as session:
        sealing.seal_audit(session, sealing.audit_key(SECRET.encode()))


def test_audit_verify_names_the_row_that_was_changed(cli: Cli, installed: Database) -> None:
    seal(installed)
    good = answer(cli("audit", "verify", "--json"))
    assert (good["ok"], good["rows"]) == (True, good["head"]["seq"])
    with installed.transaction() as session:
        on = "" if installed.is_sqlite else " ON audit"
        for trigger in ("audit_keeps_sealed_rows", "audit_keeps_rows"):
            session.execute(text(f"DROP TRIGGER {trigger}{on}"))
        session.execute(update(Audit).where(Audit.seq == 2).values(actor="nobody"))
    bad = answer(cli("audit", "verify", "--json", code=1))
    assert [(each["seq"], each["action"], each["fault"]) for each in bad["breaks"]] == [
        (2, "site.created", "was changed after it was sealed")
    ]
    assert "site.created" in cli("audit", "verify", code=1).stdout


def test_a_backup_comes_back_in_another_home(
    cli: Cli, installed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{postgres_binaries()}{os.pathsep}{os.environ['PATH']}")
    seal(installed)
    folder = str(tmp_path / "copy")
    made = answer(cli("backup", folder, "--json"))
    assert made["database"] == ("sqlite" if installed.is_sqlite else "postgresql")
    assert "TIDEGATE_SECRET" in cli("backup", str(tmp_path / "again")).stdout
    assert "not empty" in cli("backup", folder, code=2).stderr
    (Path(folder) / "manifest.json").rename(tmp_path / "manifest.json")
    assert "holds no backup" in cli("restore", folder, code=2).stderr
    (tmp_path / "manifest.json").rename(Path(folder) / "manifest.json")
    cli("site", "add", "later")
    assert "--force" in cli("restore", folder, code=2).stderr
    installed.dispose()
    assert answer(cli("restore", folder, "--force", "--json"))["breaks"] == []
    assert [each["name"] for each in answer(cli("site", "list", "--json"))] == ["blog"]
    assert answer(cli("audit", "verify", "--backup", folder, "--json"))["ok"]


def test_a_doctor_is_content_with_a_healthy_installation(
    cli: Cli, installed: Database, valkey: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey)
    home.mkdir(mode=0o700)
    seal(installed)
    with installed.transaction() as session:
        now = installed.now(session)
        for kind in ("moderate", "deliver", "relay"):
            processes.beat(session, f"{kind}@here:1", kind, started_at=now, now=now)
    found = answer(cli("doctor", "--json"))
    assert {each["name"]: each["level"] for each in found["findings"]} == dict.fromkeys(
        ("privacy", "disk", "models", "redis", "schema", "database", "clock", "workers", "queue", "feed", "deliveries", "audit"),
        "ok",
    )


def test_a_doctor_says_what_is_wrong(cli: Cli, installed: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    dead_delivery(installed)
    with installed.transaction() as session:
        old = installed.now(session) - timedelta(minutes=5)
        session.execute(update(Event).values(created_at=old))
        session.execute(update(Audit).values(created_at=old))
        session.execute(update(Delivery).values(state=DeliveryState.DEAD))
        site = sites.find(session, "blog")
        session.add(Job(id=new_id(), created_at=old, site_id=site.id, kind="moderate", subject_id=new_id(), run_at=old))
    found = {each["name"]: each for each in answer(cli("doctor", "--json", code=1))["findings"]}
    levels = {name: each["level"] for name, each in found.items() if each["level"] != "ok"}
    assert levels == {
        "privacy": "fail",
        "redis": "warn",
        "workers": "fail",
        "queue": "fail",
        "feed": "fail",
        "deliveries": "warn",
        "audit": "fail",
    }
    assert "moderate, deliver, relay" in found["workers"]["detail"]
    assert "300 s" in found["queue"]["detail"]


def test_a_doctor_knows_a_network_filesystem() -> None:
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /srv/far\\040away nfs4 rw 0 0\n/dev/b /srv/far\\040away/near xfs rw 0 0\n"
    assert filesystem(Path("/srv/far away/home"), mounts) == "nfs4"
    assert filesystem(Path("/srv/far away/near/home"), mounts) == "xfs"
    assert filesystem(Path("/srv/farther"), mounts) == "ext4"


def test_a_doctor_without_a_database_still_looks_at_the_rest(cli: Cli, home: Path) -> None:
    result = CliRunner().invoke(tidegate, ["doctor"])
    assert result.exit_code == 4
    assert "ok    models" in result.stdout
    assert "fail  database" in result.stdout


def test_commands_are_found_where_the_table_says() -> None:
    context = click.Context(tidegate)
    assert [name for name in COMMANDS if tidegate.get_command(context, name) is None] == []
