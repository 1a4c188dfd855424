"""CI skips nothing in silence, and the list of excuses names tests that exist."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPS = ROOT / "tests" / "skips.toml"

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of its own with our conftest, one skipped test and one skipped file."""
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text())
    pytester.path.joinpath("skips.toml").touch()
    pytester.makepyfile(
        test_one="import pytest\ndef test_skipped():\n    pytest.skip('not today')\ndef test_passes():\n    pass\n",
        test_file="import pytest\npytest.skip('nothing here', allow_module_level=True)\n",
    )
    return pytester


def test_in_ci_a_skipped_test_and_a_skipped_file_are_failures(suite: pytest.Pytester) -> None:
    suite.runpytest_subprocess("test_one.py").assert_outcomes(passed=1, failed=1)
    suite.runpytest_subprocess("test_file.py").assert_outcomes(errors=1)


def test_an_excuse_lets_ci_skip(suite: pytest.Pytester) -> None:
    suite.path.joinpath("skips.toml").write_text(
        '[[skip]]\ntest = "test_one.py::test_skipped"\nreason = "r"\n[[skip]]\ntest = "test_file.py"\nreason = "r"\n'
    )
    suite.runpytest_subprocess().assert_outcomes(passed=1, skipped=2)


def test_outside_ci_a_skip_is_a_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    suite.runpytest_subprocess().assert_outcomes(passed=1, skipped=2)


def test_every_excuse_names_a_file_that_exists_and_a_reason() -> None:
    for entry in tomllib.loads(SKIPS.read_text()).get("skip", []):
        assert (ROOT / entry["test"].partition("::")[0]).exists()
        assert len(entry["reason"]) > 20
