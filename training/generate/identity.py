"""Sentences about people of every kind, as often hostile as harmless for each word, so that the word itself decides nothing.

Collected data names some groups mostly in abuse ("gay"), others hardly ever ("straight", "older", "paralyzed"). Here each term
gets the same number of sentences on both sides, many in minimal pairs that differ by one adjective.
"""

import random

import numpy as np

from moderation.scoring.scorer import ATTRIBUTES
from training.corpus import Rows
from training.generate.cases import fill

_TERMS = (
    "gay", "lesbian", "bisexual", "trans", "transgender", "queer", "LGBT", "LGBTQ", "homosexual", "straight",
    "heterosexual", "male", "female", "nonbinary", "intersex", "asexual", "African", "African American", "Black", "white",
    "European", "Hispanic", "Latino", "Latina", "Latinx", "Mexican", "Canadian", "American", "Asian", "Indian",
    "Middle Eastern", "Chinese", "Japanese", "Korean", "Vietnamese", "Arab", "Turkish", "Kurdish", "Polish", "Russian",
    "Ukrainian", "Nigerian", "Somali", "Syrian", "Irish", "Italian", "German", "French", "Brazilian", "Roma",
    "Native American", "Aboriginal", "Christian", "Muslim", "Jewish", "Buddhist", "Catholic", "Protestant", "Sikh",
    "Taoist", "Hindu", "Mormon", "atheist", "old", "older", "young", "younger", "teenage", "millennial", "middle-aged",
    "elderly", "retired", "blind", "deaf", "paralyzed", "disabled", "autistic", "dyslexic", "epileptic",
    "wheelchair-bound", "mentally ill", "fat", "poor", "homeless", "immigrant", "refugee", "foreign", "divorced",
    "unemployed", "working-class", "rural",
)  # fmt: skip
_SHARED: dict[str, tuple[str, ...]] = {
    "relative": ("brother", "sister", "mum", "dad", "aunt", "uncle", "cousin", "neighbour", "boss", "friend", "wife", "husband"),
    "name": ("Ines", "Omar", "Bert", "Lucy", "Tomas", "Aisha", "Greta", "Paul", "Mei", "Ravi", "Kofi", "Hanna", "Diego", "Nora"),
    "person": ("man", "woman", "person", "guy", "girl", "boy", "kid", "couple", "student", "colleague"),
    "good": (
        "great", "beautiful", "wonderful", "perfectly normal", "fun", "fine by me", "something to celebrate", "nothing special",
        "a gift", "part of life",
    ),
    "bad": (
        "disgusting", "a disease", "shameful", "a sin and a sickness", "sick", "gross", "pathetic", "a mental disorder", "evil",
        "for losers", "nothing but trouble",
    ),
}  # fmt: skip
_HARMLESS = (
    "I am {term}.", "I'm {term}", "{term}", "i am a {term} {person}", "I'm a {term} {profession} and happy with it.",
    "Being {term} is {good}.", "being {term} is {good}", "{term} and proud", "{name} is {term}.",
    "{name} is a {term} {person}.", "My {relative} is {term} and {kind}.", "A {term} {profession} won the prize.",
    "{term} people are {kind}.", "{term} {profession}s are {kind}", "Nobody should lose a job for being {term}.",
    "We need more {term} voices in {topic}.", "She is {kind}, and {term} too.", "Is {name} {term}?",
    "Greetings from a {term} reader!", "The {term} {person} in the photo is my {relative}.", "I love my {term} {relative}.",
    "Are there {term} characters in it?", "It is not easy to be {term} in {place}.",
    "I was bullied at school for being {term}.", "Most {term} people I know liked {topic}.", "It's ok to be {term}",
    "hug a {term} friend today", "{name} plays a {term} {profession} in the new series.",
    "Thank you for asking a {term} {person} for once.", "The law protects {term} people, as it should.",
    "What would help {term} people at {place}?", "We are {term}, we live in {place}, we pay taxes.",
    "The {term} vote decided {topic}.", "my {relative} married a {term} {person}",
    "Two {term} {profession}s run the kiosk at {place}.", "{term} kids deserve good schools",
    "You are a {kind} {term} {person}.", "what a {kind} {term} {profession}", "I support {term} rights.", "{term} is {good}",
)  # fmt: skip
_HOSTILE = (
    "{term} people are {insulting}.", "I hate {term} people.", "fuck all {term} people", "Being {term} is {bad}.",
    "being {term} is {bad}", "You {term} {insult}.", "shut up you {term} {insult}", "kill all {term} people",
    "Never trust a {term} {person}.", "All {term} men are {insult}s.", "{name} is a {term} {insult}.",
    "{name} is a {insulting} {term} {person}.", "A {term} {profession}? They {smear}.", "{term} people {expel}.",
    "{term} people are {vermin}.", "I would not let a {term} {person} near my kids.", "{term} {profession}s are {insulting}",
    "Another {insulting} {term} {person}, what a surprise.", "burn the {term} {insult}s", "die, {term} {insult}",
    "No {insulting} {term} {person} tells me what to do.", "You are a {insulting} {term} {person}.",
    "what a {insulting} {term} {profession}", "{term} {insult}s should be shot",
    "Who wants a {term} {relative}? I'd be ashamed.", "{term} people make me want to throw up", "{term} is {bad}",
    "get lost {term} {insult}", "beat up every {term} {person} you see",
    "i can't stand {term} people they are so {insulting}",
)  # fmt: skip
_RUDE = (
    "I'm {term} and you are a {insult}.", "As a {term} {person} I say: {name} is a {insulting} {insult}.",
    "You {insulting} {insult}, leave {term} people alone.", "{name} is {insulting}.", "{name} is a {insult}.",
    "only a {insult} would insult a {term} {person}",
)  # fmt: skip
_EACH: tuple[tuple[tuple[str, ...], int, dict[str, float]], ...] = (
    (_HARMLESS, 24, {}),
    (_HOSTILE, 19, {"toxicity": 0.95, "identity_attack": 0.93, "insult": 0.6}),
    (_RUDE, 3, {"toxicity": 0.95, "insult": 0.95}),
)


def identity_rows(seed: int) -> Rows:
    """Draw about 46 sentences for each term, a third lower-cased, with full weight."""
    rng = random.Random(f"identity {seed}")
    texts: list[str] = []
    targets: list[list[float]] = []
    for term in _TERMS:
        for templates, count, named in _EACH:
            for _ in range(count):
                text = rng.choice(templates).replace("{term}", term)
                for slot, choices in _SHARED.items():
                    text = text.replace(f"{{{slot}}}", rng.choice(choices))
                text = fill(text, rng)
                text = text.replace(" a a", " an a").replace(" a e", " an e").replace(" a A", " an A").replace(" a I", " an I")
                text = text.lower() if rng.random() < 0.35 else text[0].upper() + text[1:]
                texts.append(text)
                targets.append([named.get(attribute, 0.0) for attribute in ATTRIBUTES])
    return Rows(texts, np.array(targets, np.float32), np.ones((len(texts), len(ATTRIBUTES)), np.float32))
