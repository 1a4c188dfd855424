"""Schemathesis, run as its command line is, against an application that listens on this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


def ask_everything(
    schema: str,
    base: str,
    folder: Path,
    *,
    config: str = "",
    hooks: str = "",
    checks: tuple[str, ...] = (),
    examples: int,
    seconds: int,
) -> None:
    """Ask all that a description allows, and what it forbids, the same each time; fails with what Schemathesis found.

    ``schema`` is an address or a file, ``config`` a schemathesis.toml, ``hooks`` a module that changes each request. Without
    ``checks`` it makes all that the config leaves.
    """
    (folder / "schemathesis.toml").write_text(config)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", str(folder / "schemathesis.toml")),
            *("run", schema, "--url", base, *(("--checks", ",".join(checks)) if checks else ())),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples), "--seed", "1"),
            *("--generation-database", "none", "--no-color", "--warnings", "off", "--max-time", str(seconds)),
        ],
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    assert "Test cases:" in done.stdout, done.stdout + done.stderr
    if done.returncode:
        pytest.fail(done.stdout, pytrace=False)
