"""Everything a policy may look at, measured from one revision and the facts around it, without I/O.

``compute`` calls one module per signal and returns plain JSON. A module that fails on some text does not take the others
with it: its name is in ``failed_signals``, what it owes is absent, and the policy then asks a human. What the caller did
not give is named in ``not_given``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from moderation.signals import author, duplicates, flood, intent, language, links, personal_data, quotation, reports, words
from moderation.signals.facts import AuthorFacts, Facts, HistoryFacts, PostFacts, Revision
from moderation.signals.quotation import OwnWords, own_words
from moderation.signals.schema import SCHEMA_VERSION, SIGNALS, Kind, SignalValue
from moderation.text import NormalisedText, normalise

__all__ = [
    "SCHEMA_VERSION",
    "SIGNALS",
    "AuthorFacts",
    "Facts",
    "HistoryFacts",
    "OwnWords",
    "PostFacts",
    "Revision",
    "SignalValue",
    "compute",
    "text_to_score",
]

_SCORES = frozenset(name for name, signal in SIGNALS.items() if signal.kind is Kind.SCORE)

_SURROGATE = re.compile("[\ud800-\udfff]")


def text_to_score(revision: Revision, facts: Facts) -> str:
    """Return the text for the scorers: the author's own words where they make a sentence beside quotations, otherwise the whole
    body.
    """
    return own_words(revision.body, facts.post.texts if facts.post else ()).text


def compute(revision: Revision, facts: Facts, scores: Mapping[str, float] | None, spam: float | None) -> dict[str, SignalValue]:
    """Measure all signals of one revision.

    ``scores`` (attribute to calibrated probability) and ``spam`` (probability) come from the scorers, given ``text_to_score``;
    ``None`` and values that are not probabilities are absent from the result. So are the scores of a text in a language that
    the scorer does not know: they would mean nothing. Every value is finite and fits the schema. Never
    raises; about 1 ms.
    """
    found: dict[str, Any] = {}
    failed: list[str] = []
    if _SURROGATE.search(revision.body):  # refused at the door; here only so that nothing that runs on UTF-8 can trip over one
        revision = replace(revision, body=_SURROGATE.sub("\ufffd", revision.body))
    view = normalise(revision.body)
    for name, measure in _MEASURES.items():
        try:
            found |= measure(revision, facts, view)
        except Exception as error:  # noqa: BLE001 - total by contract; recorded, and the absence asks a human
            failed.append(f"{name}: {type(error).__name__}")
    if found.get("language_served") is not False:
        found |= {name: score for name, score in (scores or {}).items() if name in _SCORES}
    found["spam"] = spam
    if "sexual" not in found:
        found["sexual"] = found.get("sexual_explicit", found.get("obscene"))
    found["disguised_words"] = view.disguised
    found["edited"] = revision.number > 1
    found["audit_draw"] = facts.audit_draw
    found["not_given"] = _not_given(revision, facts)
    found["failed_signals"] = failed
    return {name: _plain(found[name]) for name, signal in SIGNALS.items() if name in found and signal.accepts(found[name])}


def _plain(value: Any) -> SignalValue:
    """Numpy's floats are floats to Python but not to JSON."""
    plain: SignalValue = float(value) if isinstance(value, float) else value
    return plain


def _named(found: Any) -> dict[str, Any]:
    """Return the signals of a module by name; ``asdict`` would copy each value, which takes ten times as long."""
    return {name: getattr(found, name) for name in found.__slots__}


def _not_given(revision: Revision, facts: Facts) -> list[str]:
    given = {
        "author": facts.author is not None,
        "post": facts.post is not None,
        "history": facts.history is not None,
        "honeypot": revision.honeypot is not None,
        "timing": revision.seconds_to_submit is not None,
        "draw": facts.audit_draw is not None,
    }
    return [name for name, known in given.items() if not known]


def _author(revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    return _named(author.measure(facts.author, revision.author_name, facts.reserved_names)) if facts.author else {}


def _flood(_revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    return {"author_recent": flood.measure(facts.author)} if facts.author else {}


def _duplicates(_revision: Revision, facts: Facts, view: NormalisedText) -> dict[str, Any]:
    return {"near_copies": duplicates.measure(view, facts.history)} if facts.history else {}


def _reports(_revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    return _named(reports.measure(facts.history)) if facts.history else {}


def _intent(revision: Revision, _facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    return _named(intent.measure(revision))


def _language(_revision: Revision, facts: Facts, view: NormalisedText) -> dict[str, Any]:
    return _named(language.measure(view.text, facts.site_language, facts.languages_served))


def _links(revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    return _named(links.measure(revision.body, revision.author_url, facts.site_hosts, facts.rejected_hosts))


def _words(_revision: Revision, facts: Facts, view: NormalisedText) -> dict[str, Any]:
    return _named(words.measure(view, facts.banned, facts.suspect))


def _personal_data(revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    found = personal_data.measure(revision.body, facts.region, facts.site_hosts)
    return _named(found) | {"personal_data": found.personal_data}


def _post(revision: Revision, facts: Facts, _view: NormalisedText) -> dict[str, Any]:
    if facts.post is None:
        return {}
    return {
        "post_closed": facts.post.setting == "closed",
        "post_premoderated": facts.post.setting == "premoderated",
        "post_newcomers_held": facts.post.setting == "newcomers_held",
        "quoted_share": quotation.own_words(revision.body, facts.post.texts).quoted_share,
    }


_MEASURES: Mapping[str, Callable[[Revision, Facts, NormalisedText], dict[str, Any]]] = {
    "author": _author,
    "duplicates": _duplicates,
    "flood": _flood,
    "intent": _intent,
    "language": _language,
    "links": _links,
    "personal_data": _personal_data,
    "post": _post,
    "reports": _reports,
    "words": _words,
}
