"""The composition root: everything a process needs, built once from the settings, after any fork."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis import Redis

from moderation.breaker import Breaker
from moderation.clock import Clock, SystemClock
from moderation.config import Settings
from moderation.database import Database, Role
from moderation.doorbell import Doorbell, connect, doorbell

if TYPE_CHECKING:
    from moderation.scoring.catalog import Shelf
    from moderation.scoring.spam import SpamScorer


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the API, the workers and the command line stand on; ``redis`` is None in an installation without Redis."""

    settings: Settings
    database: Database
    clock: Clock
    breaker: Breaker
    redis: Redis | None
    doorbell: Doorbell

    @classmethod
    def build(cls, settings: Settings, *, role: Role, clock: Clock | None = None) -> "Runtime":
        """Connect nothing yet: the database and Redis are reached on first use, so that a start never hangs on either."""
        breaker = Breaker()
        bell = doorbell(settings.redis_url, breaker, prefix=settings.redis_prefix)
        return cls(
            settings=settings,
            database=Database(settings.database_url, role=role, ring=bell.ring),
            clock=clock or SystemClock(),
            breaker=breaker,
            redis=connect(settings.redis_url) if settings.redis_url else None,
            doorbell=bell,
        )

    def shelf(self, *, torch: bool = True) -> "Shelf":
        """Return the installation's toxicity models; who never asks never pays for the library. See `Shelf` for ``torch``."""
        from moderation.scoring import catalog  # noqa: PLC0415

        return catalog.Shelf(self.settings.models_folder, torch=torch)

    def spam(self) -> "SpamScorer":
        """Return the spam scorer, loaded on first use."""
        from moderation.scoring import catalog  # noqa: PLC0415

        return catalog.spam()

    def close(self) -> None:
        """Close all connections."""
        self.database.dispose()
        if self.redis is not None:
            self.redis.close()
