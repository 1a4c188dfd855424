"""The held-out cases are what they claim to be: many, balanced, and nothing that the model was trained on."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

CASES = {
    function["name"]: (function["publish"], function["hold"])
    for path in sorted((Path(__file__).parent / "cases").glob("*.toml"))
    for function in tomllib.loads(path.read_text(encoding="utf-8"))["function"]
}
GENERATORS = Path(__file__).parents[3] / "training" / "generate"


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def five_word_runs(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return {tuple(found[i : i + 5]) for i in range(len(found) - 4)}


def test_there_are_four_hundred_cases_in_twenty_functions() -> None:
    assert len(CASES) >= 20
    assert sum(len(publish) + len(hold) for publish, hold in CASES.values()) >= 400


@pytest.mark.parametrize("function", CASES)
def test_every_function_has_both_sides(function: str) -> None:
    publish, hold = CASES[function]
    assert min(len(publish), len(hold)) >= 6
    assert not set(publish) & set(hold)


def test_no_case_shares_five_words_in_a_row_with_a_template_of_the_training_set() -> None:
    taught: set[tuple[str, ...]] = set()
    functions = tomllib.loads((GENERATORS / "functions.toml").read_text(encoding="utf-8"))["function"]
    templates = [template for function in functions for template in function["templates"]]
    for name in ("identity.py", "lexicon.py"):
        tree = ast.walk(ast.parse((GENERATORS / name).read_text(encoding="utf-8")))
        templates += [node.value for node in tree if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    for template in templates:
        # A slot breaks a run: what stands in it comes from a word list.
        for piece in re.split(r"\{\w+\}", template):
            taught |= five_word_runs(piece)
    assert taught
    shared = [text for publish, hold in CASES.values() for text in (*publish, *hold) if five_word_runs(text) & taught]
    assert shared == []
