"""How much one caller may ask: counted in Redis for all processes, in memory where Redis is away.

Secret keys get 600 requests a second, which only stops a loop gone wild; a process tells Redis of a busy key's requests by the
score, because a round trip costs a fifth of what storing a comment does. Readers' browsers get as much as a person can use.
All Redis use of one request ends within 100 ms: time-outs are short, the first failure sends the rest of the request to the
memory's counters, and so does time already spent; the breaker makes even that rare (``moderation.breaker``).
"""

import math
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_network

import structlog
from flask import Response, g, request
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from api.errors import Problem
from moderation.breaker import Open
from moderation.models import KeyKind
from moderation.runtime import Runtime
from moderation.services.keys import Principal
from moderation.services.privacy import keyed_hash

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT = 0.025
TIMEOUT = 0.04
"""Seconds for one call to Redis."""

BUDGET = 0.1
"""Seconds for all calls to Redis of one request; a call is begun only if its worst case still fits."""

FAILURES = (RedisError, OSError)
"""What a Redis that is away or hangs raises."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A limit, its public name and whether its window moves (exact, for few requests) or is fixed (cheap, for many).

    So many requests a process counts by itself before it tells the others and hears of theirs, where ``untold`` is not 0: with n
    processes a second may hold as many more, n times.
    """

    name: str
    item: RateLimitItem
    moving: bool = True
    untold: int = 0


KEY = Rule("key", RateLimitItemPerSecond(600), moving=False, untold=75)
BROWSERS = Rule("publishable-key", RateLimitItemPerSecond(100), moving=False)
READER = Rule("address", RateLimitItemPerMinute(120))
AUTHOR = Rule("author", RateLimitItemPerMinute(10))
PIECES = Rule("pieces", RateLimitItemPerSecond(50), moving=False)
"""Fragments and feeds: a blog's server fetches them for all of its readers from one address."""
NUDGES = Rule("nudges", RateLimitItemPerMinute(20))
STRANGER = Rule("failed-keys", RateLimitItemPerMinute(30))
"""Wrong keys from one address."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a request left of a limit: ``remaining`` requests, and ``reset`` seconds until there are more."""

    rule: Rule
    remaining: int
    reset: int


class Limits:
    """Counts requests; one object per process."""

    def __init__(self, runtime: Runtime) -> None:
        self._secret = runtime.settings.secret
        self._breaker = runtime.breaker
        self._memory = Counters(MemoryStorage())
        self._here = ThisSecond()
        self._shared: Counters | None = None
        if runtime.settings.redis_url:
            self._shared = Counters(
                RedisStorage(
                    runtime.settings.redis_url,
                    key_prefix=f"{runtime.settings.redis_prefix}limit",
                    socket_connect_timeout=CONNECT_TIMEOUT,
                    socket_timeout=TIMEOUT,
                    retry=None,  # type: ignore[arg-type]  # redis-py's own word for: do not try again
                    health_check_interval=0,
                )
            )

    def spend(self, rule: Rule, who: str) -> None:
        """Count one request of ``who``; raises Problem (429, with Retry-After) where the limit is reached."""
        allowed, counted = self._count(rule, who)
        g.limits = [*g.get("limits", []), counted]
        if not allowed:
            raise Problem(
                429, "too-many-requests", f"At most {rule.item}; please wait.", headers={"Retry-After": str(counted.reset)}
            )

    def caller(self) -> str:
        """Return who sends the request at hand, as a keyed hash of the address; IPv6 by the network that one customer gets."""
        address = request.remote_addr or ""
        if ":" in address:
            address = str(ip_network(f"{address.partition('%')[0]}/56", strict=False))
        return keyed_hash(self._secret, b"limit", address).hex()

    def _count(self, rule: Rule, who: str) -> tuple[bool, Counted]:
        if not rule.untold:
            return self._told(rule, who, 1)
        untold, used = self._here.count(rule, who)
        if not untold:
            return True, Counted(rule, max(0, rule.item.amount - used), rule.item.get_expiry())
        allowed, counted = self._told(rule, who, untold)
        self._here.heard(rule, who, rule.item.amount - counted.remaining, full=not allowed)
        return allowed, counted

    def _told(self, rule: Rule, who: str, amount: int) -> tuple[bool, Counted]:
        shared = self._shared
        if shared is not None and g.get("redis_left", BUDGET) >= CONNECT_TIMEOUT + TIMEOUT:
            began = time.monotonic()
            try:
                found = self._breaker.call(lambda: shared.count(rule, who, amount), failures=FAILURES)
            except (*FAILURES, Open) as error:
                g.redis_left = 0.0
                log.debug("limits_in_memory", error=type(error).__name__)
            else:
                g.redis_left = g.get("redis_left", BUDGET) - (time.monotonic() - began)
                return found
        return self._memory.count(rule, who, amount)


