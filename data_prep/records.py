"""Records that flow from a video to a data set.

Conventions everywhere in this project:

* Images are RGB uint8 `[height, width, 3]`.
* Points are `(x, y)` in pixels with the origin at the *centre* of the top-left pixel
  (OpenCV's `warpAffine` convention).
* Boxes are `(left, top, right, bottom)` in the same coordinates.
* A transform is a 2x3 float32 similarity that takes frame pixels to crop pixels.
* Timestamps are integer microseconds from the start of the video.
"""

from __future__ import annotations

import dataclasses

import numpy as np

SCHEMA_VERSION = "1.1.0"
CROP_SIZE = 256
NUM_LANDMARKS = 478
EMBEDDING_SIZE = 128
# Width of the smallest face looked for by default, frame pixels.
MIN_FACE_SIZE = 40


def _no_positions() -> np.ndarray:
    return np.zeros(0, np.int64)


def _no_embeddings() -> np.ndarray:
    return np.zeros((0, EMBEDDING_SIZE), np.float32)


@dataclasses.dataclass(frozen=True)
class Frame:
    """One decoded video frame.

    Attributes:
      index: number of the frame in decoding order, from 0.
      timestamp_us: presentation time, microseconds from the first frame of the video.
      image: `[height, width, 3]` uint8 RGB, upright (rotation metadata applied).
    """

    index: int
    timestamp_us: int
    image: np.ndarray


@dataclasses.dataclass(frozen=True)
class Detection:
    """One face as found by the detector.

    Attributes:
      box: `[4]` float32 frame pixels.
      score: probability of being a face, 0..1.
      points: `[5, 2]` float32 frame pixels: left eye, right eye, nose, left and right mouth
        corner, as they appear in the image (left = smaller x on an upright face).
    """

    box: np.ndarray
    score: float
    points: np.ndarray


@dataclasses.dataclass(frozen=True)
class Face:
    """One face in one frame: as measured or, in a `Track`, smoothed over time.

    Attributes:
      frame_index: see `Frame`.
      timestamp_us: see `Frame`.
      detection: box, score and five points; score 0 where nothing was measured and the face
        is interpolated from the frames before and after.
      landmarks: `[478, 2]` float32 frame pixels, in the topology of MediaPipe's face mesh.
      presence: probability of being a face according to the face mesh, 0..1.
      pose: `[3]` float32 yaw, pitch, roll in degrees; positive yaw looks to the image's
        right, positive pitch looks down, positive roll turns clockwise in the image.
    """

    frame_index: int
    timestamp_us: int
    detection: Detection
    landmarks: np.ndarray
    presence: float
    pose: np.ndarray


@dataclasses.dataclass(frozen=True)
class Track:
    """One person's face through time, within one shot.

    Attributes:
      track_id: number of the track in the video, from 0, in order of first appearance.
      faces: smoothed faces, in order of time; one for every frame from the first to the last,
        except those in which the face is hidden for long.
      transforms: `[len(faces), 2, 3]` float32, smoothed over time, frame to crop pixels
        at `CROP_SIZE`.
      embedded: `[K]` int64, rising positions in `faces` of the faces that have an embedding.
      embeddings: `[K, EMBEDDING_SIZE]` float32, the embeddings of these faces (see
        `identity.embeddings`).
      thumbnail: `[150, 150, 3]` uint8 RGB, one face of the track, or None.
    """

    track_id: int
    faces: tuple[Face, ...]
    transforms: np.ndarray
    embedded: np.ndarray = dataclasses.field(default_factory=_no_positions)
    embeddings: np.ndarray = dataclasses.field(default_factory=_no_embeddings)
    thumbnail: np.ndarray | None = None

    def embedding_at(self, position: int) -> np.ndarray:
        """Returns the embedding nearest to `faces[position]`; zeros if the track has none."""
        if not len(self.embedded):
            return np.zeros(EMBEDDING_SIZE, np.float32)
        return self.embeddings[np.abs(self.embedded - position).argmin()]


@dataclasses.dataclass(frozen=True)
class Person:
    """All appearances of one person in one video.

    Attributes:
      tracks: tracks of the person in order of time, no two at the same time.
      embedding: `[EMBEDDING_SIZE]` float32, the median of the embeddings of all tracks.
      thumbnail: `[150, 150, 3]` uint8 RGB, the most typical face; None if no track has one.
    """

    tracks: tuple[Track, ...]
    embedding: np.ndarray
    thumbnail: np.ndarray | None

    @property
    def frames(self) -> int:
        """Number of frames that show the person."""
        return sum(len(track.faces) for track in self.tracks)


@dataclasses.dataclass(frozen=True)
class AlignedFace:
    """One training example, as a shard stores it (see `dataset.writer`).

    Attributes:
      image: `[CROP_SIZE, CROP_SIZE, 3]` uint8 RGB.
      masks: `face`, `eyes` and `mouth`, each `[CROP_SIZE, CROP_SIZE, 1]` uint8, 0 or 255.
      landmarks: `[478, 2]` float32 crop pixels.
      transform: `[2, 3]` float32, frame to crop pixels.
      box: `[4]` float32 frame pixels, as in `Detection`.
      score: detector score, 0..1.
      pose: `[3]` float32 degrees, as in `Face`.
      embedding: `[EMBEDDING_SIZE]` float32, from `Track.embedding_at`.
      sharpness: mean absolute Laplacian of the luma inside the face mask, 0..255 scale,
        at crop resolution.
      frame_index: see `Frame`.
      timestamp_us: see `Frame`.
      track_id: see `Track`.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]
    landmarks: np.ndarray
    transform: np.ndarray
    box: np.ndarray
    score: float
    pose: np.ndarray
    embedding: np.ndarray
    sharpness: float
    frame_index: int
    timestamp_us: int
    track_id: int
