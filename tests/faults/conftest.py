"""A blog on a real database for the checker's own tests, and stacks to break."""

from tests.moderation.services.conftest import blog, models
from tests.packaging.conftest import port, start

__all__ = ["blog", "models", "port", "start"]
