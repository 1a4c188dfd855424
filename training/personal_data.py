"""Measures the signal for personal data on our own cases: `python -m training.personal_data --metrics FILE`.

For each kind: recall over the texts that name one of it, and precision, the share of the texts with a finding of the kind that do
name one, among all texts of the file. Two in five are harmless, most of them chosen for their likeness; on a blog nearly all are
harmless and few look alike, so the precision says which likenesses deceive and not how often.
"""

import argparse
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moderation.signals.personal_data import measure
from training.judge_cases import wilson

CASES: Final = Path(__file__).parents[1] / "tests" / "moderation" / "signals" / "cases" / "personal_data.toml"
KINDS: Final = ("phones", "emails", "ibans", "street_addresses")
REGION: Final = "GB"
"""Where a site is whose texts stand under no region."""


@dataclass(frozen=True, slots=True)
class Case:
    """A text with its kind, ``harmless`` for none, the part of the file it stands in and the region of the site."""

    kind: str
    part: str
    region: str | None
    text: str


def cases() -> Iterator[Case]:
    """Yield all cases of the file."""
    for kind, parts in tomllib.loads(CASES.read_text(encoding="utf-8")).items():
        for part, texts in parts.items():
            region = REGION if kind != "phones" else None if part == "none" else part
            for text in texts:
                yield Case(kind, part, region, text)


def figures() -> tuple[dict[str, Any], list[str]]:
    """Return precision and recall by kind, each as [share, low, high], and one line for each text that came out wrong."""
    found: dict[str, set[Case]] = {kind: set() for kind in KINDS}
    every = list(cases())
    wrong: list[str] = []
    for case in every:
        counted = measure(case.text, case.region, frozenset({"blog.example"}))
        said = {kind for kind in KINDS if getattr(counted, kind)}
        for kind in said:
            found[kind].add(case)
        if said != ({case.kind} & set(KINDS)):
            wrong.append(f"{case.kind}.{case.part}: {', '.join(sorted(said)) or 'nothing'} in: {case.text}")
    shown: dict[str, Any] = {"texts": len(every), "harmless": sum(case.kind == "harmless" for case in every)}
    for kind in KINDS:
        named = {case for case in every if case.kind == kind}
        right = len(found[kind] & named)
        shown[kind] = {
            "recall": wilson(right, len(named)),
            "texts": len(named),
            "precision": wilson(right, len(found[kind])),
            "found": len(found[kind]),
        }
    held = {case for kind in KINDS for case in found[kind] if case.kind == "harmless"}
    shown["harmless_with_a_finding"] = wilson(len(held), shown["harmless"])
    return shown, wrong


def main() -> None:
    """Read the arguments, measure, write and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--metrics", type=Path, required=True)
    options = parser.parse_args()
    found, wrong = figures()
    print("\n".join(wrong))
    print(json.dumps(found, indent=1))
    metrics: dict[str, Any] = json.loads(options.metrics.read_text()) if options.metrics.exists() else {}
    options.metrics.write_text(json.dumps({**metrics, "personal_data": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
