"""How fast one author sends comments. Unit: comments within five minutes, this one included. Cost: nothing, the caller has
counted.
"""

from typing import Final

from moderation.signals.facts import AuthorFacts

WINDOW_SECONDS: Final = 300


def measure(author: AuthorFacts) -> int:
    """Return the author's comments of the last ``WINDOW_SECONDS``; at least 1, because this one is among them."""
    return max(1, author.recent)
