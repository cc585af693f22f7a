"""Settings of the face pipeline."""

from __future__ import annotations

import dataclasses

from data_prep import weights
from data_prep.records import MIN_FACE_SIZE
from data_prep.segmentation.mask_source import MaskSource
from data_prep.tracking.settings import TrackingSettings


@dataclasses.dataclass(frozen=True)
class FaceSettings:
    """Settings of finding, tracking and masking faces.

    Attributes:
      min_face_size: smallest face that the detector looks for, frame pixels.
      min_presence: least probability of being a face according to the mesh, 0..1.
      detect_every: the detector looks at each n-th frame, and at more where faces come and go.
      detect_all: whether the detector looks at every frame, the reference for `detect_every`.
      batch: frames per detector call. Up to `2 * batch + 9` times `detect_every` frames are in
        memory.
      tracking: association and smoothing.
      masks: source of the face mask.
    """

    min_face_size: int = MIN_FACE_SIZE
    min_presence: float = 0.5
    detect_every: int = 8
    detect_all: bool = False
    batch: int = 4
    tracking: TrackingSettings = TrackingSettings()
    masks: MaskSource = MaskSource.MESH

    @property
    def models(self) -> tuple[weights.WeightFile, ...]:
        """Weights of every model that these settings use to find, track and crop faces."""
        always = (*weights.MTCNN.values(), weights.FACE_LANDMARKER, weights.DLIB_RESNET)
        return (*always, *self.masks.weights)
