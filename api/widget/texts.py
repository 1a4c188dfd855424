"""Which of our languages a reader gets, and what of the texts the script needs (``moderation.services.wording`` has them)."""

from typing import Final

from flask import request

from moderation.services.wording import LANGUAGES, Texts, count, known, said, span, texts

__all__ = ["FOR_MAIL", "FOR_THE_SCRIPT", "LANGUAGES", "Texts", "chosen", "count", "said", "span", "texts"]

FOR_THE_SCRIPT: Final = ("page", "form", "own", "nudge", "offline", "report")
"""The parts that the script needs; what became of a comment it is told in whole sentences."""

FOR_MAIL: Final = frozenset({"mail", "mail_how", "mail_known"})
"""What the form says where there is a mail server."""


def chosen(site_language: str = "en") -> str:
    """Return the language of the answer at hand: the one that ``lang`` asks for, else the browser's, the site's, or English."""
    asked = known(request.args.get("lang") or request.form.get("lang"))
    return asked or request.accept_languages.best_match(LANGUAGES) or known(site_language) or LANGUAGES[0]
