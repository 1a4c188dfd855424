"""One running stack per database for all journeys."""

from tests.faults.conftest import stack

__all__ = ["stack"]
