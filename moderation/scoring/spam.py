"""The content half of the spam score: logistic regression over hashed words, character runs and a few counts.

A linear model over hashed n-grams learns from a thousand examples, fits a quarter of a megabyte, takes about a millisecond a
comment and can later be moved by each site's own decisions. Links seen before, near copies, bursts and the author's history
are signals of their own: content alone does not carry from one site to another.
"""

import hashlib
import re
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moderation.scoring.calibration import Curve
from moderation.text import normalise

BUCKETS: Final = 1 << 17
"""Hash buckets; the weights before the counts below."""
COUNTS: Final = (
    "links", "shortened_links", "bare_domains", "mail_addresses", "phone_numbers", "money", "handles", "capitals", "digits",
    "exclamations", "length", "foreign_letters", "only_link", "call_to_subscribe",
)  # fmt: skip
"""Names of the content counts, in the order of their weights."""
MOST_CHARACTERS: Final = 4000
"""A longer text is judged by its first and last half of this many characters: spam sells at one end or the other."""

Features = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Columns and values of a sparse row."""

BUNDLED: Final = Path(__file__).parent / "bundled" / "spam.npz"
"""The model that comes with the package."""

_LINK: Final = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_SHORT: Final = re.compile(
    r"\b(?:bit\.ly|goo\.gl|tinyurl\.com|t\.co|ow\.ly|is\.gd|t\.me|wa\.me|cutt\.ly|rebrand\.ly|shorturl\.at)/\S",
    re.IGNORECASE,
)
_DOMAIN: Final = re.compile(
    r"\b[a-z0-9][a-z0-9-]{1,62}\.(?:com|net|org|info|biz|xyz|top|site|online|shop|club|ru|cn|tk|io|co|me|link|click"
    r"|store|live|win|bet)\b",
    re.IGNORECASE,
)
_MAIL: Final = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{2,63}\b")
_PHONE: Final = re.compile(r"(?<!\w)\+?\d[\d\s().-]{6,18}\d(?!\w)")
_MONEY: Final = re.compile(r"[$€£¥₹₿]\s?\d|\d\s?(?:[$€£¥₹]|usd\b|eur\b|gbp\b|btc\b|dollars?\b|euros?\b|pounds?\b)", re.IGNORECASE)
_HANDLE: Final = re.compile(
    r"(?:whats\s?app|telegram|snapchat|kik|skype|signal|wechat|instagram|insta|email)\b"
    r"[\s:@]*(?:me|us|at|on|id)?[\s:@]*[\w+.@]",
    re.IGNORECASE,
)
_SUBSCRIBE: Final = re.compile(
    r"\b(?:subscribe|sub (?:to|4)|check (?:out )?my|visit my|my channel|my (?:web)?site"
    r"|my blog|click (?:here|the link)|follow me|share this)\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[^\W_]+|[$€£!?]")

# In small letters, of ASCII text: without any of these the pattern cannot match, which a look tells sooner than the pattern.
_IN_A_HANDLE: Final = ("app", "telegram", "snapchat", "kik", "skype", "signal", "wechat", "insta", "email")
_IN_A_CALL: Final = (
    "sub", "check", "visit my", "my channel", "my web", "my site", "my blog", "click", "follow me", "share this",
)  # fmt: skip


def features(text: str) -> Features:
    """Hashed n-grams and content counts of a text as its author wrote it.

    Returns bucket numbers and values of a sparse row of `BUCKETS` + len(`COUNTS`) columns; the n-gram part has Euclidean
    length 1, or is empty.
    """
    if len(text) > MOST_CHARACTERS:
        text = text[: MOST_CHARACTERS // 2] + " " + text[-MOST_CHARACTERS // 2 :]
    view = normalise(text).text
    shown = _LINK.sub(" linkhere ", view).lower()
    words = _WORD.findall(re.sub(r"\d", "0", shown))
    hashed = [bucket for word in words for bucket in _buckets_of(word)]
    hashed += [_bucket(f"b{first} {second}") for first, second in pairwise(words)]
    buckets, times = np.unique(np.array(hashed, np.int64), return_counts=True)
    values = np.sqrt(times.astype(np.float64))
    values /= max(float(np.linalg.norm(values)), 1e-12)
    counts = _counts(view, shown)
    return (
        np.concatenate([buckets, BUCKETS + np.arange(len(COUNTS))]),
        np.concatenate([values, counts]),
    )


@lru_cache(maxsize=8192)
def _buckets_of(word: str) -> tuple[int, ...]:
    """Return the buckets of a word and of its runs of three and four characters; most words come again and again."""
    padded = f" {word} "
    runs = [f"c{padded[i : i + size]}" for size in (3, 4) for i in range(len(padded) - size + 1)]
    return tuple(map(_bucket, [f"w{word}", *runs]))


def _bucket(gram: str) -> int:
    return zlib.crc32(gram.encode("utf-8", "surrogatepass")) % BUCKETS


def _counts(view: str, shown: str) -> NDArray[np.float64]:
    links = len(_LINK.findall(view))
    letters = [char for char in view if char.isalpha()]
    total = max(len(letters), 1)
    digits = sum(map(str.isdigit, view))
    return np.array([
        min(links, 5) / 2,
        min(len(_SHORT.findall(view)), 2) if "/" in view else 0,
        min(len(_DOMAIN.findall(_LINK.sub(" ", view) if links else view)), 3) / 2,
        min(len(_MAIL.findall(view)), 2) if "@" in view else 0,
        min(len(_PHONE.findall(view)), 2) if digits else 0,
        min(len(_MONEY.findall(view)), 3) / 2 if digits else 0,
        min(_times(_HANDLE, view, _IN_A_HANDLE), 2),
        sum(map(str.isupper, letters)) / total if total >= 8 else 0.0,
        min(digits / max(len(view), 1) * 3, 1.0),
        min(view.count("!"), 6) / 3,
        np.log1p(len(view)) / 8,
        sum(ord(char) > 0x24F for char in letters) / total if not view.isascii() else 0.0,
        float(links > 0 and len(shown.replace("linkhere", "").strip()) < 4),
        min(_times(_SUBSCRIBE, view, _IN_A_CALL), 2),
    ])  # fmt: skip


def _times(pattern: re.Pattern[str], view: str, needed: tuple[str, ...]) -> int:
    """Return how often a pattern that ignores capitals occurs; of ``needed`` each place in ASCII text has one."""
    if view.isascii():
        lowered = view.lower()
        if not any(part in lowered for part in needed):
            return 0
    return len(pattern.findall(view))


class SpamScorer:
    """A logistic regression read from one npz file: `weights` (buckets and counts), `bias`, and its calibration's points.

    Thread-safe; raises `OSError` for a missing file and `ValueError` for one of another shape.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._weights: NDArray[np.float64] = arrays["weights"].astype(np.float64)
            self._bias = float(arrays["bias"])
            self._curve = Curve(arrays["curve_logits"].astype(np.float64), arrays["curve_probabilities"].astype(np.float64))
            name = str(arrays["name"])
        if self._weights.shape != (BUCKETS + len(COUNTS),):
            raise ValueError(f"the spam model has {self._weights.shape} weights, expected {BUCKETS + len(COUNTS)}")
        self._version = f"{name}+{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"

    @property
    def version(self) -> str:
        """Name of the model and the first 8 hex digits of its file's SHA-256."""
        return self._version

    def score(self, texts: Sequence[str]) -> list[float]:
        """Probability from 0 to 1 that each text is spam, judged by its content alone, at 8 spam comments in 100."""
        return [self.of(features(text)) for text in texts]

    def logit(self, text: str) -> float:
        """Compute the linear model's raw value."""
        return self._logit(features(text))

    def of(self, read: Features) -> float:
        """Return what ``score`` returns for the text that was read with ``features``."""
        return float(self._curve(np.array(self._logit(read))))

    def _logit(self, read: Features) -> float:
        columns, values = read
        return float(self._weights[columns] @ values) + self._bias

    def parts(self, text: str) -> dict[str, float]:
        """Return what each part adds to `logit` beside the bias: `words`, and those of `COUNTS` that are there."""
        columns, values = features(text)
        added = self._weights[columns] * values
        counted = columns >= BUCKETS
        parts = {"words": float(added[~counted].sum())}
        for name, value, part in zip(COUNTS, values[counted], added[counted], strict=True):
            if value:
                parts[name] = float(part)
        return parts
