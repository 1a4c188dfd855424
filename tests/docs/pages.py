"""Somebody who follows a page of docs/ and runs its commands as they stand there, against a Tidegate on this machine."""

import os
import re
import shlex
import subprocess
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner
from flask import Flask
from werkzeug.serving import make_server

from moderation.cli import tidegate

DOCS = Path(__file__).parents[2] / "docs"
PUBLIC = "https://tidegate.example"
"""What pages call the installation."""


def blocks(page: str, language: str) -> list[str]:
    """Return a page's examples in a language, those in lists too."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(text) for _, text in found]


def commands(page: str) -> list[str]:
    """Return the commands of a page's shell examples, each in one line."""
    lines = "\n".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """Serve an application on a free port and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Reader:
    """Runs commands one by one and remembers what the next ones need: variables, and the publisher that was made last.

    ``base`` is where Tidegate listens, ``blog`` where the stand-in for a blog does, ``typed`` what is entered when asked.
    """

    base: str
    folder: Path
    blog: str = ""
    typed: str = ""
    publisher: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def follow(self, page: str, *, but: tuple[str, ...] = ()) -> dict[str, str]:
        """Run a page's commands except those with a word of ``but`` in them; returns what each printed."""
        for word in but:
            assert any(word in command for command in commands(page)), f"nothing on the page has {word!r}"
        return {command: self.run(command) for command in commands(page) if not any(word in command for word in but)}

    def run(self, command: str) -> str:
        """Run one command, which has to succeed, and return what it printed."""
        assigned = re.fullmatch(r"([A-Z_]+)=\$\((.*)\)", command)
        if assigned:
            said = self.run(assigned[2])
            self.variables[assigned[1]] = said.strip()
            return said
        command = command.replace(PUBLIC, self.base).replace("pub_...", self.publisher)
        if self.blog:
            command = re.sub(r"--set url=\S+", f"--set url={self.blog}", command)
        return self._tidegate(command) if command.startswith("tidegate ") else self._curl(command)

    def _tidegate(self, command: str) -> str:
        arguments = shlex.split(command, comments=True)[1:]
        result = CliRunner().invoke(tidegate, arguments, prog_name="tidegate", input=self.typed)
        assert result.exit_code == 0, f"{command}\n{result.output}{result.exception!r}"
        made = re.search(r"^pub_\w+", result.stdout, re.MULTILINE)
        self.publisher = made[0] if made else self.publisher
        return result.stdout

    def _curl(self, command: str) -> str:
        assert command.startswith("curl "), command
        done = subprocess.run(
            ["bash", "-euc", f'curl() {{ command curl --fail-with-body --max-time 30 "$@"; }}; {command}'],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout
