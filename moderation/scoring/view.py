"""What the model reads: the normalised view of a comment, disguised words put right and emoji spelled out.

The vocabulary of the bundled model has no emoji, so a knife and a heart would be the same unknown token. Their Unicode
names are ordinary words that the model does know. Training uses this very function, so both sides always see the same.
"""

import unicodedata

from moderation.scoring.spelling import bundled_spelling
from moderation.text import normalise

_JOINERS = frozenset({0x200D, 0xFE0E, 0xFE0F, 0x20E3})


def _is_picture(code: int) -> bool:
    return 0x1F000 <= code <= 0x1FAFF or 0x2600 <= code <= 0x27BF or 0x2B00 <= code <= 0x2BFF


def model_view(text: str) -> str:
    """Return the normalised text with disguised words put right and each emoji replaced by its Unicode name in lower case.

    Skin tones, variation selectors and joiners vanish; a flag becomes the names of its two letters. The result is for scoring
    only: it has no offsets back to the author's text.
    """
    view = bundled_spelling()(normalise(text).text)
    if view.isascii():
        return view
    parts: list[str] = []
    for char in view:
        code = ord(char)
        if code in _JOINERS or 0x1F3FB <= code <= 0x1F3FF:
            continue
        if _is_picture(code):
            parts.append(f" {unicodedata.name(char, 'symbol').lower()} ")
        else:
            parts.append(char)
    return "".join(parts)