@dataclass(slots=True)
class _Use:
    """What is known of a key's requests: those of all processes that were told, and this one's that were not.

    Where the limit is reached (``full``) each one is told: only the store knows when its window ends, which is not our second.
    """

    told: int = 0
    untold: int = 0
    full: bool = False


class ThisSecond:
    """What a process knows of the requests in the present second of the clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._second = 0
        self._uses: defaultdict[tuple[str, str], _Use] = defaultdict(_Use)

    def count(self, rule: Rule, who: str) -> tuple[int, int]:
        """Count a request; returns how many are to be told now, 0 for none, and how many there were as far as is known."""
        second = int(time.time())
        with self._lock:
            if second != self._second:
                self._second, self._uses = second, defaultdict(_Use)
            use = self._uses[rule.name, who]
            use.untold += 1
            telling = 0
            if use.full or use.untold > rule.untold:
                telling, use.untold = use.untold, 0
            return telling, use.told + use.untold

    def heard(self, rule: Rule, who: str, told: int, *, full: bool) -> None:
        """Note how many requests of all processes were told in the store's window, and whether that is the limit."""
        with self._lock:
            use = self._uses[rule.name, who]
            use.told, use.full = told, full


class Counters:
    """The counters of one store; each count is one round trip."""

    def __init__(self, storage: MemoryStorage | RedisStorage) -> None:
        self._storage = storage
        self._moving = MovingWindowRateLimiter(storage)

    def count(self, rule: Rule, who: str, amount: int = 1) -> tuple[bool, Counted]:
        """Count a request, or several where the window is fixed; returns whether it is within the limit, and what is left."""
        item = rule.item
        if not rule.moving:
            used = self._storage.incr(item.key_for(rule.name, who), item.get_expiry(), amount)
            return used <= item.amount, Counted(rule, max(0, item.amount - used), item.get_expiry())
        allowed = self._moving.hit(item, rule.name, who)
        if allowed:
            # How much is left would be a second round trip, for an answer that nobody waits for.
            return True, Counted(rule, -1, item.get_expiry())
        window = self._moving.get_window_stats(item, rule.name, who)
        return False, Counted(rule, 0, max(1, math.ceil(window.reset_time - time.time())))


def enforce(limits: Limits, principal: Principal) -> None:
    """Count the request at hand against its key and, from a browser, against its address."""
    if principal.kind is KeyKind.PUBLISHABLE:
        limits.spend(BROWSERS, principal.key_id.hex)
        limits.spend(READER, f"{principal.site_id.hex}:{limits.caller()}")
    else:
        limits.spend(KEY, principal.key_id.hex)


def enforce_on_author(limits: Limits, principal: Principal) -> None:
    """Count a comment that comes from a browser against its author, of whom the address is all that is known."""
    if principal.kind is KeyKind.PUBLISHABLE:
        limits.spend(AUTHOR, f"{principal.site_id.hex}:{limits.caller()}")


def announce(response: Response) -> Response:
    """Say which limits the request was counted against and what is left of them (draft-ietf-httpapi-ratelimit-headers)."""
    counted: list[Counted] = g.get("limits", [])
    if counted:
        policies = [f'"{each.rule.name}";q={each.rule.item.amount};w={each.rule.item.get_expiry()}' for each in counted]
        left = [f'"{each.rule.name}";r={each.remaining};t={each.reset}' for each in counted if each.remaining >= 0]
        response.headers["RateLimit-Policy"] = ", ".join(policies)
        if left:
            response.headers["RateLimit"] = ", ".join(left)
    return response
