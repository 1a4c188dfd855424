"""A real WordPress in front of a running Tidegate, for a whole file."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.request import urlopen

import pytest

from tests.faults.stack import Broken
from tests.packaging.compose import ROOT
from tests.packaging.installation import Up
from tests.packaging.ports import free_pair
from tests.servers import open_folder
from tests.wordpress.blog import WordPress, package


@dataclass
class Switched:
    """A blog and the Tidegate that moderates it."""

    blog: WordPress
    stack: Broken
    publisher: str = ""
    door_key: str = ""
    moderator: str = field(default="")

    def tidegate(self, *arguments: str, given: str = "", code: int = 0) -> str:
        """Run a command of the installation."""
        environment = self.stack.up.environment
        done = subprocess.run(
            [sys.executable, "-m", "moderation.cli", *arguments],
            input=given, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def of(self, number: int) -> str:
        """Return Tidegate's id of a comment of the blog."""
        found = self.blog.meta(number, "tidegate_id")
        assert found.startswith("cmt_"), f"comment {number} has no id of ours: {found!r}"
        return found

    def shown(self, number: int) -> Any:
        return self.stack.call("GET", f"/v1/comments/{self.of(number)}")

    def decide(self, number: int, verdict: str, **more: Any) -> Any:
        shown = self.shown(number)
        body = {"verdict": verdict, "revision": shown["revision"], **more}
        path = f"/v1/comments/{self.of(number)}/decisions"
        status, answer = self.stack.ask("POST", path, body, key=self.moderator)
        assert status == 201, answer
        return answer["decision"]

    def undo(self, decision: Any) -> None:
        status, answer = self.stack.ask("POST", f"/v1/decisions/{decision['id']}/undo", key=self.moderator)
        assert status == 201, answer

    def heard(self, number: int, status: str) -> None:
        self.stack.wait(f"comment {number} is {status} here", lambda: self.shown(number)["status"] == status)

    def settled(self) -> None:
        """Wait until the blog is up to date with everything."""
        self.stack.wait("everything published", lambda: not self.stack.open_publications())

    def becomes(self, number: int, status: str) -> None:
        self.stack.wait(f"comment {number} is {status}", lambda: self.blog.status(number) == status)


@pytest.fixture(scope="module", params=["/%postname%/", ""], ids=["pretty", "plain"])
def switched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switched]:
    """A blog whose comments go through Tidegate, with each form of permalinks."""
    home = tmp_path_factory.mktemp("stack") / ".tidegate"
    with contextlib.ExitStack() as end:
        folder = end.enter_context(open_folder("tidegate-wordpress-"))
        up = Up(home, free_pair(), {"TIDEGATE_WEBHOOK_ALLOW": "127.0.0.1"})
        end.callback(up.end, signal.SIGTERM)
        stack = Broken(up, f"sqlite:///{home / 'data' / 'tidegate.db'}")
        end.callback(stack.close)
        found = Switched(WordPress(folder, package(ROOT / ".wordpress")), stack)
        site = stack.up.demo()["site"]
        found.door_key = found.tidegate("key", "add", "--site", site, "--kind", "door", "--name", "wordpress").strip()
        found.moderator = stack.moderator("Ann")
        with urlopen(f"{stack.base}/downloads/tidegate-wordpress.php", timeout=20) as answer:
            plugin = answer.read().decode()
        end.callback(found.blog.stop)
        found.blog.start(plugin=plugin, key=found.door_key, permalinks=request.param)
        options = ("--site", site, "--set", f"url={found.blog.url}", "--set", "username=tidegate")
        said = found.tidegate("publisher", "add", "wordpress", *options, given=found.blog.password + "\n")
        found.publisher = said.splitlines()[0]
        yield found
