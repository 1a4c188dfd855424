"""``tidegate perspective``: leaving Perspective, with the site's own comments in hand before anything is switched over."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import select

from moderation.commands import plot
from moderation.commands.explain import scorer_of
from moderation.commands.perspective_asking import Asker, Kept, kept
from moderation.commands.shell import DOWN, FINDING, OK, SPAN, USAGE, Fault, Shell, shelled, table
from moderation.models import Comment, Revision, Status
from moderation.scoring import catalog
from moderation.scoring.choice import BUNDLED, ENGINES, LANGUAGES
from moderation.scoring.comparison import Change, Comparison
from moderation.scoring.perspective import SOURCES, score_of
from moderation.services import choosing, sites
from moderation.services.asking import Models
from moderation.services.facts import SERVED
from moderation.signals import language
from moderation.sources.record import BadRow
from moderation.sources.rows import lines
from moderation.sources.rows import table as rows_of
from moderation.text import normalise

GOOGLE: Final = "https://commentanalyzer.googleapis.com/v1alpha1"
TABLES: Final = frozenset({".csv", ".tsv"})
TEXTS: Final = ("text", "body", "comment")
NOTED: Final = 50
"""Comments after which a run that asks says how far it is."""

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Row:
    """A comment with the score that Perspective gave it, None where it has to be asked."""

    line: int
    text: str
    old: float | None


@click.group()
def perspective() -> None:
    """Leave Perspective."""


@perspective.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--site", metavar="NAME", help="Take the texts of this site's comments instead of FILE (with --ask).")
@click.option("--since", type=SPAN, default="30d", show_default=True, metavar="SPAN", help="How far back, with --site.")
@click.option("--attribute", type=click.Choice(list(SOURCES)), default="TOXICITY", show_default=True, help="Which score.")
@click.option("--threshold", type=click.FloatRange(0, 1), default=0.8, show_default=True, help="What the site flags at today.")
@click.option("--column", metavar="NAME", help="FILE's column with Perspective's score; the attribute's name or score else.")
@click.option("--ask", type=click.File("r"), metavar="KEYFILE", help="Ask Perspective what FILE lacks; its key is in KEYFILE.")
@click.option("--ask-at", default=GOOGLE, show_default=True, metavar="URL", help="Where Perspective answers.")
@click.option("--pace", type=click.FloatRange(0, 60), default=1.1, show_default=True, help="Seconds between two questions.")
@click.option("--save", type=click.Path(path_type=Path), metavar="FILE", help="Append text and both scores, as JSON Lines.")
@click.option("--svg", type=click.Path(path_type=Path), metavar="FILE", help="Write the plot as a picture.")
@click.option("--model", default=BUNDLED, show_default=True, metavar="NAME", help="Our model; see `tidegate models list`.")
@click.option("--engine", type=click.Choice(ENGINES), default="onnx", show_default=True, help="What runs it.")
@shelled
def compare(
    shell: Shell,
    *,
    file: Path | None,
    site: str | None,
    since: timedelta,
    attribute: str,
    threshold: float,
    column: str | None,
    ask: Any,
    ask_at: str,
    pace: float,
    save: Path | None,
    svg: Path | None,
    model: str,
    engine: str,
) -> int:
    """Score the comments of FILE (CSV or JSON Lines) anew, and show which decisions change and which threshold keeps the rate.

    A row has a text (text, body or comment) and Perspective's score, or a whole answer of Perspective (attributeScores).
    Stores nothing. A row that cannot be used is reported by its line and left out; the exit code is then 1.
    """
    if (file is None) == (site is None):
        raise Fault("give a file or a site, and not both", USAGE)
    key = ask.read().strip() if ask else None
    if site is not None and key is None:
        raise Fault("the comments of a site have no score of Perspective's: give --ask", USAGE)
    models = Models(scorer_of(shell, model, engine), catalog.spam())
    rows = read(file, column or attribute) if file else _of_site(shell, site or "", shell.now - since, models.toxicity.version)
    served = LANGUAGES.get(model, SERVED)
    old: list[float] = []
    new: list[float] = []
    bad: list[BadRow] = []
    with ExitStack() as end:
        asker = Asker(address=ask_at, key=key, attribute=attribute, pace=pace) if key is not None else None
        if asker is not None:
            end.callback(asker.close)
        saved = end.enter_context(kept(save, attribute)) if save else None
        for number, row in enumerate(rows, 1):
            found: BadRow | tuple[float, float] = (
                row if isinstance(row, BadRow) else _foreign(row, served) or _scores(row, models, attribute, asker, saved)
            )
            if isinstance(found, BadRow):
                bad.append(found)
            else:
                old.append(found[0])
                new.append(found[1])
            if asker is not None and number % NOTED == 0:
                shell.note(f"{number} comments read, {len(old)} of them with both scores")
    if not old:
        raise Fault("there is no comment with both scores" + (f"; line {bad[0].line}: {bad[0].detail}" if bad else ""), FINDING)
    compared = Comparison(old, new)
    if svg is not None:
        svg.write_text(plot.svg(compared, threshold, compared.keeping(threshold)))
    shell.show(
        {
            "attribute": attribute,
            "threshold": threshold,
            "model": models.version,
            **compared.as_json(threshold),
            "left_out": [each.as_json() for each in bad],
        },
        _lines(compared, threshold, attribute, models.version, bad),
    )
    return FINDING if bad else OK


def _foreign(row: Row, served: tuple[str, ...]) -> BadRow | None:
    """Return what is wrong with a comment in a language that our model does not read: the door tells no score of it either."""
    found = language.measure(normalise(row.text).text, served[0], served)
    if found.language_served or not found.letters:
        return None
    return BadRow(line=row.line, code="language", detail=f"our model does not read its language ({found.language})")


def _scores(row: Row, models: Models, attribute: str, asker: Asker | None, saved: Kept | None) -> tuple[float, float] | BadRow:
    """Return Perspective's score of a comment and ours, and keep both."""
    then = row.old
    if then is None and saved is not None:
        then = saved.score(row.text)
    if then is None and asker is not None:
        then = asker.score(row.text)
    scored = models(row.text)
    now = score_of(attribute, {**(scored.values or {}), **({"spam": scored.spam} if scored.spam is not None else {})})
    if then is None or now is None:
        which = "Perspective" if then is None else "our model"
        return BadRow(line=row.line, code="no-score", detail=f"there is no score of {which}")
    if saved is not None:
        saved.add(row.text, then, now)
    return then, now


