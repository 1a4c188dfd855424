"""Who stands at a door: a key from wherever the door's protocol has it, or a signature, with the same limits as everywhere."""

from collections.abc import Iterable
from uuid import UUID

from api import auth, limits
from api.context import context
from api.errors import Problem
from moderation.services import signing
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


def enter_signed(site_name: str, *, door: str, body: bytes, signatures: Iterable[str]) -> UUID:
    """Return the site whose secret signed the body and count the request; raises Problem, the same for a site that is none."""
    here = context()
    with here.runtime.database.reading() as session:
        found = signing.live(session, site_name, door=door, secret=here.runtime.settings.secret)
    if found is None or not signing.is_signed(body, signatures, found[1]):
        here.limits.spend(limits.STRANGER, here.limits.caller())
        raise Problem(401, "bad-signature", "The request is not signed with a secret that we keep for this site.")
    here.limits.spend(limits.KEY, found[0].hex)
    return found[0]
