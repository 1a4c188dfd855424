"""Who stands at a door: a key from wherever the door's protocol has it, with the same limits as everywhere."""

from api import auth, limits
from api.context import context
from moderation.services.keys import BadKey, Principal


def enter(shown: str | None) -> Principal:
    """Return who holds the key and count the request; raises BadKey, and Problem for a limit or a key of another kind."""
    here = context()
    try:
        found = auth.recognise(here.runtime, shown or "")
    except BadKey:
        here.limits.spend(limits.STRANGER, here.limits.caller())
        raise
    limits.enforce(here.limits, found)
    auth.check(found)
    return found
