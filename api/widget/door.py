"""What the pages without JavaScript have in common: no cookie and no key, a language, a limit, and faults that a person can read.

Nothing here acts because of who the browser is: a form carries a sealed note of the page it belongs to, and an author's page is
opened by its address alone. So there is nothing that another site's page could make a browser do on somebody's behalf.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, make_response, render_template, request

from api import limits, pages
from api.context import context
from api.widget import texts
from moderation.models import Site
from moderation.services import sites
from moderation.services.sites import origin_of

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; img-src 'self'"
    ),
    # An author's page has its secret in the address.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

blp = Blueprint("pages", "api.widget", template_folder="templates")


@dataclass(frozen=True, slots=True)
class Place:
    """The site of a page, as much of it as outlives the session."""

    id: UUID
    name: str
    title: str
    language: str
    origins: tuple[str, ...]

    def holds(self, url: str) -> bool:
        """Tell whether an address is a page of the site."""
        return origin_of(url) in self.origins


def place(name: str, rule: limits.Rule = limits.READER) -> Place:
    """Return a site by its name and count the request against the address it came from; raises NotFound and Problem (429)."""
    here = context()
    with here.runtime.database.reading() as session:
        found = place_of(sites.find(session, name))
    here.limits.spend(rule, f"{found.id.hex}:{here.limits.caller()}")
    g.language = texts.chosen(found.language)
    return found


def place_of(site: Site) -> Place:
    """Return a site as a page needs it."""
    return Place(site.id, site.name, site.title, site.language, tuple(site.origins))


def spend(site_id: UUID | None, *, writes: bool = False) -> None:
    """Count the request against the reader's address; raises Problem (429)."""
    here = context()
    whose = f"{site_id.hex if site_id else ''}:{here.limits.caller()}"
    here.limits.spend(limits.READER, whose)
    if writes:
        here.limits.spend(limits.AUTHOR, whose)


def page(template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page with what every page needs."""
    language = g.get("language") or texts.chosen()
    settings = context().runtime.settings
    values = {
        "t": texts.texts(language),
        "language": language,
        "public_url": settings.public_url,
        "mails": settings.smtp_url is not None,
        "count": lambda number: texts.count(number, language),
        **values,
    }
    return make_response(render_template(f"widget/{template}", **values), status)


@blp.after_request
def _headers(answer: Response) -> Response:
    return pages.with_headers(answer, HEADERS)


@blp.errorhandler(Exception)
def _fault(error: Exception) -> Response:
    problem = pages.problem_of(error, named=False)
    if request.path.endswith((".atom", ".json")):
        return problem.response()
    return pages.fault(problem, page)
