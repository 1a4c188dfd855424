"""How much one caller may ask: counted in Redis for all processes, in memory where Redis is away.

Secret keys get 600 requests a second, which only stops a loop gone wild. Readers' browsers get as much as a person can use.
Redis costs a request at most 100 ms in all, and a broken Redis next to nothing (``moderation.breaker``).
"""

import math
import time
from dataclasses import dataclass

import structlog
from flask import Response, g, request
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter
from redis.exceptions import RedisError

from api.errors import Problem
from moderation.breaker import Open
from moderation.doorbell import CONNECT_TIMEOUT, TIMEOUT
from moderation.models import KeyKind
from moderation.runtime import Runtime
from moderation.services.keys import Principal

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit, its public name and whether its window moves (exact, for few requests) or is fixed (cheap, for many)."""

    name: str
    item: RateLimitItem
    moving: bool = True


KEY = Rule("key", RateLimitItemPerSecond(600), moving=False)
BROWSERS = Rule("publishable-key", RateLimitItemPerSecond(100), moving=False)
READER = Rule("address", RateLimitItemPerMinute(120))
AUTHOR = Rule("author", RateLimitItemPerMinute(10))
STRANGER = Rule("failed-keys", RateLimitItemPerMinute(30))
"""Wrong keys from one address."""


class Limits:
    """Counts requests; one object per process."""

    def __init__(self, runtime: Runtime) -> None:
        self._breaker = runtime.breaker
        self._memory = _strategies(MemoryStorage())
        self._shared: dict[bool, RateLimiter] | None = None
        if runtime.settings.redis_url:
            storage = RedisStorage(
                runtime.settings.redis_url,
                key_prefix=f"{runtime.settings.redis_prefix}limit",
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=TIMEOUT,
            )
            self._shared = _strategies(storage)

    def spend(self, rule: Rule, who: str) -> None:
        """Count one request of ``who``; raises Problem (429, with Retry-After) where the limit is reached."""
        if self._shared is not None:
            shared = self._shared[rule.moving]
            try:
                self._decide(shared, rule, who, self._breaker.call(lambda: shared.hit(rule.item, who), failures=FAILURES))
            except (*FAILURES, Open) as error:
                log.debug("limits_in_memory", error=type(error).__name__)
            else:
                return
        memory = self._memory[rule.moving]
        self._decide(memory, rule, who, memory.hit(rule.item, who))

    def _decide(self, strategy: RateLimiter, rule: Rule, who: str, allowed: bool) -> None:  # noqa: FBT001
        g.limits = [*g.get("limits", []), rule]
        if allowed:
            return
        stats = strategy.get_window_stats(rule.item, who)
        wait = max(1, math.ceil(stats.reset_time - time.time()))
        headers = {"Retry-After": str(wait), "RateLimit": f'"{rule.name}";r=0;t={wait}'}
        raise Problem(429, "too-many-requests", f"At most {rule.item}; please wait.", headers=headers)


FAILURES = (RedisError, StorageError, OSError)


def _strategies(storage: MemoryStorage | RedisStorage) -> dict[bool, RateLimiter]:
    return {True: MovingWindowRateLimiter(storage), False: FixedWindowRateLimiter(storage)}


def enforce(limits: Limits, principal: Principal) -> None:
    """Count the request at hand against its key and, from a browser, against its address."""
    if principal.kind is KeyKind.PUBLISHABLE:
        limits.spend(BROWSERS, principal.key_id.hex)
        limits.spend(READER, f"{principal.site_id.hex}:{request.remote_addr}")
        if request.method == "POST":
            limits.spend(AUTHOR, f"{principal.site_id.hex}:{request.remote_addr}")
    else:
        limits.spend(KEY, principal.key_id.hex)


def announce(response: Response) -> Response:
    """Say which limits the request was counted against (RateLimit-Policy)."""
    counted: list[Rule] = g.get("limits", [])
    if counted:
        policies = [f'"{rule.name}";q={rule.item.amount};w={rule.item.get_expiry()}' for rule in counted]
        response.headers["RateLimit-Policy"] = ", ".join(dict.fromkeys(policies))
    return response
