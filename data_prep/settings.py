"""How a data set is prepared."""

from __future__ import annotations

import dataclasses

from data_prep import faces, quality, shards, video


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

    span: video.Span = video.WHOLE
    holdout: float = 0.1
    face: faces.FaceSettings = faces.FaceSettings()
    quality: quality.QualitySettings = quality.QualitySettings()
    file_format: str = shards.FORMATS[0]
