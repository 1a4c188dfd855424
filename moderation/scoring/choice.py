"""Which model judges a site's comments: a part of the site's settings, so that it is versioned and rolled back like them.

A site may name a model, the engine that runs it and the version it has to have. It may name a second one beside it, whose
scores are stored and decide nothing. What a site does not say, the installation decides (`moderation.scoring.catalog`). The
value knows no library, so that reading a site's settings never loads a model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BUNDLED: Final = "bundled"
"""Name of the model that comes with the package."""

ENGINES: Final = ("onnx", "detoxify")
"""What can run a model: ONNX Runtime on the exported int8 file, or Detoxify itself on torch."""

SETTING: Final = "models"
"""Key of the choice in a site's settings."""

LANGUAGES: Final = {"multilingual": ("en", "fr", "es", "it", "pt", "tr", "ru")}
"""Languages that a model was trained on, where they are more than English."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_VERSION: Final = re.compile(r"[a-z][a-z0-9-]{0,63}\+[0-9a-f]{8}(-[a-z]+)?")


class BadChoice(ValueError):
    """The settings name no model that could be meant; the message says which part is wrong."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model by name, the engine that runs it, and the version it has to have (None: the one that is installed)."""

    name: str = BUNDLED
    engine: str = "onnx"
    version: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can be no model; raises `BadChoice`."""
        if not _NAME.fullmatch(self.name):
            raise BadChoice(f"{self.name!r} is not a model's name")
        if self.engine not in ENGINES:
            raise BadChoice(f"{self.engine!r} is none of the engines {', '.join(ENGINES)}")
        if self.version is not None and not _VERSION.fullmatch(self.version):
            raise BadChoice(f"{self.version!r} is not a model's version, such as bundled-1+3f9a2c1b")
        if self.name == BUNDLED and self.engine != "onnx":
            raise BadChoice("the bundled model runs on the engine onnx only")

    def as_json(self) -> dict[str, str]:
        """Return the form in which settings store it."""
        return {"name": self.name, "engine": self.engine, **({"version": self.version} if self.version else {})}

    @classmethod
    def that_gave(cls, version: str, engine: str) -> "Chosen":
        """Return the choice of exactly the model whose scores have this version; raises `BadChoice` for what is no version."""
        name = version.partition("+")[0]
        return cls(BUNDLED if name.startswith(f"{BUNDLED}-") else name, engine, version)

    @classmethod
    def read(cls, stored: Any) -> "Chosen":
        """Read what ``as_json`` returned; raises `BadChoice`."""
        if not isinstance(stored, Mapping) or not stored.keys() <= {"name", "engine", "version"}:
            raise BadChoice("a model is chosen by its name, engine and version")
        if not all(isinstance(value, str) for value in stored.values()):
            raise BadChoice("a model's name, engine and version are texts")
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class SiteModels:
    """What a site chose: ``live`` decides (None: the installation's choice); ``beside`` is only written down."""

    live: Chosen | None = None
    beside: Chosen | None = None

    def as_json(self) -> dict[str, dict[str, str]]:
        """Return the form in which settings store it under `SETTING`; empty where nothing is chosen."""
        both = {"live": self.live, "beside": self.beside}
        return {role: chosen.as_json() for role, chosen in both.items() if chosen is not None}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "SiteModels":
        """Read a site's choice from its settings; raises `BadChoice`."""
        stored = settings.get(SETTING) or {}
        if not isinstance(stored, Mapping) or not stored.keys() <= {"live", "beside"}:
            raise BadChoice(f"{SETTING} has the parts live and beside")
        return cls(**{role: Chosen.read(chosen) for role, chosen in stored.items()})


BY_THE_INSTALLATION: Final = SiteModels()
"""The choice of a site that made none."""