def _lines(found: Comparison, threshold: float, attribute: str, model: str, bad: list[BadRow]) -> Iterator[str]:
    total = len(found.old)
    same, kept = found.at(threshold, threshold), found.at(threshold, found.keeping(threshold))
    order = found.rank_correlation()
    yield f"{total} comments, {attribute}, by {model}"
    yield f"Perspective flags {_share(same.old_flagged, total)} of them at {threshold:g}"
    yield f"at the same threshold {_changes(same, total)}"
    yield f"at {kept.new_threshold:.3f} the flag rate stays: {_changes(kept, total)}"
    yield f"both put them into one order by {order:.2f} (1: the same, 0: unrelated)" if order is not None else "one has no order"
    yield ""
    rows = []
    for each in found.as_json(threshold)["thresholds"]:
        plain, keeping = each["same"], each["keeping_the_rate"]
        rows.append(
            (
                f"{plain['old_threshold']:g}", _share(plain["old_flagged"], total), _share(plain["new_flagged"], total),
                plain["changed"], f"{keeping['new_threshold']:.3f}", keeping["changed"],
            )
        )  # fmt: skip
    yield from table(("threshold", "flagged then", "flagged now", "changed", "keeps the rate", "changed there"), rows)
    yield ""
    yield from plot.characters(found)
    if bad:
        yield ""
        yield f"{len(bad)} left out"
        yield from table(("line", "what", "why"), [(each.line, each.code, each.detail) for each in bad[:SHOWN]])


def _changes(change: Change, total: int) -> str:
    return (
        f"{_share(change.changed, total)} change: {change.newly_flagged} would be flagged now and were not, "
        f"{change.no_longer_flagged} the other way round"
    )


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})"


def read(path: Path, column: str) -> Iterator[Row | BadRow]:
    """Yield the comments of a CSV or JSON Lines file with the score in ``column``, or what is wrong with a row."""
    rows: Iterator[tuple[int, Any]] = rows_of(path) if path.suffix.lower() in TABLES else lines(path)
    for number, row in rows:
        yield row if isinstance(row, BadRow) else _row(number, row, column)


def _row(number: int, row: dict[str, Any], column: str) -> Row | BadRow:
    comment = row.get("comment")
    written = next((row[name] for name in TEXTS if isinstance(row.get(name), str)), None)
    if written is None and isinstance(comment, dict):
        written = comment.get("text")
    if not isinstance(written, str) or not written.strip():
        return BadRow(line=number, code="missing", detail="there is no text")
    scores = row.get("attributeScores")
    if isinstance(scores, dict):
        try:
            value: Any = scores[column]["summaryScore"]["value"]
        except (KeyError, TypeError):
            value = None
    else:
        value = next((row[name] for name in (column, column.lower(), "score") if row.get(name) not in (None, "")), None)
    if value is None:
        return Row(number, written, None)
    try:
        score = float(value)
    except (TypeError, ValueError):
        score = float("nan")
    if not (isfinite(score) and 0 <= score <= 1):
        return BadRow(line=number, code="score", detail="the score is not a number from 0 to 1")
    return Row(number, written, score)


def _of_site(shell: Shell, name: str, since: Any, version: str) -> list[Row | BadRow]:
    with shell.database.reading() as session:
        site = sites.find(session, name)
        chosen = choosing.models(session, site.id).live
        if chosen is not None and chosen.version not in (None, version):
            raise Fault(f"{name} is pinned to {chosen.version}, and this would be {version}", DOWN)
        texts = session.scalars(
            select(Revision.body)
            .join(Comment, (Comment.id == Revision.comment_id) & (Comment.current_revision == Revision.number))
            .where(Comment.site_id == site.id, Comment.created_at >= since)
            .where(Comment.status.not_in([Status.WITHDRAWN, Status.ERASED]))
            .order_by(Comment.id)
        ).all()
    return [Row(number, text, None) for number, text in enumerate(texts, 1)]
