"""Perspective's errors: one JSON shape, the sentences that its clients look for, and always something in ``details``.

Clients take the first entry of ``details`` without looking whether there is one, and branch on its ``errorType`` or ``reason``.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import Response

from api.errors import Problem

SERVICE: Final = "commentanalyzer.googleapis.com"
ANALYZER: Final = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
RPC: Final = "type.googleapis.com/google.rpc"
PER_MINUTE: Final = 36_000
"""Requests that a key may make: the 600 a second of every key (``api.limits``)."""

STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}

INVALID_REQUEST: Final = "INVALID_REQUEST"
EMPTY: Final = ("COMMENT_EMPTY", "Comment must be non-empty.")
TOO_LONG: Final = ("COMMENT_TOO_LONG", "Comment text too long.")
NO_ATTRIBUTES: Final = ("NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes")
NO_LANGUAGE: Final = ("LANGUAGE_DETECTION_FAILED", "Unable to detect language")


class Failure(Exception):
    """An answer in Perspective's shape that ends a request."""

    def __init__(
        self, code: int, message: str, details: Sequence[Mapping[str, Any]], headers: Mapping[str, str] | None = None
    ) -> None:
        self.code = code
        self.message = message
        self.details = list(details)
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> Response:
        """Return the answer."""
        status = STATUSES.get(self.code, "UNKNOWN")
        error = {"code": self.code, "message": self.message, "status": status, "details": self.details}
        answer = answered({"error": error})
        answer.status_code = self.code
        answer.headers.update(self.headers)
        return answer


def answered(body: object) -> Response:
    """Return JSON that carries back whatever a client sent, lone surrogates too."""
    return Response(json.dumps(body), content_type="application/json")


def invalid(error_type: str, message: str, **more: Any) -> Failure:
    """Refuse what the comment analyzer itself refuses."""
    return Failure(HTTPStatus.BAD_REQUEST, message, [{"@type": ANALYZER, "errorType": error_type, **more}])


def malformed(field: str, message: str) -> Failure:
    """Refuse what is no such request at all."""
    violation = {"field": field, "description": message}
    return Failure(HTTPStatus.BAD_REQUEST, message, [{"@type": f"{RPC}.BadRequest", "fieldViolations": [violation]}])


def not_in_language(name: str, asked: Sequence[str], detected: Sequence[str], languages: Sequence[str]) -> Failure:
    """Refuse an attribute that the text's languages do not have."""
    return invalid(
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        f"Attribute {name} does not support request languages: {', '.join(languages)}",
        languageNotSupportedByAttributeError={
            "attribute": name,
            "detectedLanguages": list(detected),
            "requestedLanguages": list(asked),
        },
    )


def wrong_key() -> Failure:
    """Refuse a key that does not open this door."""
    return Failure(
        HTTPStatus.BAD_REQUEST, "API key not valid. Please pass a valid API key.", [_info("API_KEY_INVALID", service=SERVICE)]
    )


def no_key() -> Failure:
    """Refuse who shows no key."""
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API."
    )
    return Failure(HTTPStatus.FORBIDDEN, message, [_info("CREDENTIALS_MISSING", service=SERVICE)])


def try_again(message: str = "The service is currently unavailable.") -> Failure:
    """Say that there is no score now: a client that is told so asks again, or holds the comment."""
    wait = {"@type": f"{RPC}.RetryInfo", "retryDelay": "1s"}
    return Failure(HTTPStatus.SERVICE_UNAVAILABLE, message, [wait], {"Retry-After": "1"})


def of_problem(problem: Problem, consumer: str) -> Failure:
    """Say any other failure in this shape, with its headers."""
    match problem.status:
        case 429:
            message = (
                "Quota exceeded for quota metric 'Analyze requests' and limit 'Analyze requests per minute' "
                f"of service '{SERVICE}' for consumer '{consumer}'."
            )
            info = _info(
                "RATE_LIMIT_EXCEEDED",
                quota_metric=f"{SERVICE}/analyze_requests",
                quota_limit="AnalyzeRequestsPerMinutePerProject",
                quota_limit_value=str(PER_MINUTE),
                quota_location="global",
                consumer=consumer,
                service=SERVICE,
            )
            return Failure(problem.status, message, [info], problem.headers)
        case 401 | 403:
            return wrong_key()
        case 503:
            unavailable = try_again()
            return Failure(unavailable.code, unavailable.message, unavailable.details, {**unavailable.headers, **problem.headers})
    info = _info(problem.code.replace("-", "_").upper())
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error encountered.", [info], problem.headers)
    code = problem.status if problem.status in STATUSES else HTTPStatus.BAD_REQUEST
    return Failure(code, problem.detail, [info], problem.headers)


def _info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": f"{RPC}.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}
