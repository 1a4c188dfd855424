"""docker-compose.yml as the tests read it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("api", "moderate", "deliver", "relay")
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
"""Name, then ``?`` with a message where it must be set, or ``-`` with a default."""


def read(name: str = "docker-compose.yml") -> dict[str, Any]:
    """Return the file with its anchors resolved and its variables as they are."""
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return found


def filled(text: str, variables: Mapping[str, str]) -> str:
    """Return a value with ``${NAME}`` replaced, and ``$$`` by a dollar sign, as Compose does it."""
    return VARIABLE.sub(lambda match: variables.get(match[1], match[3]), text).replace("$$", "$")
