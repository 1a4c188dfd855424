"""What can go wrong in a use case, in the domain's words; the edge maps these to HTTP."""

from typing import Any


class TidegateError(Exception):
    """The root of the domain's errors."""


class NotFound(TidegateError):
    """Nothing of that kind has that id in this site."""

    def __init__(self, kind: str, key: object) -> None:
        self.kind = kind
        self.key = key
        super().__init__(f"no {kind} {key}")


class UnknownId(NotFound):
    """The text is not an id of that kind."""


class Conflict(TidegateError):
    """Someone was faster: the caller's picture is out of date.

    ``state`` holds what the caller needs to decide again (ids, numbers and reasons, never text).
    """

    def __init__(self, detail: str, **state: Any) -> None:
        self.detail = detail
        self.state = state
        super().__init__(detail)


class StaleRevision(Conflict):
    """The comment was revised after the caller read it."""


class AlreadyDecided(Conflict):
    """Another decision was recorded first."""


class ClaimedByAnother(Conflict):
    """A colleague holds the case."""


class NotUndoable(Conflict):
    """Only the newest decision on a comment can be undone, once."""


class IdempotencyMismatch(TidegateError):
    """The idempotency key was used before with another request."""


class Refused(TidegateError):
    """The request is well formed, but the site's settings or the state of the thing do not allow it.

    ``field`` is a JSON pointer to the part at fault, ``code`` a stable word for scripts.
    """

    def __init__(self, code: str, detail: str, field: str = "") -> None:
        self.code = code
        self.detail = detail
        self.field = field
        super().__init__(detail)


class LeaseLost(TidegateError):
    """The lease ran out and another worker may hold the job: nothing of this unit of work may be stored."""
