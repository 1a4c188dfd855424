"""The page of the measurements: tables, ratios, and each target beside what was reached."""

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.doors import AT_ONCE, Found
from bench.load import Step, percentile
from bench.million import Queue

RATIOS = (5.0, 8.0)
"""The second is wanted of the scorers that followed the first ones."""
HALF_P99 = 0.300
INTAKE = 300.0
INTAKE_P99 = 0.100
MEMORY = 300.0
QUEUE = 0.050
READY = 10.0


@dataclass(slots=True)
class Figures:
    """Everything that one run measured."""

    shapes: dict[tuple[int, int], float] = field(default_factory=dict)
    baseline: list[Step] = field(default_factory=list)
    baseline_memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    ours: list[Step] = field(default_factory=list)
    half: Step | None = None
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    intake: list[Step] = field(default_factory=list)
    verified: int = 0
    queue: Queue | None = None
    doors: list[tuple[str, Found]] = field(default_factory=list)
    ready_after: float = 0.0
    """Seconds from an installed tree with an empty home to a stack that is ready."""
    seconds: float = 0.0


def answered(step: Step) -> float:
    """Return the accepted requests a second while the load lasted."""
    until = step.began + step.seconds
    return sum(1 for sent in step.accepted if sent.answered <= until) / step.seconds


def saturation(steps: list[Step]) -> Step:
    """Return the step with the most comments through."""
    return max(steps, key=lambda step: step.throughput(step.delivered))


def written(found: Figures) -> str:
    """Return the page as Markdown; raises ValueError for a run that did not measure everything."""
    if found.half is None or found.queue is None:
        raise ValueError("the run is not complete")
    best, base = saturation(found.ours), saturation(found.baseline)
    most, least = best.throughput(best.delivered), base.throughput(base.delivered)
    shape = max(found.shapes, key=lambda each: found.shapes[each])
    parts = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Two pipelines in one run on one machine, so that the ratios hold even where",
        "the figures do not: (a) Tidegate as `make up` runs it, from the submission of a comment to its signed webhook at a",
        "local receiver; (b) what a developer writes in an afternoon (bench/afternoon.py): Flask, Celery with the comment in",
        "the message, a model of the shape of Detoxify's `original` on torch, one comment at a time, an UPDATE, no webhook.",
        "",
        f"{_machine()}. {datetime.now(UTC):%Y-%m-%d}, {found.seconds:.0f} s in all.",
        "Texts are distinct, of made-up sentences, with the lengths and the tones that comments have (bench/texts.py): they cost",
        "the model what real comments cost it. Requests are due at",
        "fixed times and timed from then on, whether or not the server keeps up. A decision of Tidegate counts when another",
        "connection sees it; one of the afternoon's pipeline when its worker says so, just before its commit. The load",
        "generator and the receiver share the cores.",
        "",
        "## Targets",
        "",
        "| target | reached | |",
        "|---|---|---|",
        *[
            _target(
                f"at least {ratio:g} times the afternoon's pipeline",
                f"{most / least:.1f} times ({most:.1f}/s to {least:.1f}/s)",
                met=most >= ratio * least,
            )
            for ratio in RATIOS
        ],
        _target(
            f"p99 submit to decision at half of saturation at most {1000 * HALF_P99:.0f} ms",
            f"{_ms(found.half.took(found.half.decided), 0.99)} ms at {found.half.rate:.0f}/s",
            met=percentile(found.half.took(found.half.decided), 0.99) <= HALF_P99,
        ),
        _intake_target(found.intake),
        *[_memory_target(name, found.memory[stage]) for name, stage in (("API process", "api"), ("moderate child", "moderate"))],
        _target(
            f"queue page with {found.queue.stored:,} comments at most {1000 * QUEUE:.0f} ms",
            f"p50 {_ms(found.queue.pages, 0.5)} ms, p99 {_ms(found.queue.pages, 0.99)} ms",
            met=percentile(found.queue.pages, 0.99) <= QUEUE,
        ),
        _target(
            "a claim there, the same",
            f"p50 {_ms(found.queue.claims, 0.5)} ms, p99 {_ms(found.queue.claims, 0.99)} ms",
            met=percentile(found.queue.claims, 0.99) <= QUEUE,
        ),
        _target(
            f"from installed to ready, with an empty home, at most {READY:.0f} s",
            f"{found.ready_after:.1f} s",
            met=found.ready_after <= READY,
        ),
        "",
        "## Rising load",
        "",
        f"Tidegate; {found.verified:,} webhooks received and verified with the library `standardwebhooks`:",
        "",
        *_load(found.ours, delivered=True),
        "",
        f"The afternoon's pipeline, {shape[0]} worker processes of {shape[1]} threads, the faster of "
        + " and ".join(f"{a}x{b} ({speed:.1f}/s)" for (a, b), speed in found.shapes.items())
        + ":",
        "",
        *_load(found.baseline, delivered=False),
        "",
        "## Where the time goes",
        "",
        "CPU milliseconds for each comment, by stage, at saturation and at half of it (an idle process costs a little, too):",
        "",
        "| stage | at saturation | at half |",
        "|---|---:|---:|",
        *[f"| {stage} | {spent:.1f} | {found.half.each().get(stage, 0.0):.1f} |" for stage, spent in best.each().items()],
        "",
        "The afternoon's pipeline at saturation: "
        + ", ".join(f"{stage} {spent:.1f} ms" for stage, spent in base.each().items())
        + ".",
        "",
        "## Intake alone",
        "",
        "Workers and relay stopped; every request is a comment stored durably. The generator shares the cores:",
        "",
        "| offered/s | answered/s | p50 ms | p95 ms | p99 ms | refused | API CPU ms each | generator CPU ms each |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        *[
            f"| {step.rate:g} | {answered(step):.0f} | {_three(step.answers())} | {len(step.sent) - len(step.accepted)} "
            f"| {step.each()['api']:.1f} | {step.each()['generator']:.1f} |"
            for step in found.intake
        ],
        "",
        "## Memory",
        "",
        "The largest process of each program in MB, resident and with shared pages divided among their users:",
        "",
        "| process | resident | divided |",
        "|---|---:|---:|",
        *[f"| {name} | {rss:.0f} | {pss:.0f} |" for name, (rss, pss) in found.memory.items()],
        *[f"| afternoon: {name} | {rss:.0f} | {pss:.0f} |" for name, (rss, pss) in found.baseline_memory.items()],
        "",
        "## The doors",
        "",
        f"One client of each protocol alone, then {AT_ONCE} at once; long texts take the model several windows. The limit is",
        "when the protocol's most impatient client gives up, and late is what came after it. Held is a door's own hold or",
        '"try again", never an approval:',
        "",
        "| door and texts | clients | requests/s | p50 ms | p99 ms | limit ms | p99 within | held | failed | late |",
        "|---|---:|---:|---:|---:|---:|---|---:|---:|---:|",
        *[
            f"| {name} | {door.at_once} | {door.rate:.1f} | {_ms(door.took, 0.5)} | {_ms(door.took, 0.99)} | {_limits(door)} "
            f"| {door.held} | {door.failed} | {'-' if door.late is None else door.late} |"
            for name, door in found.doors
        ],
        "",
        "## The queue",
        "",
        f"{found.queue.stored:,} comments with revision and decision stored in {found.queue.filled:.0f} s,",
        f"{found.queue.megabytes:,.0f} MB; {found.queue.waiting:,} of them wait for a human.",
        f"{len(found.queue.pages)} pages of 25 and as many claims over HTTP, one after the other.",
        "",
    ]
    return "\n".join(parts)


