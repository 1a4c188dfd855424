"""The doors: protocols of other services at the paths where their clients look for them.

A door reads its key where its protocol has it, answers every error in its protocol's own shape, and holds what is late by its
protocol's own word for it. What a door lets in is judged and stored like any comment.
"""

AKISMET = "akismet"
CORAL = "coral"
OPENAI = "openai"
PERSPECTIVE = "perspective"
WORDPRESS = "wordpress"
NAMES = frozenset({AKISMET, CORAL, OPENAI, PERSPECTIVE, WORDPRESS})
"""Blueprints that find out by themselves who asks (``api.doors.entrance``)."""
