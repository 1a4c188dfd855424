"""Saying things to a person: a stranger's text without its tricks, times in words, reasons by name."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from unicodedata import category, name

from moderation.ids import show as public_id
from moderation.models import CaseKind
from moderation.policy.shipped import FIXED_REASONS, REASONS
from moderation.services.letters import lasting

JOINERS: Final = "\u200c\u200d"
"""Needed to write Persian and Hindi, and to join emoji; anywhere else they hide."""
MOST_MARKS: Final = 8
"""Accents on one letter, as many as any language writes; more are put away."""
LOOKALIKES: Final = {"LATIN": "Latin", "CYRILLIC": "Cyrillic", "GREEK": "Greek"}
MOST_WORDS: Final = 3000
"""Longest text whose changes are marked."""

KINDS: Final = {
    CaseKind.FLAGGED: "The automatic check asks a person.",
    CaseKind.REPORTED: "Readers asked us to look at it.",
    CaseKind.SECOND_LOOK: "Its author asks for a second look.",
    CaseKind.AUDIT: "The machine let this through. It was drawn by chance, so that we learn what slips past.",
}
VERDICTS: Final = {"approve": "approved", "flag": "asked a person about", "reject": "rejected", "undo": "undid the decision on"}
SPAM_PARTS: Final = {
    "words": "its words",
    "links": "links",
    "shortened_links": "shortened links",
    "bare_domains": "names of websites",
    "mail_addresses": "mail addresses",
    "phone_numbers": "telephone numbers",
    "money": "sums of money",
    "handles": "accounts to write to",
    "capitals": "capital letters",
    "digits": "many digits",
    "exclamations": "exclamation marks",
    "length": "its length",
    "foreign_letters": "letters of another script",
    "only_link": "nothing but a link",
    "call_to_subscribe": "a call to subscribe or click",
}
"""What a spam score is made of, in words."""
SPAM_BEHAVIOUR: Final = {
    "link_rejected_before": "a link to where a rejected comment led",
    "honeypot": "a field filled in that people do not see",
    "newcomer": "a newcomer",
}
"""What speaks for advertising beside the words, by the signal that is true then."""
LEAST_PART: Final = 0.2
"""Smallest part of a spam score that is named, in log odds."""
SAID: Final = {
    "policy": "This policy decides from now on about what comes in. What waits already still waits for a person.",
    "thresholds": "The new thresholds are in force.",
    "words": "The list is in force.",
    "reasons": "Authors read these words from now on.",
    "post": "Done. It holds for comments from now on.",
    "closing": "Done. It holds for every post that nobody set otherwise.",
    "role": "Done.",
    "removed": "This person has no role here any more, from this moment on.",
    "session": "That session has ended.",
    "sessions": "All other sessions have ended.",
    "key": "The key opens nothing any more.",
    "password": "Your password is set. From now on you need no link.",
    "code": "Codes are on. From now on signing in asks for one.",
    "no-code": "Codes are off.",
    "endpoint": "Done.",
    "replayed": "On its way again.",
    "notices": "Noted.",
    "forgotten": "Forgotten.",
    "room": "The room is told from now on. Try it: the button beside it writes a few words there.",
    "room-test": "The room took it. Look there for a few words.",
    "room-removed": "The room is told nothing more, and its address is forgotten.",
    "test-mail": "The mail server took it. Look for it in your inbox, and among unwanted mail.",
    "test": "A test event is on its way; look for it below in a moment.",
}
"""What is said after an act, by the word in the address."""

__all__ = [
    "KINDS",
    "REASONS",
    "SAID",
    "VERDICTS",
    "Piece",
    "ago",
    "behaviour",
    "changes",
    "condition",
    "driven",
    "lasting",
    "parts",
    "percent",
    "pieces",
    "public_id",
    "reason",
    "threshold",
]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text, with its name where it is not ``plain``.

    ``hidden`` character, ``stack`` of accents, word of ``mixed`` scripts, ``old`` words that went or ``new`` ones, or a score's
    ``driver``.
    """

    kind: Literal["plain", "hidden", "stack", "mixed", "old", "new", "driver"]
    text: str
    label: str = ""


def pieces(text: str) -> Iterator[Piece]:
    """Cut a text so that what reorders, hides, fakes or buries other characters can be shown for what it is.

    The pieces' texts together are the text. Joiners pass where a script or an emoji needs them.
    """
    start = place = 0
    while place < len(text):
        char = text[place]
        if char < "\x7f":
            place += 1
            continue
        end = place + 1
        label = ""
        kind = category(char)
        if kind in {"Mn", "Me"} and not _selects(char):
            while end < len(text) and category(text[end]) in {"Mn", "Me"}:
                end += 1
            if end - place > MOST_MARKS:
                place += MOST_MARKS
                label = f"+{end - place} marks stacked on one letter"
        elif kind in {"Cf", "Cc", "Co", "Zl", "Zp"} or _selects(char):
            label = "" if _belongs(text, place) else f"U+{ord(char):04X} {name(char, '')}".strip()
        if label:
            yield from _words(text[start:place])
            yield Piece("stack" if label.startswith("+") else "hidden", text[place:end], label)
            start = end
        place = end
    yield from _words(text[start:])


