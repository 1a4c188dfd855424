"""Distinct texts as people write them under articles, from a seed: no cache and no rule about duplicates helps anyone.

Random words in a row would do for a pipeline that reads every text in full; one that settles plainly harmless text early must be
shown text as plain, as heated and as rude as comments are, or it is measured on something that nobody writes. So the sentences
are made from patterns, and tones are mixed as in the comments of a talk page: a test holds lengths and tones to that.
"""

import math
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from moderation import scoring

MEDIAN_WORDS: Final = 42
"""Half of the comments are shorter; the mean is near seventy words or 81 word pieces, one in a hundred has 512 pieces."""

SPREAD: Final = 1.0
"""Standard deviation of the logarithm of the length."""

LONGEST: Final = 9_000
"""Characters; the API accepts ten thousand."""

SHORT: Final = 80
"""Characters; longer texts hold so many choices that two do not meet."""

HEATED: Final = 0.12
"""Share of the texts with sentences of anger at policies and parties among the calm ones."""

RUDE: Final = 0.09
"""Share of the texts with sentences that attack a person."""

CALM: Final = (
    "{The} {thing} in {place} was {state} {time}, and {people} {felt} it at once.",
    "I {lived} in {place} for {number} years and the {thing} there never {worked} this well.",
    "As far as I {understood}, {name} said {time} that the {thing} would cost {number} million, not {number}.",
    "{Where} is the source for the claim that {people} in {place} {opposed} the {thing}?",
    "My {relative} works for the {body} and says the {thing} has been {state} since {month}.",
    "Compare this with {place}, where the {body} {changed} its {thing} in {year} and nobody complained.",
    "The article leaves out that {name} {supported} the {kind} {thing} until {month}.",
    "{Thanks} for the report, especially the part about {name} and the {kind} {thing}.",
    "Page {number} of the report by the {body} says something else about the {thing}.",
    "If the {body} can {change} the {thing} by {month}, {people} in {place} will have a reason to vote.",
    "Not sure that I agree: the {kind} {thing} was {state} long before {name} came into office.",
    "We took the {kind} route through {place} {time} and saw {number} {people} waiting for the {thing}.",
    "Has anybody here read what {name} wrote about {place} and its {thing} in {year}?",
    "The figures for {month} look better, but {number} per cent of {people} still pay for the {thing} themselves.",
    "In my view the {body} should publish the contract for the {kind} {thing} before the {event}.",
    "{name} and {name} were both at the {event}, and neither mentioned the {thing}.",
    "There is a good map of the {thing} on the pages of the {body}, last changed in {month} {year}.",
    "For {people} with small children the {kind} {thing} in {place} makes a real difference.",
    "Correction: the {event} in {place} was in {year}, the {thing} came later.",
    "What would it take for {place} to get a {kind} {thing} like the one in {place}?",
    "The missile strike near {place} destroyed the {thing}, according to the {body}.",
    "Both sides of the {event} have a point about the {thing}, and the {body} ought to listen to {people} for once.",
)

ANGRY: Final = (
    "This {thing} is a disgrace, and the {body} knows it!",
    "I am sick and tired of hearing about the damn {thing} while {people} in {place} wait.",
    "What a ridiculous waste of {number} million on a {kind} {thing}!",
    "The {body} has lied about the {thing} since {year}, how much more of this nonsense do we have to take?",
    "It makes me furious that {name} got away with the {kind} {thing}.",
    "Every single promise about the {thing} was rubbish, and the next {event} will show it.",
)

ATTACKING: Final = (
    "{name} is an idiot and so is everybody who still defends the {thing}.",
    "You are a pathetic liar, go back to {place} and stay there.",
    "Only a moron like {name} could {change} the {thing} and call it progress.",
    "Shut up, {name}, nobody wants to hear your stupid opinion about the {thing}.",
    "What an arrogant, useless clown {name} is, a disgusting little crook.",
)

