"""The same text gets the same scores, to the last bit, next year as today, for as long as the version has the same name.

Whoever changes the model, its tokenizer, calibration or word list gives it another version, and adds a record. Processors
differ in how they add 8-bit numbers: elsewhere than on the kind of the record, scores may differ a little.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moderation.scoring import catalog
from moderation.services.asking import Models

RECORDS: dict[str, dict[str, Any]] = {
    path.stem.removeprefix("same_bits_"): json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "cases").glob("same_bits_*.json"))
}
PROGRAM = """
import json, sys
from moderation.scoring import catalog
from moderation.services.asking import Models
models = Models(catalog.bundled(sys.argv[1]), catalog.spam())
found = {}
for text in json.load(sys.stdin):
    scored = models(text)
    found[text] = {name: value.hex() for name, value in {**scored.values, "spam": scored.spam}.items()}
print(json.dumps(found))
"""


def bits(models: Models, text: str) -> dict[str, str]:
    scored = models(text)
    assert scored.values is not None
    assert scored.spam is not None
    return {name: value.hex() for name, value in {**scored.values, "spam": scored.spam}.items()}


@pytest.fixture(scope="module", params=RECORDS)
def record(request: pytest.FixtureRequest) -> dict[str, Any]:
    return RECORDS[request.param]


@pytest.fixture(scope="module")
def models(record: dict[str, Any]) -> Models:
    return Models(catalog.bundled(record["models"].split()[0]), catalog.spam())


def test_every_version_that_can_be_chosen_has_a_record() -> None:
    assert RECORDS.keys() == {*catalog.EARLIER, catalog.bundled().version.partition("+")[0]}


def test_the_recorded_version_gives_the_recorded_bits(models: Models, record: dict[str, Any]) -> None:
    assert models.version == record["models"], "another version of the models: give it a name and a record of its own"
    processor = Path("/proc/cpuinfo")
    alike = processor.exists() and record["instructions"] in processor.read_text()
    for text, recorded in record["scores"].items():
        found = bits(models, text)
        if alike:
            assert found == recorded, text
        else:
            for name, value in recorded.items():
                assert float.fromhex(found[name]) == pytest.approx(float.fromhex(value), abs=0.03), (text, name)


def test_bits_depend_on_no_other_text_and_on_no_process(models: Models, record: dict[str, Any]) -> None:
    texts = list(record["scores"])
    here = {text: bits(models, text) for text in texts}
    backwards = {text: bits(models, text) for text in reversed([*texts, "x " * 900, *texts])}
    command = [sys.executable, "-c", PROGRAM, record["models"].split()[0]]
    fresh = subprocess.run(command, input=json.dumps(texts[::-1]), capture_output=True, text=True, check=True)
    assert json.loads(fresh.stdout) == here == {text: backwards[text] for text in texts}
