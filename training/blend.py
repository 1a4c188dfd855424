"""Mixes the weights before and after continued training: `python -m training.blend --start DIR --end DIR --share S --out DIR`.

Continued training gains on what it was given for (disguises, identity terms) and forgets a little of the rest. Between the two
sets of weights, on the straight line, lies a model that is as good as the better one on both; how far along was chosen on
development rows.
"""

import argparse
import shutil
from pathlib import Path

import torch


def main() -> None:
    """Read the arguments, mix, write model.ckpt with its config, and the exit as it was trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", type=Path, required=True, help="folder of the checkpoint that training went on from")
    parser.add_argument("--end", type=Path, required=True, help="folder of training.continue_toxicity")
    parser.add_argument("--share", type=float, required=True, help="0 keeps the start, 1 the end")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    first, last = (torch.load(folder / "model.ckpt", weights_only=True) for folder in (options.start, options.end))
    state = {name: torch.lerp(first["state_dict"][name], after, options.share) for name, after in last["state_dict"].items()}
    shutil.copytree(options.end / "base", options.out / "base", dirs_exist_ok=True)
    shutil.copy(options.end / "exit.pt", options.out / "exit.pt")
    torch.save(last | {"state_dict": state}, options.out / "model.ckpt")


if __name__ == "__main__":
    main()
