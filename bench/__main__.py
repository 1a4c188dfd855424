"""`make bench`: measures Tidegate beside the afternoon's pipeline in one run, and writes docs/benchmarks.md."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bench import baseline, doors, million, ours, report
from bench.load import Step, percentile

RATES = (10, 20, 30, 40, 50, 60, 65, 70, 75, 80, 85, 90, 100, 110, 120, 140, 160, 200)
BASELINE_RATES = (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 25, 32, 40)
INTAKE_RATES = (100, 200, 300, 400, 500)
KEPT_UP = 0.9
"""Share of the offered load that has to come through while it lasts; below it the pipeline is saturated."""


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="how long each rate of load lasts")
    parser.add_argument("--comments", type=int, default=1_000_000, help="comments stored for the queue's measurement")
    parser.add_argument("--only", choices=["baseline", "ours", "queue", "doors"], help="measure this alone, and write nothing")
    parser.add_argument("--write", type=Path, default=Path("docs/benchmarks.md"))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as made:
        folder = Path(made)
        found = report.Figures()
        if options.only in {None, "baseline"}:
            _baseline(folder, options.seconds, found)
        if options.only in {None, "ours"}:
            _ours(folder, options.seconds, found)
        if options.only in {None, "queue"}:
            say(f"queue with {options.comments:,} comments")
            found.queue = million.measure(folder / "million", options.comments)
            say(f"  page p99 {_ms(found.queue.pages)} ms, claim p99 {_ms(found.queue.claims)} ms")
        if options.only in {None, "doors"}:
            say("doors")
            for name, door in doors.measure(folder / "doors", options.seconds):
                found.doors.append((name, door))
                say(f"  {name}: {door.line()}")
    if options.only is not None:
        return 0
    found.seconds = time.monotonic() - began
    options.write.write_text(report.written(found))
    say(f"written to {options.write} after {found.seconds:.0f} s")
    return 0


def _baseline(folder: Path, seconds: float, found: report.Figures) -> None:
    shapes = ((2, 1), (1, 2))
    for processes, threads in shapes:
        say(f"afternoon, {processes} processes of {threads} threads")
        with baseline.running(folder / f"trial{processes}{threads}", processes=processes, threads=threads) as running:
            # More than it can do, so that it is never idle.
            found.shapes[processes, threads] = _through(running.run(40, 3))
            say(f"  {found.shapes[processes, threads]:.1f} comments/s")
    processes, threads = max(shapes, key=lambda shape: found.shapes[shape])
    with baseline.running(folder / "afternoon", processes=processes, threads=threads) as running:
        found.baseline = list(rising(BASELINE_RATES, seconds, running.run))
        found.baseline_memory = running.memory()


def _ours(folder: Path, seconds: float, found: report.Figures) -> None:
    say("tidegate")
    with ours.running(folder / "ours") as running:
        found.ready_after = running.ready_after
        say(f"  ready after {found.ready_after:.1f} s")
        running.run(10, 3)
        found.ours = list(rising(RATES, seconds, running.run))
        say("  at half of saturation")
        found.half = running.run(max(step.throughput(step.delivered) for step in found.ours) / 2, 30)
        found.memory = running.memory()
        best = report.saturation(found.ours)
        say("  CPU ms each: " + ", ".join(f"{stage} {spent:.1f}" for stage, spent in best.each().items()))
        say("  MB: " + ", ".join(f"{name} {resident:.0f}" for name, (resident, _) in found.memory.items()))
        say(f"  p99 to decision {_ms(found.half.took(found.half.decided))} ms")
        found.verified = running.receiver.verified
        say("intake alone")
        running.intake_alone()
        for rate in INTAKE_RATES:
            step = running.run(rate, 10, wait=False)
            found.intake.append(step)
            say(f"  {rate}/s offered: {report.answered(step):.0f}/s, p99 {_ms(step.answers())} ms")
            if report.answered(step) < KEPT_UP * rate:
                break


def rising(rates: Iterable[float], seconds: float, run: Callable[[float, float], Step]) -> Iterator[Step]:
    """Yield a step for each rate until one is more than comes through."""
    for rate in rates:
        step = run(rate, seconds)
        through = step.throughput(step.delivered)
        say(f"  {rate:g}/s offered: {through:.1f}/s through, p99 to decision {_ms(step.took(step.decided))} ms")
        yield step
        if through < KEPT_UP * rate:
            return


def _through(step: Step) -> float:
    return step.throughput(step.decided)


def _ms(values: list[float]) -> str:
    return f"{1000 * percentile(values, 0.99):.0f}"


def say(line: str) -> None:
    """Print progress at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
