"""The commands of docker-compose.yml, each started outside Docker on PostgreSQL and Valkey, and asked for its health."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from moderation.embedded import find_server, free_port
from moderation.healthcheck import TIMEOUT
from tests.packaging.compose import PARTS, ROOT, filled, read
from tests.servers import PATIENCE, PostgresServer, tied

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

SERVICES = read()["services"]
SECRETS = {
    "TIDEGATE_SECRET": "s" * 64,
    "POSTGRES_PASSWORD": "p" * 64,
    "VALKEY_PASSWORD": "v" * 64,
    "TIDEGATE_HOSTNAME": "localhost",
}


class Container:
    """A service's command with the environment that Compose would give it, as a process of this machine."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.service = SERVICES[name]
        self.environment = {"PATH": os.environ["PATH"], "TIDEGATE_HOME": str(folder / name), **environment}
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*tied(folder / f"{name}.tether"), *self.local(self.service["command"])],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def local(self, command: list[str]) -> list[str]:
        parts = [filled(part, SECRETS) for part in command]
        return [sys.executable if part == "python" else part for part in parts]

    def is_well(self) -> bool:
        kind, *command = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        asked = subprocess.run(
            self.local(command), cwd=ROOT, env=self.environment, capture_output=True, timeout=TIMEOUT * 4, check=False
        )
        return asked.returncode == 0

    def wait_well(self) -> None:
        deadline = time.monotonic() + int(self.service["healthcheck"]["start_period"].removesuffix("s"))
        while not self.is_well():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()

    def stop(self) -> int:
        """End it as Docker would, and return its status; fails when it takes longer than its grace."""
        self.process.terminate()
        return self.process.wait(int(self.service["stop_grace_period"].removesuffix("s")))

    def said(self) -> str:
        return self._log.read_text()[-4000:]


@pytest.fixture
def valkey_url(tmp_path: Path) -> Iterator[str]:
    """Valkey by the command in the file, on another port."""
    server, port = find_server(), free_port()
    assert server is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "valkey-server").symlink_to(server)
    shell, flag, script = (filled(part, SECRETS) for part in SERVICES["valkey"]["command"])
    with subprocess.Popen(
        [*tied(tmp_path / "valkey.tether"), shell, flag, f"{script} --bind 127.0.0.1 --port {port}"],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "VALKEY_PASSWORD": SECRETS["VALKEY_PASSWORD"]},
        stdout=subprocess.DEVNULL,
    ) as process:
        url = f"redis://:{SECRETS['VALKEY_PASSWORD']}@127.0.0.1:{port}/0"
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with Redis.from_url(url) as client:
                    client.ping()
                break
            except RedisError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
        process.terminate()


@pytest.fixture
def environment(postgres: PostgresServer, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    """What the file says, with the addresses of this machine's servers in the place of those inside."""
    port = str(free_port())
    postgres.create_database("composed")
    local = {
        "@postgres:5432/tidegate": f"@127.0.0.1:{postgres.port}/composed",
        SERVICES["api"]["environment"]["REDIS_URL"]: valkey_url,
    }
    found = {}
    for name, value in SERVICES["moderate"]["environment"].items():
        for inside, here in local.items():
            value = value.replace(inside, here)  # noqa: PLW2901
        found[name] = filled(value, SECRETS)
    return {**found, "TIDEGATE_PORT": port}


@pytest.mark.postgres
@pytest.mark.valkey
def test_every_part_starts_by_its_own_command_says_that_it_is_well_and_ends_in_its_grace(
    environment: dict[str, str], postgres: PostgresServer, tmp_path: Path
) -> None:
    migrate = Container("migrate", tmp_path, environment)
    assert migrate.process.wait(60) == 0, migrate.said()
    parts = [Container(name, tmp_path, environment) for name in PARTS]
    try:
        for part in parts:
            part.wait_well()
        with socket.create_connection(("127.0.0.1", int(environment["TIDEGATE_PORT"])), timeout=5) as asking:
            asking.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = asking.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert [part.stop() for part in parts] == [0] * len(parts), [part.said() for part in parts]
    finally:
        for part in parts:
            if part.process.poll() is None:
                part.process.kill()
        postgres.drop_database("composed")


def test_caddy_reads_the_file_that_we_ship() -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("caddy is not installed")
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / "Caddyfile")]
    done = subprocess.run(
        command, env={**os.environ, "TIDEGATE_HOSTNAME": "localhost"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
