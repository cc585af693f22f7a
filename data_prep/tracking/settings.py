"""Settings of tracking, and the identity model that the tracker may use."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class SmoothingSettings:
    """Settings of smoothing. Lengths are in face heights, whatever the size of the face.

    Attributes:
      noise: standard deviation of a good measurement (0.05 px in a face of 160 px); the noise of a
        track, up to ten times this, is estimated from its quietest parts.
      gate: distance of a measurement from its prediction, in standard deviations, from which it is
        not believed.
    """

    noise: float = 0.0003
    gate: float = 6.0


@dataclasses.dataclass(frozen=True)
class TrackingSettings:
    """Settings of tracking.

    Attributes:
      min_overlap: least intersection over union, 0..1, of a face with the box that its track
        predicts.
      max_gap_us: time after which a missing face's track ends, microseconds; if the face comes
        back later, a new track starts.
      max_filled_us: longest time between two measured faces whose frames in between are filled in,
        microseconds. In longer gaps something hides the face, which the frames show, and the
        filled-in place is a guess (up to 144 px off behind another head in a test clip).
      cut_difference: mean absolute difference of two frames' thumbnails, 0..255, above
        which a scene cut lies between them.
      max_unconfirmed_us: time after which a face that the mesh follows but the detector does not
        confirm is given up, microseconds; its track ends where the detector last found it.
      min_frames: fewest measured faces of a track; shorter ones are taken for errors.
      same_person: largest distance of two embeddings of one person; dlib's own threshold.
      identify_every_us: time between two embeddings of a track, microseconds.
      smoothing: settings of the smoothing of finished tracks.
    """

    min_overlap: float = 0.3
    max_gap_us: int = 500_000
    max_filled_us: int = 200_000
    cut_difference: float = 25.0
    max_unconfirmed_us: int = 1_000_000
    min_frames: int = 3
    same_person: float = 0.6
    identify_every_us: int = 500_000
    smoothing: SmoothingSettings = SmoothingSettings()


@dataclasses.dataclass(frozen=True)
class Identifier:
    """Identity model: embeds faces so that those of one person lie close together.

    Attributes:
      chip: maps an image `[H, W, 3]` and landmarks `[478, 2]` to a chip `[S, S, 3]` uint8.
      embed: maps chips `[N, S, S, 3]` to embeddings `[N, EMBEDDING_SIZE]` float32.
    """

    chip: Callable[[np.ndarray, np.ndarray], np.ndarray]
    embed: Callable[[np.ndarray], np.ndarray]
