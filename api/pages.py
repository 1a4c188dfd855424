"""What pages for people have in common, the console's and the readers': their headers, and a fault in words."""

from collections.abc import Callable, Mapping

from flask import Response
from marshmallow import ValidationError

from api import errors
from api.errors import Problem


def with_headers(answer: Response, headers: Mapping[str, str]) -> Response:
    """Return a page with the headers that each of its kind has, where it has none of its own."""
    for name, value in headers.items():
        answer.headers.setdefault(name, value)
    return answer


def problem_of(error: Exception, *, named: bool) -> Problem:
    """Return any failure as a problem; ``named`` says to name each field of a form that is at fault."""
    if not isinstance(error, ValidationError):
        return errors.said(error)
    found = errors.pointers(error.messages)
    said = [f"{each['pointer'].lstrip('/')}: {each['detail']}" if named else each["detail"] for each in found]
    return Problem(422, "invalid", " ".join(said))


def fault(problem: Problem, page: Callable[..., Response]) -> Response:
    """Return a problem as a page."""
    answer = page("problem.html", status=problem.status, problem=problem)
    answer.headers.extend(problem.headers)
    return answer
