"""Which language a comment is written in, and whether the site's scorer can judge it.

Only a confident answer counts. Under 20 letters in the site's script, and wherever the identifier hesitates, the site's own
language is assumed: slang, names and typing errors look foreign to every identifier. Another script is confident from five
letters. py3langid because it is maintained and quick, and honest about its doubt: of 9,700 English comments it took one for
something else with the limits below. Unit: primary language subtag, yes/no. Cost: about 150 microseconds; the model is loaded
on first use (most of a second, 36 MB resident).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any, Final
from unicodedata import name as character_name

from moderation import memory

MIN_LETTERS: Final = 20
MIN_FOREIGN_SCRIPT_LETTERS: Final = 5
CONFIDENT: Final = 0.5
"""Least probability of the best guess, and ..."""
DOUBT: Final = 0.05
"""... most probability of all served languages together, for a text to count as another language."""
_SAMPLE: Final = 2_000

# Languages that are not written in Latin letters; every other one is taken to be.
_CYRILLIC: Final = ("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg")
_ARABIC: Final = ("ar", "fa", "ur", "ps", "ug")
_SCRIPTS: Final = {
    **dict.fromkeys(_CYRILLIC, frozenset({"CYRILLIC"})),
    **dict.fromkeys(_ARABIC, frozenset({"ARABIC"})),
    **dict.fromkeys(("he", "yi"), frozenset({"HEBREW"})),
    **dict.fromkeys(("hi", "mr", "ne"), frozenset({"DEVANAGARI"})),
    "el": frozenset({"GREEK"}),
    "zh": frozenset({"CJK", "BOPOMOFO"}),
    "ja": frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    "ko": frozenset({"HANGUL", "CJK"}),
    "th": frozenset({"THAI"}),
    "ka": frozenset({"GEORGIAN"}),
    "hy": frozenset({"ARMENIAN"}),
    "bn": frozenset({"BENGALI"}),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "am": frozenset({"ETHIOPIC"}),
}
_BOTH_SCRIPTS: Final = frozenset({"sr", "kk", "mn"})
_LATIN: Final = frozenset({"LATIN"})
_USUAL: Final = {
    "CYRILLIC": "ru",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "CJK": "zh",
    "KATAKANA": "ja",
    **{
        script: language
        for language, scripts in _SCRIPTS.items()
        if len(scripts) == 1
        for script in scripts - {"CYRILLIC", "ARABIC"}
    },
    "HIRAGANA": "ja",
    "HANGUL": "ko",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSignals:
    """The signals of this module, named as in the schema."""

    language: str
    language_served: bool
    letters: int


def measure(text: str, site_language: str, served: Sequence[str]) -> LanguageSignals:
    """Judge the normalised ``text``; tags are cut to their primary subtag. A claimed language is not believed: claiming is
    free.
    """
    own = primary(site_language)
    languages = frozenset(primary(tag) for tag in served)
    letters = sum(map(str.isalpha, text))
    guess = _guess(text, own, languages)
    return LanguageSignals(language=guess or own, language_served=(guess or own) in languages, letters=letters)


def primary(tag: str) -> str:
    """Return the primary subtag of a BCP 47 tag: ``de`` for ``de-AT``."""
    return tag.replace("_", "-").partition("-")[0].lower()


def warm() -> None:
    """Load the model now rather than with the first comment, and keep no more memory for it than it needs."""
    _identifier()
    memory.give_back()


def is_warm() -> bool:
    """Tell whether the model is loaded, so that an answer takes no longer than the cost above."""
    return _load.cache_info().currsize > 0


def _guess(text: str, own: str, served: frozenset[str]) -> str | None:
    """Return a language other than the site's where the text is clearly in one, otherwise ``None``."""
    scripts: dict[str, int] = {}
    sample = text[:_SAMPLE]
    if sample.isascii():
        scripts["LATIN"] = sum(map(str.isalpha, sample))
    else:
        for script in map(_script, filter(str.isalpha, sample)):
            scripts[script] = scripts.get(script, 0) + 1
    total = sum(scripts.values())
    if not total:
        return None
    script = max(scripts, key=lambda name: scripts[name])
    own_scripts = _scripts_of(own)
    at_home = sum(scripts.get(name, 0) for name in own_scripts)
    if at_home * 2 < total and total >= MIN_FOREIGN_SCRIPT_LETTERS:
        candidates = _rank(text)
        fitting = [language for language, _ in candidates if script in _scripts_of(language)]
        guess = fitting[0] if fitting and script != "LATIN" else _USUAL.get(script)
        if guess is not None or script != "LATIN":
            return guess or "und"
    if total < MIN_LETTERS:
        return None
    candidates = _rank(text)
    best, probability = candidates[0]
    known = sum(share for language, share in candidates if language in served or language == own)
    return best if best != own and probability >= CONFIDENT and (known <= DOUBT or best in served) else None


def _scripts_of(language: str) -> frozenset[str]:
    return _SCRIPTS.get(language, _LATIN) | (_LATIN if language in _BOTH_SCRIPTS else frozenset())


@lru_cache(maxsize=8192)
def _script(char: str) -> str:
    return "LATIN" if char.isascii() else character_name(char, "UNKNOWN").split(" ")[0].split("-")[0]


def _rank(text: str) -> list[tuple[str, float]]:
    ranked: list[tuple[str, float]] = _identifier().rank(text[:_SAMPLE])
    return ranked


_loading: Final = Lock()


def _identifier() -> Any:
    with _loading:  # two threads would each load the model
        return _load()


@lru_cache(maxsize=1)
def _load() -> Any:
    from moderation.signals import identifier  # noqa: PLC0415 - most of a second: only for those who judge texts

    return identifier.load()
