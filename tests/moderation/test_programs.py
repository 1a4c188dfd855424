"""The plan of processes: what is started, and that each child reads the settings that its parent had."""

from dataclasses import fields
from pathlib import Path

import pytest

from moderation.config import Settings
from moderation.embedded import EmbeddedValkey
from moderation.programs import environment, plan

SETTINGS = Settings(
    home=Path("/srv/tidegate"),
    database_url="postgresql://tidegate@db/tidegate",
    redis_url="redis://:secret@redis/0",
    port=8123,
    host="0.0.0.0",
    public_url="https://comments.example",
    trusted_proxies=2,
    secret=b"0123456789abcdef0123456789abcdef",
    profile="small",
    models=Path("/srv/models"),
    log_level="debug",
    webhook_schedule=(0.0, 0.25, 3600.0),
    webhook_allow=("10.0.0.0/8", "127.0.0.1:8124"),
    webhook_timeout=2.5,
    metrics_public=True,
    failpoints="relay.placed:kill",
    smtp_url="smtps://tidegate:secret@mail.example:465",
    mail_from="Comments <comments@blog.example>",
)
NOT_SAID = {"redis_prefix"}
"""Settings that have no variable: they differ in tests alone."""


def names(settings: Settings, valkey: EmbeddedValkey | None = None) -> list[str]:
    return [program.name for program in plan(settings, valkey)]


def test_a_child_reads_the_very_settings_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings(home=SETTINGS.home, database_url="", secret=b"")
    for name, value in environment(SETTINGS, SETTINGS.redis_url).items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env() == SETTINGS
    same = {field.name for field in fields(Settings) if getattr(SETTINGS, field.name) == getattr(default, field.name)}
    assert same == NOT_SAID | {"home"}, "a setting that this test leaves at its default proves nothing"


def test_a_child_of_an_installation_without_redis_looks_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://stale")
    for name, value in environment(SETTINGS, None).items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env().redis_url is None


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setenv("TIDEGATE_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path))
    assert Settings.from_env().secret == b"0123456789abcdef0123456789abcdef"


def test_the_standard_plan_has_every_part_and_the_small_one_a_single_worker(tmp_path: Path) -> None:
    standard = Settings(home=tmp_path, database_url="", secret=b"")
    assert names(standard, EmbeddedValkey(tmp_path)) == ["valkey", "relay", "moderate", "deliver", "api", "demo"]
    assert names(SETTINGS) == ["relay", "worker", "api", "demo"]


def test_valkey_outlives_the_workers_and_the_workers_outlive_the_api(tmp_path: Path) -> None:
    """What takes comments in stops first, so that what is taken in still finds its doorbell and its worker."""
    order = {
        program.name: program.priority
        for program in plan(Settings(home=tmp_path, database_url="", secret=b""), EmbeddedValkey(tmp_path))
    }
    assert order["valkey"] < order["moderate"] == order["deliver"] == order["relay"] < order["api"] < order["demo"]
