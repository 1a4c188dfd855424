"""The moderators' console: pages made on the server, which work without script and are quicker with it.

``blp`` has all pages: the other modules hang theirs on the door's blueprint as they are imported.
"""

from api.console import account, desk, entrance, learning, letter, notices, outlook, people, rooms, rules, several, sweeps
from api.console.door import blp, identify

__all__ = [
    "account",
    "blp",
    "desk",
    "entrance",
    "identify",
    "learning",
    "letter",
    "notices",
    "outlook",
    "people",
    "rooms",
    "rules",
    "several",
    "sweeps",
]
