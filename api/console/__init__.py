"""The moderators' console: pages made on the server, which work without script and are quicker with it.

``blp`` has all pages: ``entrance`` and ``desk`` hang theirs on the door's blueprint as they are imported.
"""

from api.console import desk, entrance
from api.console.door import blp, identify

__all__ = ["blp", "desk", "entrance", "identify"]
