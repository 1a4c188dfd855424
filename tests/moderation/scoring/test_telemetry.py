"""Scoring tells nobody that it runs: ONNX Runtime would, by default (seen in 1.32), and would keep an id of the machine."""

import os
import subprocess
import sys
from pathlib import Path

SCORE = "from moderation.scoring import catalog; print(catalog.bundled().score(['Well said!']))"
LOAD = """
import sys, onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""
ROOT = Path(__file__).parents[3]
MODEL = ROOT / "moderation" / "scoring" / "bundled" / "toxicity.onnx"


def left_in_the_home(home: Path, *command: str) -> set[str]:
    """Return what a process leaves in an empty home; without the variables by which the library knows a build machine."""
    home.mkdir()
    subprocess.run(
        [sys.executable, "-B", "-c", *command],
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_scoring_leaves_no_machine_id_and_no_report(tmp_path: Path) -> None:
    assert left_in_the_home(tmp_path / "ours", SCORE) == set()


def test_the_library_by_itself_would_leave_both(tmp_path: Path) -> None:
    """When this fails, the library has changed its ways: look again at what moderation/scoring/__init__.py says about it."""
    assert any("onnxruntime" in name for name in left_in_the_home(tmp_path / "theirs", LOAD, str(MODEL)))
