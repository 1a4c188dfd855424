"""``tidegate explain``: what a policy makes of a text and why, with no database."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from moderation import signals
from moderation.commands.shell import USAGE, Fault, Shell, shelled, table
from moderation.policy.explain import Explanation
from moderation.policy.explain import explain as explain_ruling
from moderation.policy.rules import Policy
from moderation.policy.shipped import SHIPPED
from moderation.scoring import catalog
from moderation.scoring.choice import BUNDLED, ENGINES, BadChoice, Chosen
from moderation.scoring.scorer import Scorer
from moderation.services import policies, sites
from moderation.services.asking import Explained, Models, Question
from moderation.services.assessment import Assessed, assess
from moderation.services.layers import NO_LAYERS, Layers
from moderation.services.learning import SUBJECTS
from moderation.signals.quotation import own_words
from moderation.signals.schema import SIGNALS, Kind, SignalValue

AUTHORS: Final = {
    "newcomer": signals.AuthorFacts(identity="verified"),
    "regular": signals.AuthorFacts(identity="verified", approved=8),
    "trusted": signals.AuthorFacts(identity="verified", approved=40),
    "claimed": signals.AuthorFacts(identity="claimed", approved=8),
    "anonymous": signals.AuthorFacts(identity="anonymous"),
}
"""Example records, so that the rules about authors can be seen at work."""

LONGEST: Final = 20_000


@click.command()
@click.argument("text")
@click.option("--policy", "policy", default="standard", show_default=True, help="A shipped policy's name, or a TOML file.")
@click.option("--author", type=click.Choice(list(AUTHORS)), help="Judge it as sent by such an author; otherwise not known.")
@click.option("--post", "post", metavar="TITLE", help="The title of the article it stands under.")
@click.option("--language", metavar="TAG", help="The language that the author chose, such as en or de.")
@click.option("--edited", is_flag=True, help="It is not the first text of the comment.")
@click.option("--model", default=BUNDLED, show_default=True, metavar="NAME", help="The model to ask; see `tidegate models list`.")
@click.option("--engine", type=click.Choice(ENGINES), default="onnx", show_default=True, help="What runs it.")
@click.option(
    "--site", metavar="NAME", help="Let what this site learnt correct the scores (docs/learning.md); asks its database."
)
@click.option("--all", "everything", is_flag=True, help="List the signals that are at rest, too.")
@shelled
def explain(
    shell: Shell,
    text: str,
    *,
    policy: str,
    author: str | None,
    post: str | None,
    language: str | None,
    edited: bool,
    model: str,
    engine: str,
    site: str | None,
    everything: bool,
) -> None:
    """Show what a policy makes of TEXT, and why; no database is needed without --site.

    The verdict, each rule that matched with its evidence, what was measured, and the words that drive the scores. - reads the
    text from standard input.
    """
    body = sys.stdin.read() if text == "-" else text
    if not body.strip() or len(body) > LONGEST:
        raise Fault(f"the text has to have 1 to {LONGEST} characters", USAGE)
    chosen = _policy(policy)
    models = Models(scorer_of(shell, model, engine), catalog.spam())
    found = assess(
        signals.Revision(body=body, language=language, number=2 if edited else 1),
        signals.Facts(
            author=AUTHORS[author] if author else None, post=signals.PostFacts(texts=[post]) if post is not None else None
        ),
        models,
        chosen,
        layers=_layers(shell, site) if site is not None else NO_LAYERS,
    )
    explained = explain_ruling(found.ruling, found.signals)
    own = own_words(body, [post] if post is not None else [])
    driven = models.explain(Question(body, [*(found.scored.values or {}), "spam"], own.quoted if own.apart else ()))
    answer = {
        "policy": chosen.name,
        "model": found.scored.model_version,
        **explained.as_json(),
        **({"learnt": _learnt(found)} if site is not None else {}),
        "explanation": driven.as_json(body),
    }
    lines = [*_lines(explained, chosen, found.signals, everything=everything), *_driven(driven, body)]
    shell.show(answer, lines if site is None else [*lines, *_corrected(found, site)])


def scorer_of(shell: Shell, name: str, engine: str) -> Scorer:
    """Return the scorer that the options name; raises Fault for what can be no model."""
    if name == BUNDLED and engine == "onnx":
        return catalog.bundled()  # which needs no settings either
    try:
        return catalog.Shelf(shell.settings.models_folder).scorer(Chosen(name, engine))
    except BadChoice as error:
        raise Fault(f"{error}", USAGE) from error


def _layers(shell: Shell, site: str) -> Layers:
    with shell.database.reading() as session:
        return policies.in_force(session, sites.find(session, site).id).layers


def _learnt(found: Assessed) -> list[dict[str, Any]]:
    """Return what the site's layers made of the shared scores; empty where none is in force over these models."""
    shared = {**(found.scored.values or {}), "spam": found.scored.spam}
    names = {str(subject): name for subject, name in SUBJECTS.items()}
    return [
        {"score": names[subject], "layer": layer, "shared": shared[names[subject]], "own": found.signals.get(names[subject])}
        for subject, layer in found.layers.items()
    ]


