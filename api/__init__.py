"""The HTTP face of Tidegate: routes, schemas and limits; everything that decides anything is in ``moderation``."""
