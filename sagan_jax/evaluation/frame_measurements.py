"""Measurements of the frames of a target and its swap, in one pass over the pixels of both."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.even_spacing import evenly_spaced
from data_prep.imaging import rasterise, sharpness, similarity, warp
from data_prep.media import video_reader
from data_prep.mesh import face_mesh
from data_prep.records import CROP_SIZE, Frame
from data_prep.runtime.progress import Progress
from data_prep.segmentation.face_masks import Masker
from sagan_jax.evaluation import gallery, metrics, seam
from sagan_jax.evaluation.face_pairs import Pair
from sagan_jax.evaluation.gallery import Judges

# Number of frames that the slow networks measure, and number of those that get features. As many
# as a gallery has, because an FID depends on the number of images.
_SAMPLED, _FEATURED = 128, gallery.GALLERY_SIZE
# The blend is feathered beyond the mesh: pixels this near to the face, as a share of its width,
# do not count as untouched.
_FACE_MARGIN = 0.15
_CROP_SIDE = 160
_STRIP_FRAMES, _STRIP_HEIGHT = 8, 220


@dataclasses.dataclass(frozen=True)
class EveryFrame:
    """Measurements of every frame that shows the face in both videos, N of them.

    Attributes:
      seconds: `[N]` times in the swap.
      sharpness: `[N, 2]`, inside the face, of swap and target.
      brightness: `[N, 2]`, mean luma of the face in swap and target.
      background_error: `[N]`, mean squared error away from the face.
    """

    seconds: np.ndarray
    sharpness: np.ndarray
    brightness: np.ndarray
    background_error: np.ndarray


@dataclasses.dataclass(frozen=True)
class SampledFrames:
    """Measurements by the slow networks, on M frames evenly spread over the clip.

    Attributes:
      at: `[M]` positions in `EveryFrame`.
      embeddings: `[M, 2, 128]`, of swap and target.
      seam: `[M]`, see `seam.seam_strength`.
      crops: `[M, 2, 160, 160, 3]` uint8, swap and target, for the report.
      featured: `[L]` positions, among the M, of the frames that have features.
      features: `[L, 2, D]`, of swap and target.
    """

    at: np.ndarray
    embeddings: np.ndarray
    seam: np.ndarray
    crops: np.ndarray
    featured: np.ndarray
    features: np.ndarray


@dataclasses.dataclass(frozen=True)
class ClipMeasurements:
    """All measurements of a clip.

    Attributes:
      every: measurements of every frame.
      sampled: measurements of some frames.
      strip: whole frames evenly spread over the clip: time in seconds, and target above swap.
    """

    every: EveryFrame
    sampled: SampledFrames
    strip: tuple[tuple[float, np.ndarray], ...]

    @property
    def sampled_seconds(self) -> np.ndarray:
        """Times of the sampled frames, `[M]`."""
        return self.every.seconds[self.sampled.at]

    @property
    def featured_seconds(self) -> np.ndarray:
        """Times of the frames that have features, `[L]`."""
        return self.sampled_seconds[self.sampled.featured]


def paired_frames(
    target: pathlib.Path, swapped: pathlib.Path, span: video_reader.Span
) -> Iterator[tuple[Frame, Frame]]:
    """Reads the frames of a part of a target, each with the frame of its swap."""
    return zip(
        video_reader.read_frames(target, span), video_reader.read_frames(swapped), strict=False
    )


def measure_frames(
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video_reader.Span,
    pairs: Mapping[int, Pair],
    count: int,
    judges: Judges,
) -> ClipMeasurements:
    """Measures the frames of a clip.

    Args:
      target: the original video.
      swapped: the converted video.
      span: part of the target that was converted.
      pairs: faces by position of their frame in that part, in order.
      count: number of frames of the part.
      judges: networks that measure some of the frames.
    """
    # Which frames are measured in detail is settled before reading: the videos are read only once.
    sampled = evenly_spaced(len(pairs), _SAMPLED)
    featured = evenly_spaced(len(sampled), _FEATURED)
    # Positions are looked up once a frame, so they are kept as sets.
    sampled_at = set(sampled.tolist())
    featured_at = set(sampled[featured].tolist())
    strip_at = set(evenly_spaced(count, _STRIP_FRAMES).tolist())
    sampler = _FrameSampler(judges)
    measured: list[_FrameValues] = []
    strip = []
    with Progress("measuring", total=count, unit="frames") as bar:
        for index, (before, after) in enumerate(bar.track(paired_frames(target, swapped, span))):
            if index in strip_at:
                strip.append((after.timestamp_us * 1e-6, stack_pair(before.image, after.image)))
            if index not in pairs:
                continue
            # Samples are spread over the frames with a face, so they count these only.
            position, pair = len(measured), pairs[index]
            measured.append(_measure_frame(before, after, pair))
            if position in sampled_at:
                sampler.add(before.image, after.image, pair, position in featured_at)
    every = EveryFrame(*(np.array(values) for values in zip(*measured, strict=True)))
    return ClipMeasurements(every, sampler.result(sampled, featured), tuple(strip))


def stack_pair(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Stacks a frame of the target above one of the swap, `[440, W, 3]` uint8."""
    width = round(before.shape[1] * _STRIP_HEIGHT / before.shape[0])
    size = (width, _STRIP_HEIGHT)
    resized = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, after)]
    return np.vstack(resized)


