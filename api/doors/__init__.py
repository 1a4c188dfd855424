"""The doors: protocols of other services at the paths where their clients look for them.

A door reads its key where its protocol has it, answers every error in its protocol's own shape, and holds what is late by its
protocol's own word for it. What a door lets in is judged and stored like any comment.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

AKISMET = "akismet"
CORAL = "coral"
OPENAI = "openai"
PERSPECTIVE = "perspective"
WORDPRESS = "wordpress"
NAMES = frozenset({AKISMET, CORAL, OPENAI, PERSPECTIVE, WORDPRESS})
"""Blueprints that find out by themselves who asks (``api.doors.entrance``)."""

PATHS: Final = ("/1.1/", "/1.2/", "/coral/", "/v1/moderations", "/v1alpha1/")
"""What the doors' paths begin with."""

_SLASHES: Final = re.compile("//+")


class OneSlash:
    """Reads ``https://ours//v1alpha1//comments:analyze`` as what was meant: addresses are entered with a slash at their end.

    Only at the doors, because elsewhere a page's address is part of a path, with two slashes in it.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("PATH_INFO", "")
        if "//" in path and (merged := _SLASHES.sub("/", path)).startswith(PATHS):
            environ["PATH_INFO"] = merged
        return self._app(environ, start_response)
