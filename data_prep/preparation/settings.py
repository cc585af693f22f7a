"""How a data set is prepared."""

from __future__ import annotations

import dataclasses

from data_prep.dataset import identity_card
from data_prep.media import video_reader
from data_prep.pipeline import faces
from data_prep.preparation import crop_filter


@dataclasses.dataclass(frozen=True)
class PrepareSettings:
    """Which part of the videos is used, and how.

    Attributes:
      span: of each video.
      holdout: share of each video's time, at its end, that is never trained on.
      face: how faces are found.
      quality: which crops are not worth training on.
      file_format: of the shards, one of `shards.FORMATS`.
    """

    span: video_reader.Span = video_reader.WHOLE
    holdout: float = 0.1
    face: faces.FaceSettings = faces.FaceSettings()
    quality: crop_filter.QualitySettings = crop_filter.QualitySettings()
    file_format: str = identity_card.FORMATS[0]
