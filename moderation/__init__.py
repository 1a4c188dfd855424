"""The domain of Tidegate: what a comment is, how it is judged, and who hears of it.

Nothing in here knows Flask or marshmallow; the HTTP edge is the package ``api``, the processes that
work in the background are in ``workers``. Both call the use cases in ``moderation.services``.
"""
