"""Settings of the preparation of a data set."""

from __future__ import annotations

import dataclasses

from data_prep.dataset import identity_card
from data_prep.media import video_reader
from data_prep.pipeline import settings
from data_prep.preparation import crop_filter


@dataclasses.dataclass(frozen=True)
class PrepareSettings:
    """Which part of the videos is used, and how.

    Attributes:
      span: part of each video that is used.
      holdout: share of each video's time, at its end, that is never trained on.
      face: how faces are found.
      quality: limits beyond which crops are not worth training on.
      file_format: format of the shards, one of `identity_card.FORMATS`.
    """

    span: video_reader.Span = video_reader.WHOLE
    holdout: float = 0.1
    face: settings.FaceSettings = settings.FaceSettings()
    quality: crop_filter.QualitySettings = crop_filter.QualitySettings()
    file_format: str = identity_card.FORMATS[0]
