"""One step of load: send at a rate, watch until all of it is through, and say how long each comment took and what it cost."""

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from bench.generator import Plan, Sent
from bench.processes import cpu

LOOK = 0.005
"""Seconds between two looks at what is decided: the resolution of the figures."""

PATIENCE = 120.0
"""Seconds that a step may take to come through after the last request."""


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share (0..1) of the values does not exceed; NaN of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


@dataclass(frozen=True, slots=True)
class Step:
    """What one rate of load came to; times in seconds, ``rate`` in requests a second, CPU in seconds a stage."""

    rate: float
    seconds: float
    sent: list[Sent]
    decided: dict[int, float]
    delivered: dict[int, float]
    cpu: dict[str, float] = field(default_factory=dict)

    @property
    def began(self) -> float:
        """When the first request was due."""
        return min(sent.due for sent in self.sent)

    @property
    def accepted(self) -> list[Sent]:
        """The requests that were answered with success."""
        return [sent for sent in self.sent if 200 <= sent.status < 300]

    def answers(self) -> list[float]:
        """Return how long each accepted request took from when it was due."""
        return [sent.answered - sent.due for sent in self.accepted]

    def took(self, times: Mapping[int, float]) -> list[float]:
        """Return how long each accepted comment took from when it was due to what ``times`` says."""
        return [times[sent.number] - sent.due for sent in self.accepted if sent.number in times]

    def throughput(self, times: Mapping[int, float]) -> float:
        """Return the comments a second that came through, from the first request to the last of them."""
        return len(times) / max(self.seconds, max(times.values(), default=0.0) - self.began)

    def each(self) -> dict[str, float]:
        """Return the CPU milliseconds that each stage spent on a comment."""
        return {stage: 1000 * seconds / max(1, len(self.accepted)) for stage, seconds in self.cpu.items()}


def step(
    plan: Plan,
    *,
    stages: Mapping[str, list[int]],
    decided: Callable[[], Mapping[int, float]],
    delivered: Callable[[list[Sent]], Mapping[int, float]],
    wait: bool = True,
) -> Step:
    """Send as planned, and wait until all that was accepted is decided and delivered; raises TimeoutError when that does not end.

    ``stages`` names the processes whose CPU time is counted. ``decided`` is asked again and again and tells what is new, by the
    number of the request; ``delivered`` is asked with what was sent and tells everything so far.
    """
    before = {stage: cpu(pids) for stage, pids in stages.items()}
    seen: dict[int, float] = {}
    answer: dict[str, object] = {}

    def generate() -> None:
        command = [sys.executable, "-m", "bench.generator"]
        done = subprocess.run(command, input=json.dumps(asdict(plan)), capture_output=True, text=True, check=True)
        answer.update(json.loads(done.stdout))

    generator = threading.Thread(target=generate)
    generator.start()
    while wait and generator.is_alive():
        seen.update(decided())
        time.sleep(LOOK)
    generator.join()
    rows = answer.get("sent")
    if not isinstance(rows, list):
        raise RuntimeError("the generator ended without results")  # noqa: TRY004 (not a matter of types)
    sent = [Sent(**row) for row in rows]
    accepted = {each.number for each in sent if 200 <= each.status < 300}
    arrived: Mapping[int, float] = {}
    until = time.monotonic() + PATIENCE
    looked = 0.0
    while wait:
        seen.update(decided())
        if time.monotonic() - looked > 0.25:
            looked = time.monotonic()
            arrived = delivered(sent)
            if accepted <= seen.keys() and accepted <= arrived.keys():
                break
        if time.monotonic() > until:
            raise TimeoutError(f"{len(accepted - seen.keys())} undecided, {len(accepted - arrived.keys())} undelivered")
        time.sleep(LOOK)
    spent = {stage: cpu(pids) - before[stage] for stage, pids in stages.items()}
    spent["generator"] = float(str(answer["cpu"]))
    return Step(plan.rate, plan.seconds, sent, dict(seen), dict(arrived), spent)
