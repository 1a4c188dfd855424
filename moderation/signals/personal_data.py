"""Details that could hurt somebody when they stand in public: telephone numbers, e-mail addresses, bank accounts, street
addresses.

Numbers are judged by the libraries that know every country's rules (phonenumbers, python-stdnum), because a pattern alone
takes each price and date for a telephone number. Only street addresses have no such library; for them there are patterns of
ours for the forms that six languages use, and all patterns run on RE2. Unit: findings. Cost: about 20 microseconds for 500
characters without digits, 200 for each telephone number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import phonenumbers
from stdnum import iban

from moderation.signals.links import within
from moderation.signals.patterns import compile_pattern

MAX_CANDIDATES: Final = 20
"""Places looked at for each kind; a comment with more is flagged long before."""

# Runs of bytes rather than of Unicode letters: with \pL and counts the automata grow past any sensible size.
_LETTERS: Final = r"[^\s\d\x00-&(-,/:-@\[-`{-\x7f]+"
_DIGITS: Final = compile_pattern(r"[+(]?\d(?:[ .()/-]?[ .()/-]?\d){6,16}")
_NETWORK_ADDRESS: Final = compile_pattern(r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_EMAIL: Final = compile_pattern(r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,24}\b", any_case=True)
_VEILED_EMAIL: Final = compile_pattern(
    r"[a-z0-9._%+-]+ ?[\[({] ?(?:at|@) ?[\])}] ?[a-z0-9-]+ ?(?:\.|[\[({] ?dot ?[\])}]) ?[a-z0-9.-]*[a-z]{2}\b"
    r"|[a-z0-9._%+-]+ @ [a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}\b"
    # In words alone only with an ending that is one: "look at the dot on the map".
    r"|[a-z0-9._%+-]+ at [a-z0-9-]+(?: dot [a-z0-9-]+)? dot (?:com|net|org|info|eu|uk|de|fr|es|it|nl|pt|ch|example)\b",
    any_case=True,
)
_IBAN: Final = compile_pattern(r"\b[a-z]{2}\d\d(?:[ -]?[a-z0-9]{4}){2,7}(?:[ -]?[a-z0-9]{1,3})?\b", any_case=True)
_STREET: Final = (
    # English: 12 Elm Street, 221b Old Baker St
    compile_pattern(
        rf"\b\d{{1,5}}[A-Za-z]?,? (?:[A-Z]{_LETTERS} |\d{{1,3}}(?:st|nd|rd|th) ){{1,3}}"
        r"(?:[Ss]treet|[Ss]t|[Aa]venue|[Aa]ve|[Rr]oad|[Rr]d|[Ll]ane|[Ll]n|[Dd]rive|[Dd]r|[Bb]oulevard|[Bb]lvd|[Cc]ourt|[Cc]t|[Cc]rescent"
        r"|[Cc]lose|[Tt]errace|[Pp]lace|[Ss]quare|[Ww]ay|[Hh]ill|[Gg]ardens)\b"
    ),
    # German, Dutch, Scandinavian: Lindenstraße 5, Kerkstraat 3b
    compile_pattern(
        rf"{_LETTERS}(?:straße|strasse|str\.|gasse|weg|allee|platz|ufer|damm|straat|laan|gracht|plein|gatan|vägen|gade|vej)"
        r" ?\d{1,4} ?[a-z]?\b",
        any_case=True,
    ),
    # German, the name apart: Wiener Straße 45; "auf Platz 3" is no address
    compile_pattern(rf"\b[A-ZÄÖÜ]{_LETTERS} (?:Straße|Strasse|Str\.|Allee|Gasse) \d{{1,4}} ?[a-z]?\b"),
    # French: 12 rue de la Paix, 3 bis avenue Foch; "1 place as many" is English
    compile_pattern(
        rf"\b\d{{1,4}}(?: ?bis| ?ter)?,? (?:(?:[Rr]ue|[Ii]mpasse|[Aa]llée|[Qq]uai) {_LETTERS}"
        r"|(?:[Aa]venue|[Bb]oulevard|[Pp]lace|[Rr]oute|[Cc]hemin) (?:d[eu]s? |d['’]|[A-Z])|[Cc]ours [A-Z])"
    ),
    # Spanish, Portuguese, Italian: Calle Mayor 5, Rua das Flores 12, Via Roma, 7
    compile_pattern(
        r"\b(?:[Cc]alle|C/|[Aa]venida|[Aa]v(?:da)?\.|[Pp]laza|[Pp]aseo|[Rr]ua|[Tt]ravessa|[Pp]raça|[Vv]ia|[Vv]iale|[Pp]iazza|[Cc]orso|[Ll]argo)"
        rf"(?: [a-z]{{2,5}}){{0,2}}(?: [^\s\da-z\x00-@\[-`{{-\x7f]{_LETTERS}){{1,3}},? ?(?:n[º°.]+ ?)?\d{{1,4}}\b"
    ),
    # Spanish, the number first: número 8 de la calle Sol
    compile_pattern(r"\b[Nn][úu]mero \d{1,4} de la (?:calle|avenida|plaza|rua) "),
)
_YEAR: Final = compile_pattern(r"(?:19|20)\d\d\b")
_BEFORE_A_YEAR: Final = compile_pattern(r"\b(?:in|since|by|until|the|of|from) $", any_case=True)
_LENGTH: Final = compile_pattern(
    r" ?(?:k?m|kilomet\w*|met\w+|stund\w*|minut\w*|jahr\w*|tag\w*|mal|prozent|euro|%|€)(?:\W|$)", any_case=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """Findings by kind; the first twenty of each are counted."""

    phones: int
    emails: int
    ibans: int
    street_addresses: int

    @property
    def personal_data(self) -> int:
        """All findings together."""
        return self.phones + self.emails + self.ibans + self.street_addresses


def measure(text: str, region: str | None, site_hosts: frozenset[str]) -> PersonalData:
    """Count the findings in ``text``; ``region`` (ISO 3166) reads numbers without a country code, mail at ``site_hosts`` is the
    site's own.
    """
    # By checksum and length: the library's lists of banks in some countries are not complete.
    accounts = [match.span() for match in _first(_IBAN, text) if iban.is_valid(match.group(), check_country=False)]
    return PersonalData(
        phones=sum(_is_phone(text, *span, region) for span in _apart(_DIGITS, text, accounts)),
        emails=sum(not within(match.group().rpartition("@")[2].lower(), site_hosts) for match in _first(_EMAIL, text))
        + sum(1 for _ in _first(_VEILED_EMAIL, text)),
        ibans=len(accounts),
        street_addresses=sum(_is_street(text, *match.span()) for pattern in _STREET for match in _first(pattern, text)),
    )


def _first(pattern: Any, text: str) -> Iterator[Any]:
    for count, match in enumerate(pattern.finditer(text)):
        if count == MAX_CANDIDATES:
            return
        yield match


def _apart(pattern: Any, text: str, taken: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for match in _first(pattern, text):
        start, end = match.span()
        if not any(start < last and first < end for first, last in taken):
            yield start, end


def _is_street(text: str, start: int, end: int) -> bool:
    """Tell a house number from a year before a name ("in 2019 Abbey Road was 50") and from a length behind one."""
    if _YEAR.match(text, start, end) and _BEFORE_A_YEAR.search(text[max(0, start - 6) : start]):
        return False
    return not _LENGTH.match(text, end, min(len(text), end + 12))


def _is_phone(text: str, start: int, end: int, region: str | None) -> bool:
    """Judge one run of digits with a few characters around it, which is where the library sees dates, prices and longer
    numbers.
    """
    if _NETWORK_ADDRESS.fullmatch(text, start, end):
        return False
    candidate = text[max(0, start - 3) : end + 3]
    if "://" in text[max(0, start - 60) : start].rpartition(" ")[2]:
        return False  # inside an address of the web
    return phonenumbers.PhoneNumberMatcher(candidate, region, max_tries=3).has_next()
