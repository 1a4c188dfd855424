"""What a request reaches for: the runtime of its process and what the process keeps beside it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

from flask import current_app
from flask_smorest import Blueprint

from api.limits import Limits
from api.parsing import Parser
from api.scoring import GuardedModels
from api.streams import Hub
from api.views import Views
from moderation.outbound.http import Guard
from moderation.ringing import Ringer
from moderation.runtime import Runtime

KEY = "tidegate"


@dataclass(frozen=True, slots=True)
class Context:
    """One process's services."""

    runtime: Runtime
    limits: Limits
    hub: Hub
    models: GuardedModels
    guard: Guard
    ringer: Ringer
    views: Views
    behind: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, thread_name_prefix="behind"))
    """Finishes what a door has to store although its caller did not wait for it; makes no thread before it is needed."""

    seen_well: set[str] = field(default_factory=set)
    """What was found in order and stays so while the process runs."""

    def end(self) -> None:
        """Let streams and waiters go, and end what runs beside the requests."""
        self.hub.end()
        self.behind.shutdown(wait=True)
        self.models.close()
        self.ringer.end()
        self.views.end()


def context() -> Context:
    """Return the context of the application at hand."""
    return cast("Context", current_app.extensions[KEY])


class _Blueprint(Blueprint):
    """A blueprint whose schemas are made once: for a class, one would be made with every request."""

    def arguments(self, schema: Any, **options: Any) -> Any:
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)


def blueprint(name: str, prefix: str, description: str) -> Blueprint:
    """Return a blueprint of version 1 that reads bodies with our parser."""
    made = _Blueprint(name, name, url_prefix=f"/v1{prefix}", description=description)
    made.ARGUMENTS_PARSER = Parser()
    return made
