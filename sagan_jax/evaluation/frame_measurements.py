"""The one pass over the pixels of a target and its swap: what is seen in each frame."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import numpy as np

from data_prep.even_spacing import spread
from data_prep.imaging import rasterise, sharpness, similarity, warp
from data_prep.media import video_reader
from data_prep.mesh import face_mesh
from data_prep.records import CROP_SIZE, Face, Frame
from data_prep.runtime.progress import Progress
from data_prep.segmentation.face_masks import Masker
from sagan_jax.evaluation import gallery, metrics, seam
from sagan_jax.evaluation.gallery import Judges

# Frames that the slow judges look at, and of these, how many are compared as distributions.
_SAMPLED, _FEATURED = 128, gallery.PICTURES
# Beyond the mesh the blend is feathered: pixels this near to the face are not "untouched".
_FACE_MARGIN = 0.15
_SHOWN = 160
_STRIP, _STRIP_HEIGHT = 8, 220


@dataclasses.dataclass(frozen=True)
class Pair:
    """A face of the target, and what is in its place in the swap.

    Attributes:
      before: of the target.
      after: of the swap.
      track_id: of the target.
      transform: `[2, 3]`, from frame pixels to those of the target's crop.
    """

    before: Face
    after: Face
    track_id: int
    transform: np.ndarray


@dataclasses.dataclass(frozen=True)
class EveryFrame:
    """Measured in every frame that shows the face in both; each `[N]`.

    Attributes:
      seconds: of the swap.
      sharpness: of swap and target, inside the face, `[N, 2]`.
      brightness: mean luma of the face in swap and target, `[N, 2]`.
      background_error: mean squared error away from the face.
    """

    seconds: np.ndarray
    sharpness: np.ndarray
    brightness: np.ndarray
    background_error: np.ndarray


@dataclasses.dataclass(frozen=True)
class SampledFrames:
    """What the slow judges saw in some of them, evenly spread; each `[M]`.

    Attributes:
      at: their positions in `EveryFrame`.
      embeddings: of swap and target, `[M, 2, 128]`.
      seam: see `seam.step`.
      crops: swap and target, `[M, 2, 160, 160, 3]` uint8, to be looked at.
      featured: positions, in these, of the frames that have features, `[L]`.
      features: of swap and target, `[L, 2, D]`.
    """

    at: np.ndarray
    embeddings: np.ndarray
    seam: np.ndarray
    crops: np.ndarray
    featured: np.ndarray
    features: np.ndarray


@dataclasses.dataclass(frozen=True)
class Observation:
    """All of it.

    Attributes:
      every: frame.
      sampled: frames.
      strip: whole frames evenly spread over the clip: second, target above swap.
    """

    every: EveryFrame
    sampled: SampledFrames
    strip: tuple[tuple[float, np.ndarray], ...]


def paired_frames(
    target: pathlib.Path, swapped: pathlib.Path, span: video_reader.Span
) -> Iterator[tuple[Frame, Frame]]:
    """Frames of a target (or a part of it) and of its swap, side by side."""
    return zip(
        video_reader.read_frames(target, span), video_reader.read_frames(swapped), strict=False
    )


def observe(
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video_reader.Span,
    pairs: Mapping[int, Pair],
    count: int,
    judges: Judges,
) -> Observation:
    """Looks at every frame.

    Args:
      target: the video that was changed.
      swapped: what came of it.
      span: the part of the target that was converted.
      pairs: by position of the frame in that part, in order.
      count: of frames.
      judges: that look at some of them.
    """
    sampled = spread(len(pairs), _SAMPLED)
    featured = spread(len(sampled), _FEATURED)
    wanted, strip_at = set(sampled.tolist()), set(spread(count, _STRIP).tolist())
    with_features = set(sampled[featured].tolist())
    close_look = _CloseLook(judges)
    quick: list[tuple[Any, ...]] = []
    strip = []
    with Progress("measuring", total=count, unit="frames") as bar:
        for index, (before, after) in enumerate(bar.track(paired_frames(target, swapped, span))):
            if index in strip_at:
                strip.append((after.timestamp_us * 1e-6, _stacked(before.image, after.image)))
            if index not in pairs:
                continue
            position, pair = len(quick), pairs[index]
            quick.append((after.timestamp_us * 1e-6, *_quick_look(before, after, pair)))
            if position in wanted:
                close_look(before.image, after.image, pair, position in with_features)
    seconds, sharpness, brightness, errors = (
        np.array(values) for values in zip(*quick, strict=True)
    )
    return Observation(
        EveryFrame(seconds, sharpness, brightness, errors),
        close_look.seen(sampled, featured),
        tuple(strip),
    )


class _CloseLook:
    """The slow judges, frame after frame."""

    def __init__(self, judges: Judges):
        self._judges, self._masker = judges, Masker()
        self._embeddings: list[list[np.ndarray]] = []
        self._seam: list[float] = []
        self._crops: list[list[np.ndarray]] = []
        self._features: list[list[np.ndarray]] = []

    def __call__(
        self, before: np.ndarray, after: np.ndarray, pair: Pair, with_features: bool
    ) -> None:
        crops = [warp.warp_crop(image, pair.transform, CROP_SIZE) for image in (after, before)]
        points = similarity.apply(pair.transform, pair.before.landmarks)
        mask = self._masker(crops[1], points, before, pair.transform)["face"]
        self._embeddings.append([
            self._judges.recogniser(image, face_mesh.five_points(face.landmarks))
            for image, face in ((after, pair.after), (before, pair.before))
        ])  # fmt: skip
        self._seam.append(seam.step(crops[1], crops[0], mask))
        size = (_SHOWN, _SHOWN)
        self._crops.append([cv2.resize(c, size, interpolation=cv2.INTER_AREA) for c in crops])
        if with_features:
            self._features.append([self._judges.features(crop, mask) for crop in crops])

    def seen(self, at: np.ndarray, featured: np.ndarray) -> SampledFrames:
        return SampledFrames(
            at, np.array(self._embeddings), np.array(self._seam), np.array(self._crops),
            featured, np.array(self._features),
        )  # fmt: skip


def _quick_look(
    before: Frame, after: Frame, pair: Pair
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Sharpness and brightness of swap and target, and the error away from the face."""
    height, width = before.image.shape[:2]
    face = rasterise.fill_hull(pair.before.landmarks, (width, height))
    place = _around(face)
    inside = face[place]
    images = [frame.image[place] for frame in (after, before)]
    sharp = [sharpness.mean_laplacian(image, inside[..., None]) for image in images]
    light = [cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), inside)[0] for image in images]
    reach = 2 * round(_FACE_MARGIN * float(np.ptp(pair.before.landmarks[:, 0]))) + 1
    outside = cv2.dilate(face, np.ones((reach, reach), np.uint8)) == 0
    error = metrics.squared_error(before.image, after.image, outside) if outside.any() else 0.0
    return (sharp[0], sharp[1]), (light[0], light[1]), error


def _around(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of what is not 0, and a pixel more, which a Laplacian sees."""
    left, top, width, height = cv2.boundingRect(mask)
    return (
        slice(max(top - 1, 0), top + height + 1),
        slice(max(left - 1, 0), left + width + 1),
    )


def _stacked(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    width = round(before.shape[1] * _STRIP_HEIGHT / before.shape[0])
    size = (width, _STRIP_HEIGHT)
    return np.vstack([
        cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (before, after)
    ])  # fmt: skip
