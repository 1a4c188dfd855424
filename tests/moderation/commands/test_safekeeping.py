"""Deliveries sent again, the audit log, backups and the doctor, from the command line."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text, update

from moderation.cli import tidegate
from moderation.commands.doctor import filesystem
from moderation.database import Database
from moderation.ids import new_id, show
from moderation.models import Audit, Delivery, DeliveryState, Endpoint, Event, Job
from moderation.services import processes, sealing, sites
from tests.moderation.commands.conftest import SECRET, Cli, answer
from tests.servers import postgres_binaries


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


def test_backups_are_kept_in_a_row_where_it_is_asked_for(
    cli: Cli, installed: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{postgres_binaries()}{os.pathsep}{os.environ['PATH']}")
    made = answer(cli("backup", str(tmp_path / "row"), "--keep", "2", "--json"))
    assert Path(made["folder"]).parent == tmp_path / "row"
    assert made["removed"] == []
    cli("backup", str(tmp_path / "row"), "--keep", "0", code=2)
    installed.dispose()
    assert answer(cli("restore", made["folder"], "--force", "--json"))["breaks"] == []


def test_the_schema_goes_back_only_where_nobody_is_at_work(cli: Cli, installed: Database) -> None:
    with installed.transaction() as session:
        now = installed.now(session)
        processes.beat(session, "relay@here:1", "relay", started_at=now, now=now)
    assert "stop Tidegate first" in cli("migrate", "--back-to", "0006", code=2).stderr
    with installed.transaction() as session:
        processes.leave(session, "relay@here:1")
    assert "is not before" in cli("migrate", "--back-to", "9999", code=2).stderr
    assert answer(cli("migrate", "--back-to", "0006", "--json")) == {"revision": "0006"}
    assert answer(cli("migrate", "--json"))["revision"] > "0006"
    assert [each["name"] for each in answer(cli("site", "list", "--json"))] == ["blog"]


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
        (
            "privacy",
            "disk",
            "models",
            "redis",
            "mail",
            "schema",
            "database",
            "clock",
            "workers",
            "queue",
            "feed",
            "deliveries",
            "sites",
            "messages",
            "audit",
        ),
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


def test_a_doctor_finds_nothing_late_in_what_may_wait(cli: Cli, installed: Database, home: Path) -> None:
    home.mkdir(mode=0o700)
    with installed.transaction() as session:
        now = installed.now(session)
        old, shared = now - timedelta(minutes=5), {"created_at": now, "site_id": sites.find(session, "blog").id}
        session.add_all(
            [
                # An explanation waits for a pause; a delivery behind one that is tried again later, for that one.
                Job(id=new_id(), kind="explain", subject_id=new_id(), run_at=old, **shared),
                Job(
                    id=new_id(),
                    kind="notify",
                    subject_id=new_id(),
                    run_at=now + timedelta(hours=1),
                    order_key="a",
                    order_seq=1,
                    **shared,
                ),
                Job(id=new_id(), kind="notify", subject_id=new_id(), run_at=old, order_key="a", order_seq=2, **shared),
            ]
        )
    found = {each["name"]: each for each in answer(cli("doctor", "--json", code=1))["findings"]}
    assert (found["queue"]["level"], "waits for 0 s" in found["queue"]["detail"]) == ("ok", True)


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