def _selects(char: str) -> bool:
    """Tell whether a character only chooses a form of the one before."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _belongs(text: str, place: int) -> bool:
    """Tell whether a joiner or selector stands where people write one: inside of a word of its script, beside an emoji."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if text[place] == "\ufe0f":
        return before > "\u2000" or (before != "" and before in "#*0123456789\xa9\xae")
    if text[place] not in JOINERS:
        return False
    return any(
        "\u0600" <= char <= "\u0fff" or "\u1000" <= char <= "\u109f" or "\u1780" <= char <= "\u18af" or char > "\ufb4f"
        for char in (before, after)
        if char
    )


def _words(text: str) -> Iterator[Piece]:
    """Cut plain text at words that mix letters of scripts which look alike."""
    start = 0
    if not text.isascii():
        for match in re.finditer(r"\w+", text):
            word = match[0]
            scripts = {name(char, "").partition(" ")[0] for char in word if char.isalpha()} & LOOKALIKES.keys()
            if len(scripts) > 1:
                if match.start() > start:
                    yield Piece("plain", text[start : match.start()])
                mixed = " and ".join(sorted(LOOKALIKES[script] for script in scripts))
                yield Piece("mixed", word, f"This word mixes {mixed} letters")
                start = match.end()
    if start < len(text):
        yield Piece("plain", text[start:])


def driven(text: str, scores: Sequence[Mapping[str, Any]]) -> Iterator[Piece]:
    """Cut a text as ``pieces`` does, with the words marked that drive the scores of an explanation, and what each does to them.

    What hides inside such a word is shown for what it is.
    """
    labels: dict[tuple[int, int], list[str]] = {}
    for each in scores:
        before = each["score"]
        for word in each["words"]:
            step = f"{each['attribute'].replace('_', ' ')} {threshold(before)} \u2192 {threshold(word['without'])}"
            labels.setdefault((word["start"], word["end"]), []).append(step)
            before = word["without"]
    at = 0
    for (start, end), steps in sorted(labels.items()):
        yield from pieces(text[at:start])
        for piece in pieces(text[start:end]):
            yield Piece("driver", piece.text, "; ".join(steps)) if piece.kind == "plain" else piece
        at = end
    yield from pieces(text[at:])


def parts(spam_parts: Mapping[str, float]) -> list[str]:
    """Return what makes a text read like advertising, the strongest first."""
    ranked = sorted(spam_parts.items(), key=lambda part: (-part[1], part[0]))
    return [SPAM_PARTS[name] for name, added in ranked if added >= LEAST_PART]


def behaviour(signals: Mapping[str, Any]) -> list[str]:
    """Return what beside its words makes a comment look like advertising."""
    copies, recent = signals.get("near_copies") or 0, signals.get("author_recent") or 0
    return [
        *([f"nearly the same text by {copies} authors within a day"] if copies > 1 else []),
        *([f"{recent} comments by its author within five minutes"] if recent > 1 else []),
        *(words for name, words in SPAM_BEHAVIOUR.items() if signals.get(name) is True),
    ]


def changes(before: str, after: str) -> list[Piece] | None:
    """Return a text with what its author took out and put in, by words; None where it is too long to compare."""
    old, new = (re.split(r"(\s+)", text) for text in (before, after))
    if max(len(old), len(new)) > MOST_WORDS:
        return None
    found: list[Piece] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Piece("plain", "".join(new[c:d])))
            continue
        if a < b:
            found.append(Piece("old", "".join(old[a:b])))
        if c < d:
            found.append(Piece("new", "".join(new[c:d])))
    return found


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    return "just now" if now - moment < timedelta(minutes=1) else f"{lasting(now - moment)} ago"


def condition(text: str) -> str:
    """Return a rule's condition in words instead of signs."""
    for sign, word in ((" && ", " and "), (" || ", " or "), ("!", "not "), (" >= ", " from "), ("_", " ")):
        text = text.replace(sign, word)
    return text


def reason(key: int | str | None) -> str:
    """Return a reason's name, or the sentence of one that no moderator picks."""
    word = str(key)
    if word.isascii() and word.isdecimal() and (found := REASONS.get(int(word))):
        return found.name
    return FIXED_REASONS.get(word, "")


def percent(value: float) -> str:
    """Return a share from 0 to 1 as people say it."""
    return f"{value * 100:.0f} %"


def threshold(value: float) -> str:
    """Return a score as it is written in policies."""
    return f"{value:.2f}"
