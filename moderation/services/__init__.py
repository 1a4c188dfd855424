"""Use cases, one verb-ful file each: they take a session and plain values, and never commit.

Whoever opened the transaction (``with database.transaction() as session``) says what belongs together.
"""
