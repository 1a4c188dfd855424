"""What a doctor says of one thing."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing is: its name, whether it is well, and a few words: what to do about it where it is not."""

    name: str
    level: Level
    detail: str
