"""What a site learnt, at work: the shared scores as its own layers see them. What is stored as scores stays the models' own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import structlog

from moderation.models import Subject
from moderation.scoring.layer import BadLayer, Layer

if TYPE_CHECKING:
    # Whoever reads what is in force need not have room for the models.
    from moderation.services.asking import Scored

log = structlog.get_logger(__name__)

TOXICITY: Final = "toxicity"
"""The attribute that a site sets right."""
LAYER: Final = "layer"
"""Key of the layer in what a version of a layer holds."""


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers in force at a site, and the names of their versions by subject."""

    spam: Layer | None = None
    toxicity: Layer | None = None
    names: Mapping[Subject, str] | None = None

    @classmethod
    def of(cls, versions: Mapping[Subject, tuple[str, Mapping[str, Any]]]) -> "Layers":
        """Read the layers from the name and the content of the versions in force."""
        if not versions:
            return NO_LAYERS
        return cls(
            spam=_layer(versions, Subject.SPAM_LAYER),
            toxicity=_layer(versions, Subject.TOXICITY_LAYER),
            names={subject: name for subject, (name, _) in versions.items()},
        )

    def apply(self, scored: "Scored") -> tuple["Scored", dict[str, str]]:
        """Return the site's own scores, and the versions of the layers that took part, by subject.

        A layer over another version of a model than the one that scored takes no part: it would mean nothing.
        """
        if self.names is None:
            return scored, {}
        toxicity_model, _, spam_model = scored.model_version.partition(" ")
        used: dict[str, str] = {}
        if self.spam is not None and self.spam.base == spam_model and scored.spam is not None and scored.read is not None:
            scored = replace(scored, spam=self.spam(scored.spam, scored.read))
            used[str(Subject.SPAM_LAYER)] = self.names[Subject.SPAM_LAYER]
        values = scored.values or {}
        if self.toxicity is not None and self.toxicity.base == toxicity_model and TOXICITY in values:
            scored = replace(scored, values={**values, TOXICITY: self.toxicity(values[TOXICITY])})
            used[str(Subject.TOXICITY_LAYER)] = self.names[Subject.TOXICITY_LAYER]
        return scored, used


NO_LAYERS: Final = Layers()
"""What a site has that learnt nothing, or nothing that is better."""


def _layer(versions: Mapping[Subject, tuple[str, Mapping[str, Any]]], subject: Subject) -> Layer | None:
    if subject not in versions:
        return None
    stored = versions[subject][1].get(LAYER)
    if stored is None:
        return None
    return _read(stored["shape"], stored["base"], stored["weights"])


@lru_cache(maxsize=256)
def _read(shape: str, base: str, weights: str) -> Layer | None:
    """Unpack a layer once a process: versions never change. One of another release's shape takes no part, and is said once."""
    try:
        return Layer.read({"shape": shape, "base": base, "weights": weights})
    except BadLayer as error:
        log.warning("layer_unreadable", error=str(error))
        return None