def _corrected(found: Assessed, site: str) -> Iterator[str]:
    learnt = _learnt(found)
    yield ""
    if not learnt:
        yield f"Nothing that {site} learnt corrects these scores (tidegate learning show {site})."
    for each in learnt:
        shared, own = _shown(each["shared"]), _shown(each["own"])
        yield f"{each['score']}: {shared} by the shared model, {own} by {site}'s layer {each['layer']}"


def _policy(name: str) -> Policy:
    if name in SHIPPED:
        return Policy.parse(SHIPPED[name])
    path = Path(name)
    if not path.is_file():
        raise Fault(f"{name} is neither a file nor one of the policies {', '.join(SHIPPED)}", USAGE)
    return Policy.parse(path.read_text(encoding="utf-8"))


def _lines(explained: Explanation, policy: Policy, found: dict[str, SignalValue], *, everything: bool) -> Iterator[str]:
    published = "published" if explained.publish else "not published"
    yield f"{explained.verdict.upper()} by policy {policy.name}: {published}"
    yield ""
    if explained.rules:
        yield from table(
            ("rule", "verdict", "reason", "because"),
            [
                (
                    rule.rule,
                    rule.verdict,
                    f"{rule.reason} {rule.reason_text}" if isinstance(rule.reason, int) else rule.reason,
                    ", ".join(f"{name} {_shown(value)}" for name, value in rule.evidence.items()) or "a fixed rule",
                )
                for rule in explained.rules
            ],
        )
        yield ""
        for rule in explained.rules:
            if rule.when:
                unless = f" unless {rule.unless}" if rule.unless else ""
                yield f"{rule.rule}: {rule.when}{unless}"
    else:
        yield f"None of the {len(policy.rules)} rules matched."
    if explained.unknown:
        yield f"Missing, and would have mattered: {', '.join(explained.unknown)}"
    if explained.not_evaluated:
        unread = ", or of scores, which the model has none of in this language" if found.get("language_served") is False else ""
        yield f"Did not apply for want of facts (see --author, --post){unread}: {', '.join(explained.not_evaluated)}"
    yield ""
    awake = {name: value for name, value in found.items() if everything or SIGNALS[name].kind is Kind.SCORE or value}
    yield from table(
        ("signal", "value", "unit", "what it says"),
        [(name, _shown(awake[name]), SIGNALS[name].unit, SIGNALS[name].doc) for name in SIGNALS if name in awake],
    )
    if len(awake) < len(found):
        yield f"and {len(found) - len(awake)} at rest (--all)"


def _driven(driven: Explained, body: str) -> Iterator[str]:
    if driven.drivers:
        yield ""
        yield from table(
            ("score", "from", "to, as words are left out"),
            [
                (
                    each.attribute,
                    f"{each.score:.2f}",
                    ", ".join(f"{word.without:.2f} {body[word.start : word.end]}" for word in each.words)
                    or "much the same, whichever word is left out",
                )
                for each in driven.drivers
            ],
        )
    if driven.spam_parts:
        parts = sorted(driven.spam_parts.items(), key=lambda part: -part[1])
        named = [(name.replace("_", " "), value) for name, value in parts]
        yield f"spam is made of: {', '.join(f'{name} {value:+.1f}' for name, value in named)}"


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.2f}"
        case list():
            return ", ".join(str(item) for item in value) or "none"
        case _:
            return str(value)
