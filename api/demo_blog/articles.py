"""The demo blog's articles; their text is in ``templates/articles``.

The states and people in them are invented; the subjects are those that fill comment columns.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article; ``slug`` is the blog's own id of it and its path."""

    slug: str
    title: str
    summary: str
    author: str
    published_at: datetime


ARTICLES: Final = (
    Article(
        slug="arms-deliveries",
        title="Parliament clears air defence and shells for Veria",
        summary="A narrow majority lets the deliveries go ahead. The opposition asks who will count them.",
        author="Ines Halloran",
        published_at=datetime(2026, 11, 12, 6, 30, tzinfo=UTC),
    ),
    Article(
        slug="defence-treaty",
        title="Three northern states promise to defend each other",
        summary="The treaty signed in Oster says in nine pages what had been practice for years, and one sentence that is new.",
        author="Tomasz Reve",
        published_at=datetime(2026, 11, 9, 15, 0, tzinfo=UTC),
    ),
    Article(
        slug="grain-corridor",
        title="Grain ships sail again, with insurers aboard",
        summary="Freighters leave Marenka for the first time since August. Not the danger has changed but the price.",
        author="Ada Brandvold",
        published_at=datetime(2026, 11, 5, 9, 45, tzinfo=UTC),
    ),
    Article(
        slug="observers",
        title="What election observers do when they are asked to leave",
        summary="Two days before its vote Orvany sent sixty of them home. Most are still counting, from afar.",
        author="Ines Halloran",
        published_at=datetime(2026, 10, 30, 12, 15, tzinfo=UTC),
    ),
)

BY_SLUG: Final = {article.slug: article for article in ARTICLES}
