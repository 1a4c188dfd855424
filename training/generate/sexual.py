"""The word list behind the weak label for `sexual_explicit`; no data set at hand has the attribute."""

import re

_ACTS = (
    r"blow ?jobs?|hand ?jobs?|rim ?jobs?|cum(?:ming|shots?|slut)?|jizz|ejaculat\w+|masturbat\w+|"
    r"jerk(?:ing)? (?:me|him|it|you)? ?off|wank\w*|"
    r"orgasms?|horny|deep ?throat\w*|gang ?bang\w*|threesome|creampies?|fingering|anal|porn\w*|nudes|boner|erections?|"
    r"tits|titties|boobs?|nipples|pussy|pussies|cunts?|dicks?|cocks?|penis|vagina|clit\w*|dildos?|"
    r"suck (?:my|his|her|your|a|on|it)\b|eat (?:my|her|your) (?:ass|pussy|out)|"
    r"fuck (?:me|her|him|you) (?:hard|raw|in|with|up the|from)|"
    r"ride (?:my|me)|spread your legs|bend (?:over|you over)|get (?:you|me) off|in my mouth|lick (?:my|your|her|his)"
)
_PATTERN = re.compile(rf"\b(?:{_ACTS})\b", re.IGNORECASE)


def names_sex_act(text: str) -> bool:
    """Whether the text names a sex act or a sexual body part, crudely or not."""
    return _PATTERN.search(text) is not None