class _FrameSampler:
    """Collects the measurements by the slow networks, frame by frame."""

    def __init__(self, judges: Judges):
        self._judges, self._masker = judges, Masker()
        self._embeddings: list[list[np.ndarray]] = []
        self._seam: list[float] = []
        self._crops: list[list[np.ndarray]] = []
        self._features: list[list[np.ndarray]] = []

    def add(self, before: np.ndarray, after: np.ndarray, pair: Pair, with_features: bool) -> None:
        """Measures a frame `[H, W, 3]` uint8 of the target, and the same frame of the swap."""
        crops = [warp.warp_crop(image, pair.transform, CROP_SIZE) for image in (after, before)]
        # The mask is that of the target: it is where the swap has changed the frame.
        points = similarity.apply(pair.transform, pair.before.landmarks)
        mask = self._masker(crops[1], points, before, pair.transform)["face"]
        # Each face is embedded by its own landmarks, because a swap may have moved them.
        embeddings = [
            self._judges.recogniser(image, face_mesh.five_points(face.landmarks))
            for image, face in ((after, pair.after), (before, pair.before))
        ]
        self._embeddings.append(embeddings)
        self._seam.append(seam.seam_strength(crops[1], crops[0], mask))
        # Crops are kept for the report until the end, so they are stored small.
        size = (_CROP_SIDE, _CROP_SIDE)
        self._crops.append([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in crops])
        if with_features:
            self._features.append([self._judges.features(crop, mask) for crop in crops])

    def result(self, at: np.ndarray, featured: np.ndarray) -> SampledFrames:
        """Measurements of the frames added so far, with their positions."""
        return SampledFrames(
            at,
            np.array(self._embeddings),
            np.array(self._seam),
            np.array(self._crops),
            featured,
            np.array(self._features),
        )


class _FrameValues(NamedTuple):
    """Measurements of one frame, in the order of `EveryFrame`; pairs are of swap and target."""

    seconds: float
    sharpness: tuple[float, float]
    brightness: tuple[float, float]
    background_error: float


def _measure_frame(before: Frame, after: Frame, pair: Pair) -> _FrameValues:
    height, width = before.image.shape[:2]
    face = rasterise.fill_hull(pair.before.landmarks, (width, height))
    # Only the surroundings of the face are measured: frames are large, faces are small.
    place = _bounding_slices(face)
    inside = face[place]
    swapped, target = (frame.image[place] for frame in (after, before))
    # Everything beyond the feathered edge should have survived the conversion unchanged.
    reach = 2 * round(_FACE_MARGIN * float(np.ptp(pair.before.landmarks[:, 0]))) + 1
    outside = cv2.dilate(face, np.ones((reach, reach), np.uint8)) == 0
    error = metrics.squared_error(before.image, after.image, outside) if outside.any() else 0.0
    return _FrameValues(
        after.timestamp_us * 1e-6,
        (
            sharpness.mean_laplacian(swapped, inside[..., None]),
            sharpness.mean_laplacian(target, inside[..., None]),
        ),
        (_mean_luma(swapped, inside), _mean_luma(target, inside)),
        error,
    )


def _mean_luma(image: np.ndarray, mask: np.ndarray) -> float:
    return cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), mask)[0]


def _bounding_slices(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns around a mask, with one more pixel on each side for the Laplacian."""
    left, top, width, height = cv2.boundingRect(mask)
    return (
        slice(max(top - 1, 0), top + height + 1),
        slice(max(left - 1, 0), left + width + 1),
    )
