"""The source of face masks."""

from __future__ import annotations

import enum

from data_prep import weights


class MaskSource(enum.StrEnum):
    """Source of the face mask; settings and cards store its value."""

    MESH = "mesh"
    BISENET = "bisenet"

    @property
    def weights(self) -> tuple[weights.WeightFile, ...]:
        """Weights of the models that this source needs in addition to the face mesh."""
        return (weights.BISENET if self is MaskSource.BISENET else weights.SELFIE_SEGMENTER,)
