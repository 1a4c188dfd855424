"""The same text gets the same scores, to the last bit, next year as today, for as long as the version has the same name.

Whoever changes the model, its tokenizer, calibration or word list gives it another version, and this file's record is made anew
with it. Processors differ in how they add 8-bit numbers: elsewhere than on the kind of the record, scores may differ a little.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from moderation.scoring import catalog
from moderation.services.asking import Models

RECORD: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / "same_bits.json").read_text())
PROGRAM = """
import json, sys
from moderation.scoring import catalog
from moderation.services.asking import Models
models = Models(catalog.bundled(), catalog.spam())
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


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(catalog.bundled(), catalog.spam())


def test_the_recorded_version_gives_the_recorded_bits(models: Models) -> None:
    assert models.version == RECORD["models"], "another version of the models: make the record anew"
    processor = Path("/proc/cpuinfo")
    alike = processor.exists() and RECORD["instructions"] in processor.read_text()
    for text, recorded in RECORD["scores"].items():
        found = bits(models, text)
        if alike:
            assert found == recorded, text
        else:
            for name, value in recorded.items():
                assert float.fromhex(found[name]) == pytest.approx(float.fromhex(value), abs=0.03), (text, name)


def test_bits_depend_on_no_other_text_and_on_no_process(models: Models) -> None:
    texts = list(RECORD["scores"])
    here = {text: bits(models, text) for text in texts}
    backwards = {text: bits(models, text) for text in reversed([*texts, "x " * 900, *texts])}
    command = [sys.executable, "-c", PROGRAM]
    fresh = subprocess.run(command, input=json.dumps(texts[::-1]), capture_output=True, text=True, check=True)
    assert json.loads(fresh.stdout) == here == {text: backwards[text] for text in texts}