def _limits(door: Found) -> str:
    """Return a door's limit in milliseconds and whether it was kept, as two cells."""
    return "- | -" if door.limit is None else f"{1000 * door.limit:.0f} | {'yes' if door.kept else 'no'}"


def _target(what: str, reached: str, *, met: bool) -> str:
    return f"| {what} | {reached} | {'met' if met else 'missed'} |"


def _memory_target(name: str, megabytes: tuple[float, float]) -> str:
    resident, divided = megabytes
    reached = f"{resident:.0f} MB resident, {divided:.0f} MB with shared pages divided"
    return _target(f"{name}: at most {MEMORY:.0f} MB", reached, met=resident <= MEMORY)


def _intake_target(steps: list[Step]) -> str:
    # The best of the steps that stay below the limit of the time; without one the first says how far off it is.
    quick = [step for step in steps if percentile(step.answers(), 0.99) <= INTAKE_P99] or steps[:1]
    best = max(quick, key=answered)
    return _target(
        f"intake alone at least {INTAKE:.0f}/s with p99 at most {1000 * INTAKE_P99:.0f} ms",
        f"{answered(best):.0f}/s with p99 {_ms(best.answers(), 0.99)} ms",
        met=answered(best) >= 0.99 * INTAKE and percentile(best.answers(), 0.99) <= INTAKE_P99,
    )


def _load(steps: list[Step], *, delivered: bool) -> list[str]:
    lines = ["| offered/s | through/s | refused | to decision: p50 ms | p95 ms | p99 ms |", "|---:|---:|---:|---:|---:|---:|"]
    if delivered:
        lines = [f"{lines[0]} to delivery: p50 ms | p95 ms | p99 ms |", f"{lines[1]}---:|---:|---:|"]
    for step in steps:
        refused = len(step.sent) - len(step.accepted)
        line = f"| {step.rate:g} | {step.throughput(step.delivered):.1f} | {refused} | {_three(step.took(step.decided))} |"
        lines.append(f"{line} {_three(step.took(step.delivered))} |" if delivered else line)
    return lines


def _three(values: list[float]) -> str:
    return " | ".join(_ms(values, share) for share in (0.5, 0.95, 0.99))


def _ms(values: list[float], share: float) -> str:
    return f"{1000 * percentile(values, share):.0f}"


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")] or [platform.machine()]
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{os.cpu_count()} cores ({names[0]}), {memory:.0f} GiB, Python {platform.python_version()}"
