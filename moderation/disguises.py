"""How words are disguised to slip past a filter: look-alike letters, digits for letters, and the few words worth undoing it
for.

Two kinds of knowledge, both small on purpose. Look-alikes are a table of letters that read as Latin ones;
``moderation.text`` uses it only inside words that are meant to be Latin. Digits and stars are resolved by a lexicon alone,
so that b2b, 4x4 and mp3 stay as they are. The lexicon says what a disguised word was; it is no rule and no score, and it
holds no word for a group of people, only insults, threats and spam bait.
"""

# ruff: noqa: RUF001 - look-alikes are the subject of this file

from collections.abc import Iterator, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Final
from unicodedata import normalize


def _pairs(foreign: str, latin: str) -> dict[str, str]:
    return dict(zip(foreign, latin, strict=True))


# Letters of other alphabets that are read as Latin ones, wherever they stand.
STRONG: Final[Mapping[str, str]] = MappingProxyType(
    _pairs("асеорхуіјѕһԁԛԝѵӏ", "aceopxyijshdqwvl")
    | _pairs("АВЕКМНОРСТХУІЈЅԌԚԜѴҺӀ", "ABEKMHOPCTXYIJSGQWVHI")
    | _pairs("ονρικχγαυτ", "ovpikxyaut")
    | _pairs("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")
    | _pairs("օսոհցԁ", "ounhgd")
)
# Letters that are read as Latin ones only beside Latin letters.
WEAK: Final[Mapping[str, str]] = MappingProxyType(_pairs("вкмнтгипяьбзё", "bkmhtrunrbb3e") | _pairs("εηωβσδθλμπφ", "enwbodoaunf"))
# Small capitals, phonetic letters and boxed letters, which no language spells its words with.
LETTER_FORMS: Final[Mapping[str, str]] = MappingProxyType(
    _pairs("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢɑɡʃ", "abcdefghijklmnoprstuvwyzags")
    | {chr(0x1F150 + index): chr(ord("A") + index) for index in range(26)}
    | {chr(0x1F170 + index): chr(ord("A") + index) for index in range(26)}
)

LEET: Final[Mapping[str, str]] = MappingProxyType(_pairs("013457890@$!|+€£¢", "oieastbgoasiitelc"))
LEET_DIGITS: Final = frozenset("01345789")
STARS: Final = frozenset("*#%")

# Swearing and insults come first: a starred word is looked up only among them, in this order.
_STARRED: Final = (
    "fuck fucks fucked fucker fuckers fucking fuckin fuckface motherfucker motherfuckers motherfucking shit shits shitty "
    "shithead bullshit bitch bitches bitching cunt cunts ass asses asshole assholes arse arsehole bastard bastards dick "
    "dicks dickhead cock cocks cocksucker pussy pussies prick pricks twat twats wanker wankers whore whores slut sluts damn "
    "piss pissed crap tits boobs dumbass jackass bollocks douche douchebag scheisse arschloch fotze wichser hurensohn merde "
    "putain connard salope mierda puta cabron pendejo joder stronzo cazzo vaffanculo puttana"
)
_PLAIN: Final = (
    "idiot idiots idiotic moron morons moronic stupid dumb imbecile imbeciles loser losers pathetic trash garbage scum "
    "scumbag vermin pig pigs retard retards retarded freak freaks creep disgusting worthless coward cowards clown clowns "
    "liar liars filth filthy ugly kill kills killed killing killer die dies dead death murder murderer hang hanged shoot "
    "shot stab burn rape raped rapist bomb suicide yourself kys hate hated hates hater haters hurt beat punch destroy bleed "
    "porn porno sex sexy nude nudes viagra cialis casino casinos poker betting bitcoin crypto free money cash loan loans "
    "winner prize click cheap replica escort escorts telegram whatsapp"
)
# Words that a spaced-out sentence is cut into, besides the ones above.
_GLUE: Final = (
    "you your youre are is a an the go to and i am u ur off all of my me this that he she they them we so such what who up"
)

LEXICON: Final = frozenset((_STARRED + " " + _PLAIN).split())
_SEGMENTS: Final = LEXICON | frozenset(_GLUE.split())
_LONGEST: Final = max(map(len, _SEGMENTS))


def fold(word: str) -> str:
    """Return ``word`` in small letters without accents; meant for single words, so the cost does not matter."""
    return "".join(char for char in normalize("NFD", word[:64].casefold()) if not 0x300 <= ord(char) <= 0x36F)


def _shape(word: str) -> str:
    """One letter per class of letters that the same digit stands for: 1 is written for both i and l."""
    return "".join("i" if char == "l" else char for char in (LEET.get(char, char) for char in word))


_SHAPES: Final[Mapping[str, str]] = MappingProxyType({_shape(word): word for word in sorted(LEXICON, reverse=True)})
_STARRED_BY_SIZE: Final[Mapping[tuple[str, int], list[str]]] = MappingProxyType(
    {
        key: [word for word in _STARRED.split() if (word[0], len(word)) == key]
        for key in {(word[0], len(word)) for word in _STARRED.split() if len(word) >= 4}
    }
)


def _shortened(word: str) -> Iterator[str]:
    """Yield the word itself, then with stretched letters (three and more) as two, then as one."""
    runs = [(char, len(list(run))) for char, run in groupby(word)]
    yield word
    if any(length >= 3 for _, length in runs):
        yield "".join(char * min(length, 2) if length >= 3 else char * length for char, length in runs)
        yield "".join(char if length >= 3 else char * length for char, length in runs)


def undo_leet(word: str) -> str | None:
    """Return the lexicon's word that ``word`` spells with digits, symbols, accents or stretched letters; ``None`` for any other
    word.
    """
    if len(word) > 40:
        return None
    folded = fold(word)
    symbols = sum(char in LEET for char in folded)
    if len(folded) - symbols < 1 or (len(folded) <= 3 and sum(char in LEET_DIGITS for char in folded) > 1):
        return None
    for candidate in _shortened(folded):
        if candidate in LEXICON:
            return candidate
    if not symbols:
        return None
    for candidate in _shortened(_shape(folded)):
        if found := _SHAPES.get(candidate):
            return found
    return None


def undo_stars(word: str) -> str | None:
    """Return the swearword that ``word`` shows with some letters starred out, ``None`` where none fits.

    The first letter must stand, and a last letter that stands must fit.
    """
    folded = fold(word)
    for candidate in _STARRED_BY_SIZE.get((folded[:1], len(folded)), ()):
        if all(shown == letter or shown in STARS for shown, letter in zip(folded, candidate, strict=True)):
            return candidate
    return None


def cut_into_words(letters: str) -> list[str] | None:
    """Cut ``letters`` (at most 200) into known words, at least one of them from the lexicon; ``None`` where that cannot be
    done.

    Fewest words win, so that "youare" is "you are" and not "you a re".
    """
    if len(letters) > 200:
        return None
    best: list[tuple[int, int] | None] = [(0, 0)] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST), end):
            before = best[start]
            if before is not None and letters[start:end] in _SEGMENTS:
                current = best[end]
                if current is None or before[0] + 1 < current[0]:
                    best[end] = (before[0] + 1, start)
    words: list[str] = []
    end = len(letters)
    while end:
        step = best[end]
        if step is None:
            return None
        words.append(letters[step[1] : end])
        end = step[1]
    return words[::-1] if any(word in LEXICON for word in words) else None