SLOTS: Final = {
    "The": "The|Our|Their|That|This|Even the|Almost every|No other",
    "thing": (
        "bridge|bus lane|school|hospital ward|rent cap|ferry|budget|harbour|library|tax reform|election|"
        "water supply|railway line|stadium|market hall|power station|border crossing|ceasefire|treaty|pension|"
        "housing estate|speed limit|vaccine|cycle path|airport|flood wall|museum|job centre|broadband network|"
        "coal mine|police station|theatre|playground|car park|tram|prison"
    ),
    "kind": (
        "new|old|planned|public|private|regional|northern|southern|temporary|expensive|famous|narrow|"
        "second|so-called|controversial|modern|municipal|promised|rebuilt|independent|free|electric"
    ),
    "place": (
        "the capital|the old town|the east|the valley|our village|the suburbs|Lisbon|Warsaw|Leeds|Ohio|"
        "Nairobi|Quebec|Kyiv|Tallinn|Bristol|Santiago|Mumbai|Galway|Rotterdam|Perth|Aarhus|Marseille|"
        "Seville|Krakow|Texas|Kansas"
    ),
    "people": (
        "families|commuters|pensioners|students|nurses|farmers|drivers|tenants|tourists|shop owners|teachers|"
        "voters|neighbours|refugees|patients|taxpayers|readers|workers|residents|engineers"
    ),
    "body": (
        "council|ministry|committee|agency|court|parliament|party|commission|government|board|union|"
        "university|newspaper|company|senate|opposition|church|bank"
    ),
    "event": ("meeting|summit|hearing|strike|festival|vote|debate|trial|inquiry|conference|campaign|storm|march|anniversary"),
    "state": (
        "closed|finished|cancelled|postponed|opened|repaired|sold|approved|criticised|rebuilt|underfunded|discussed|empty|full"
    ),
    "felt": "noticed|felt|saw|welcomed|discussed|remembered|regretted|expected",
    "lived": "lived|worked|taught|studied|volunteered|drove a bus",
    "worked": "worked|ran|went|served us|paid off",
    "understood": "understood|remember|know|can tell|have read|heard",
    "Where": "Where|What|Which|Who",
    "opposed": "opposed|wanted|refused|voted for|asked for|built|paid for|ignored",
    "supported": "supported|criticised|designed|sold|opposed|praised|investigated|invented",
    "changed": "changed|reformed|sold|extended|rebuilt|closed|tested|dropped",
    "change": "fix|change|finish|explain|replace|extend|afford|reopen",
    "relative": "sister|uncle|father|neighbour|daughter|cousin|wife|husband|old boss|colleague|grandmother|friend",
    "time": (
        "last week|yesterday|in the spring|at the weekend|on Monday|two years ago|before the war|this morning|"
        "last winter|in the end"
    ),
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "Thanks": "Thanks|Thank you|Many thanks|Good job, thanks|Well done and thanks",
}
"""What stands for a word in braces; ``name``, ``number`` and ``year`` are made."""


@cache
def _surnames() -> tuple[str, ...]:
    lines = (Path(str(scoring.__file__)).parent / "bundled" / "words.txt").read_text().splitlines()
    found = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    # The rarer half, so that hardly any is an everyday word, let alone a rude one.
    rare = found[len(found) // 2 :]
    return tuple(word.capitalize() for word in rare if word.isalpha() and word.isascii() and 4 < len(word) < 10)


@cache
def _choices(slot: str) -> tuple[str, ...]:
    return tuple(SLOTS[slot].split("|"))


class _Words(dict[str, str]):
    """Fills each place of a pattern with a choice of its own."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def __missing__(self, slot: str) -> str:
        chance = self._chance
        if slot == "name":
            return chance.choice(_surnames())
        if slot == "number":
            return str(chance.randint(2, 400))
        if slot == "year":
            return str(chance.randint(1950, 2026))
        return chance.choice(_choices(slot))


def texts(seed: int) -> Iterator[str]:
    """Yield distinct texts without end, the same ones for the same seed."""
    chance = random.Random(seed)
    words = _Words(chance)
    said_before: set[str] = set()
    while True:
        left = max(3, min(1_000, round(MEDIAN_WORDS * math.exp(chance.gauss(0, SPREAD)))))
        tone = chance.random()
        pointed = ATTACKING if tone < RUDE else ANGRY if tone < RUDE + HEATED else ()
        sentences: list[str] = []
        while left > 0:
            patterns = pointed if pointed and chance.random() < (0.4 if sentences else 0.8) else CALM
            said = chance.choice(patterns).format_map(words).split()
            # A short comment is a piece of a sentence.
            sentences.append(" ".join(said[: max(3, left)]))
            left -= len(said)
        text = " ".join(sentences)[:LONGEST]
        if len(text) < SHORT:
            # Chance alone does not keep pieces of a sentence apart.
            if text in said_before:
                continue
            said_before.add(text)
        yield text
