"""The reverse proxies that we ship files for, as processes of this machine; only ports and certificates are others."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moderation.embedded import free_port
from tests.certificates import Authority
from tests.packaging.compose import ROOT
from tests.servers import tied

HOST = "comments.example.org"
PATIENCE = 30.0


@dataclass
class Proxy:
    """A running proxy: where it takes requests for HOST, and whom to believe."""

    kind: str
    plain: int
    secure: int
    authority: Path
    trust: ssl.SSLContext = field(repr=False)

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        secure: bool = True,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request and give the answer, whose body may still be coming."""
        connection = _Connection(self.secure if secure else self.plain, self.trust if secure else None)
        try:
            connection.request(method, path, body, dict(headers or {}))
            with connection.getresponse() as answer:
                yield answer
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """A connection to this machine that asks for HOST, as a browser would whose resolver was told so."""

    def __init__(self, port: int, trust: ssl.SSLContext | None) -> None:
        super().__init__(HOST, port, timeout=PATIENCE)
        self._trust = trust

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        if self._trust is not None:
            self.sock = self._trust.wrap_socket(self.sock, server_hostname=HOST)

    def putheader(self, header: str | bytes, *values: Any) -> None:
        super().putheader(header, *((HOST,) if header == "Host" else values))


def nginx(folder: Path, authority: Authority, upstream: int) -> Iterator[Proxy]:
    """Run nginx with our file, whose ports and certificate are others here."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    plain, secure = free_port(), free_port()
    certificate = authority.issue(HOST)
    ours = (ROOT / "deploy" / "nginx" / "tidegate.conf").read_text()
    here = {
        r"listen (\[::\]:)?80;": f"listen 127.0.0.1:{plain};",
        r"listen (\[::\]:)?443 ssl http2;": f"listen 127.0.0.1:{secure} ssl http2;",
        r"ssl_certificate(_key)? \S+;": rf"ssl_certificate\1 {certificate};",
        r"127\.0\.0\.1:8080": f"127.0.0.1:{upstream}",
    }
    for pattern, replacement in here.items():
        ours, count = re.subn(pattern, replacement, ours)
        assert count, pattern
    # Both families became the same address.
    for line in (f"\tlisten 127.0.0.1:{plain};\n", f"\tlisten 127.0.0.1:{secure} ssl http2;\n"):
        ours = ours.replace(line * 2, line)
    (folder / "tidegate.conf").write_text(ours)
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/nginx.pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary} include {folder}/tidegate.conf; }}\n"
    )
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    yield from _running(Proxy("nginx", plain, secure, authority.file, authority.context()), command, folder)


def caddy(folder: Path, authority: Authority, upstream: int) -> Iterator[Proxy]:
    """Run Caddy with our file as it understands it, with other ports and our certificate in the place of a public one."""
    program = shutil.which("caddy")
    assert program is not None
    plain, secure = free_port(), free_port()
    variables = {"TIDEGATE_HOSTNAME": HOST, "TIDEGATE_UPSTREAM": f"127.0.0.1:{upstream}"}
    read = subprocess.run(
        [program, "adapt", "--adapter", "caddyfile", "--config", str(ROOT / "deploy" / "Caddyfile")],
        env={**os.environ, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    configuration: dict[str, Any] = json.loads(read.stdout)
    http_app = configuration["apps"]["http"]
    http_app |= {"http_port": plain, "https_port": secure}
    for server in http_app["servers"].values():
        server["listen"] = [{":443": f"127.0.0.1:{secure}"}.get(each, f"127.0.0.1:{free_port()}") for each in server["listen"]]
    certificate = str(authority.issue(HOST))
    configuration["apps"]["tls"] = {"certificates": {"load_files": [{"certificate": certificate, "key": certificate}]}}
    (folder / "caddy.json").write_text(json.dumps(configuration))
    command = [program, "run", "--config", str(folder / "caddy.json")]
    yield from _running(Proxy("caddy", plain, secure, authority.file, authority.context()), command, folder)


def _running(proxy: Proxy, command: list[str], folder: Path) -> Iterator[Proxy]:
    log = folder / f"{proxy.kind}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*tied(folder / f"{proxy.kind}.tether"), *command],
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: _listens(proxy.plain) and _listens(proxy.secure), lambda: f"{process.poll()} {log.read_text()}")
        yield proxy
    finally:
        process.terminate()
        process.wait(PATIENCE)


def until(condition: Callable[[], bool], said: Callable[[], str]) -> None:
    """Wait for a condition; fails with what ``said`` returns."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


PROXIES = {"nginx": nginx, "caddy": caddy}
