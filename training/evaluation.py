"""Measures what the model card says, and prints each target beside what was reached: `python -m training.evaluation --data DIR`.

The parts are programs of their own and run one after the other, so that each has its memory and its one thread. What needs the
float checkpoint, which is too large for the repository, is only repeated where --checkpoint names one. Ends with status 1 when a
part failed; a target that is missed is a figure and no failure.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from moderation.scoring import catalog

ROOT: Final = Path(__file__).parents[1]
BUNDLED: Final = Path(catalog.__file__).parent / "bundled"
SHIPPED: Final = "shipped)"
"""How the row of `speed_variants` ends that says what the shipped scorer takes."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was aimed at and what was reached; ``at_least`` False where less is better."""

    what: str
    aim: float
    reached: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether it was."""
        return self.reached >= self.aim if self.at_least else self.reached <= self.aim

    def line(self) -> str:
        """Return it as a row of the printed table."""
        sign = ">=" if self.at_least else "<="
        return f"{self.what:58s} {sign} {self.aim:<7g} {self.reached:<9g} {'reached' if self.met else 'NOT REACHED'}"


def targets(metrics: Mapping[str, Any]) -> Iterator[Target]:
    """Yield every target with the figure that the metrics have for it; raises KeyError where one was not measured."""
    jigsaw, madlibs = metrics["jigsaw"], metrics["bias_madlibs"]
    (fastest,) = (row for name, row in metrics["speed_variants"].items() if name.endswith(f", {SHIPPED}"))
    yield Target("Jigsaw toxicity, balanced: AUC", 0.978, jigsaw["balanced"]["auc"][0])
    yield Target("Jigsaw toxicity, random 1,000: AUC", 0.982, jigsaw["random_1k"]["auc"][0])
    yield Target("mean AUC of the attributes with ten positives", 0.98, jigsaw["six_labels_mean_auc"])
    for name in ("subgroup", "bpsn", "bnsp"):
        term, lowest = next(iter(madlibs[f"worst_{name}"].items()))
        yield Target(f"bias madlibs, {name}, each of {madlibs['terms']} terms: lowest AUC ({term})", 0.93, lowest)
    way, most = max(metrics["disguised_auc_lost"].items(), key=lambda item: item[1])
    yield Target(f"AUC lost under each single disguise: most ({way})", 0.02, most, at_least=False)
    cross_fitted, shipped = (
        metrics["calibration"]["toxicity"]["ece_cross_fitted"],
        metrics["calibration_error_as_shipped"]["toxicity"],
    )
    yield Target("calibration error of toxicity (ECE), curves cross-fitted", 0.03, cross_fitted, at_least=False)
    yield Target("calibration error of toxicity (ECE), as shipped", 0.03, shipped, at_least=False)
    yield Target(f"own held-out cases right, of {metrics['held_out_cases']['cases']}", 0.9, metrics["held_out_cases"]["right"][0])
    yield Target("comments a second on one core", 250, fastest["comments_per_second"])
    yield Target("99th percentile up to 100 tokens, ms", 25, fastest["ms_99_up_to_100_tokens"], at_least=False)
    gap = metrics["int8_against_float"]
    lost = gap["auc_float_with_pairs_all_layers"] - gap["auc_shipped"]
    yield Target("AUC lost against the float model", 0.002, round(lost, 4), at_least=False)


def parts(options: argparse.Namespace) -> Iterator[list[str]]:
    """Yield the module and the arguments of each part."""
    data, metrics = ["--data", str(options.data)], ["--metrics", str(options.metrics)]
    checkpoint = ["--checkpoint", str(options.checkpoint)] if options.checkpoint else []
    yield ["training.evaluate", *data, "--bundled", str(BUNDLED), *metrics, *checkpoint]
    yield ["training.derive_thresholds", *data, *metrics]
    yield ["training.judge_cases", *data, *metrics]
    yield ["training.site_layer", *data, *metrics, "--plot", str(ROOT / "docs" / "images" / "site-layer.svg")]
    yield ["training.faithfulness", *metrics, "--texts", str(options.data / "benchmark" / "jigsaw_test.csv.gz")]
    yield ["training.personal_data", *metrics]


def main() -> int:
    """Run the parts, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, default=ROOT / "training" / "metrics.json")
    parser.add_argument("--checkpoint", type=Path, help="the float model, to compare with")
    parser.add_argument("--table", action="store_true", help="print the table of what was measured before, and measure nothing")
    options = parser.parse_args()
    failed = False
    for module, *arguments in () if options.table else parts(options):
        print(f"== {module}", flush=True)
        began = time.monotonic()
        status = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=False).returncode
        print(
            f"== {module}: {'done' if status == 0 else f'FAILED with status {status}'} in {time.monotonic() - began:.0f} s",
            flush=True,
        )
        failed = failed or status != 0
    metrics = json.loads(options.metrics.read_text())
    print(f"{metrics['model']} and {metrics['spam_model']}; speed from `make bench-models`")
    for target in targets(metrics):
        print(target.line())
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
