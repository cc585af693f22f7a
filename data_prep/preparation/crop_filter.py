"""Deciding which crops are worth training on.

The limits drop only what hurts: none of the sample clips loses a crop to anything but being the
same as the crop before it, and a crop spoilt on purpose is dropped. The measurements behind each
limit are in `QualitySettings`.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from data_prep.even_spacing import evenly_spaced
from data_prep.imaging import similarity
from data_prep.imaging.sharpness import blur_effect
from data_prep.mesh import crop_alignment
from data_prep.mesh.topology import BELOW_FOREHEAD
from data_prep.records import AlignedFace
from data_prep.reporting.thumbnails import thumbnail

# Rows and columns in shares of the side: brows to mouth, which is face at any pose and never
# background, and the whole face, in which to look for changes.
_CORE = ((0.28, 0.85), (0.25, 0.75))
_FACE = ((0.16, 0.96), (0.2, 0.8))
_BLACK, _WHITE = 6, 249
_COARSE, _TILES = (48, 64), (6, 8)
_THUMBNAILS = 8


class Reason(enum.StrEnum):
    """Why a crop is not worth training on, in the order in which limits are checked."""

    DUPLICATE = "duplicate"
    SMALL = "small"
    OUTSIDE = "outside"
    TURNED = "turned"
    HIDDEN = "hidden"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"

    @property
    def text(self) -> str:
        """The reason in words, part of a sentence."""
        return _TEXTS[self]


_TEXTS = {
    Reason.SMALL: "the face is too small in the frame",
    Reason.OUTSIDE: "the face reaches beyond the frame",
    Reason.TURNED: "the head is turned further than the face mesh can follow",
    Reason.HIDDEN: "too much of the face is hidden",
    Reason.DARK: "the face is too dark",
    Reason.BRIGHT: "too much of the face is blown out",
    Reason.BLURRED: "the face is blurred",
    Reason.DUPLICATE: "nothing has changed since the crop before it",
}


@dataclasses.dataclass(frozen=True)
class QualitySettings:
    """Limits beyond which crops are dropped; `CropMeasurements` defines the measured values.

    Attributes:
      min_height: frame pixels. A face that is 40 high comes out at 32 dB of itself in a crop of
        64 pixels, at 24 its eyes are smudges (27 dB).
      max_outside: share 0..1. At 0.06 the tip of the chin or the corner of an eye is gone; a
        head that bows to the edge in a sample clip reaches 0.02.
      max_turn: degrees of yaw or pitch, either way. The sample clips stay below 30.
      max_hidden: share 0..1. The sample clips stay below 0.09; the masks of the mesh tell hair
        from skin but not a hand.
      max_clipped: share 0..1, black or white. The sample clips stay below 0.04; two stops too
        much light take a fair face (clip C) to 0.66, another (B) to 0.22; three take that to 0.39.
      min_light: grey levels. Below 32 the face lies in an eighth of the range; five to six
        stops too little light take it there.
      max_blur: 0..1. Frames of the sample clips lie at 0.41-0.65; blurred by a Gaussian of 4
        crop pixels (little more detail than a 64-pixel crop) all lie above 0.76.
      min_change: grey levels. Below 2 no eye tells the two crops apart; `cap12`, where a man
        sits still most of the time, loses 30 %.
    """

    min_height: float = 40.0
    max_outside: float = 0.05
    max_turn: float = 75.0
    max_hidden: float = 0.35
    max_clipped: float = 0.35
    min_light: float = 32.0
    max_blur: float = 0.76
    min_change: float = 2.0


@dataclasses.dataclass(frozen=True)
class CropMeasurements:
    """Measurements of one crop that the limits apply to.

    Attributes:
      height: height of the face, forehead to chin, in frame pixels.
      outside: share of the mesh that lies outside of the frame.
      turn: the larger of yaw and pitch, degrees, without sign.
      hidden: share of the face below the brows that is not in the face mask.
      black: share of that face, over pixels and channels, that is crushed (below 6).
      white: share of it that is blown out (above 249).
      light: 95th percentile of the luma of that face, grey levels.
      blur: see `sharpness.blur_effect`.
    """

    height: float
    outside: float
    turn: float
    hidden: float
    black: float
    white: float
    light: float
    blur: float


def measure(face: AlignedFace, height: int, width: int) -> CropMeasurements:
    """Measures one crop.

    Args:
      face: the crop.
      height: height of the frame it comes from, pixels.
      width: width of that frame, pixels.
    """
    size = face.image.shape[0]
    luma = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY)
    hull = cv2.convexHull(face.landmarks[list(BELOW_FOREHEAD)].round().astype(np.int32))
    # Hair hides a forehead without harm, so only the face below the brows has to be visible.
    skin = cv2.fillConvexPoly(np.zeros_like(luma), hull, 1)
    levels = _levels(face.image, skin)
    points = similarity.apply(similarity.inverse(face.transform), face.landmarks)
    # A pixel reaches half a pixel to each side of its centre.
    inside = np.all((points >= -0.5) & (points <= [width - 0.5, height - 0.5]), -1)
    return CropMeasurements(
        height=crop_alignment.FACE_HEIGHT * size / similarity.scale_of(face.transform),
        outside=1 - float(inside.mean()),
        turn=float(np.abs(face.pose[:2]).max()),
        hidden=1 - float(cv2.countNonZero(skin & face.masks["face"][..., 0]) / max(skin.sum(), 1)),
        black=float(levels[:_BLACK].sum()),
        white=float(levels[_WHITE + 1 :].sum()),
        light=float(np.searchsorted(_levels(luma, skin).cumsum(), 0.95)),
        blur=blur_effect(_part(luma, _CORE)),
    )


def defect(measured: CropMeasurements, settings: QualitySettings) -> Reason | None:
    """Returns the first limit that a crop exceeds, None if it exceeds none."""
    broken = {
        Reason.SMALL: measured.height < settings.min_height,
        Reason.OUTSIDE: measured.outside > settings.max_outside,
        Reason.TURNED: measured.turn > settings.max_turn,
        Reason.HIDDEN: measured.hidden > settings.max_hidden,
        Reason.DARK: measured.black > settings.max_clipped or measured.light < settings.min_light,
        Reason.BRIGHT: measured.white > settings.max_clipped,
        Reason.BLURRED: measured.blur > settings.max_blur,
    }
    return next((reason for reason, holds in broken.items() if holds), None)


def coarse_luma(image: np.ndarray) -> np.ndarray:
    """Returns the luma of the face in a crop, too coarse for noise to show.

    Args:
      image: `[S, S, 3]` uint8 RGB.

    Returns:
      `[64, 48]` float32, grey levels.
    """
    luma = cv2.cvtColor(_part(image, _FACE), cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma, _COARSE, interpolation=cv2.INTER_AREA).astype(np.float32)


def _levels(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the shares of the 256 levels in an image where a mask is not 0, `[256]`."""
    channels = cv2.split(image)
    counts = np.sum([cv2.calcHist([c], [0], mask, [256], [0, 256])[:, 0] for c in channels], 0)
    return counts / max(counts.sum(), 1)


def change(now: np.ndarray, before: np.ndarray) -> float:
    """Returns the largest mean difference of two crops over 8 x 6 tiles.

    A blink would hardly change the mean over the whole face.

    Args:
      now: `coarse_luma` of one crop.
      before: `coarse_luma` of the other.

    Returns:
      Grey levels of 0..255.
    """
    tiles = cv2.resize(np.abs(now - before), _TILES, interpolation=cv2.INTER_AREA)
    return float(tiles.max())


def _part(image: np.ndarray, part: tuple[tuple[float, float], ...]) -> np.ndarray:
    rows, columns = (slice(round(a * image.shape[0]), round(b * image.shape[0])) for a, b in part)
    return image[rows, columns]


class QualityFilter:
    """Keeps the crops of one video that are worth training on, and counts the others.

    Memory does not grow with the video. Held-out crops do not pass this filter: they stand for
    what a conversion will meet, blur and hands included, and measurements over time must have no
    holes.

    Args:
      settings: limits.
      height: height of the upright frame, pixels.
      width: width of the upright frame, pixels.
    """

    def __init__(self, settings: QualitySettings, height: int, width: int):
        self._settings = settings
        self._frame = height, width
        self._before: np.ndarray | None = None
        self._dropped: collections.Counter[Reason] = collections.Counter()
        self._examples: dict[Reason, EvenlySpaced] = {}

    def is_new(self, image: np.ndarray) -> bool:
        """Whether the next crop, in order of time, differs from the last one that did.

        Only the image, `[S, S, 3]` uint8, is needed, so that no masks are made for duplicates:
        masks take longer than everything before them.
        """
        now = coarse_luma(image)
        new = self._before is None or change(now, self._before) >= self._settings.min_change
        if new:
            self._before = now
        else:
            self._count(Reason.DUPLICATE, image)
        return new

    def reason_to_drop(self, face: AlignedFace) -> Reason | None:
        """Returns why a new crop is dropped; None if it is kept."""
        reason = defect(measure(face, *self._frame), self._settings)
        if reason:
            self._count(reason, face.image)
        return reason

    def __call__(self, face: AlignedFace) -> Reason | None:
        """Returns why the next crop, in order of time, is dropped; None if it is kept."""
        return self.reason_to_drop(face) if self.is_new(face.image) else Reason.DUPLICATE

    def kept(self, faces: Iterable[AlignedFace]) -> Iterator[AlignedFace]:
        """Yields the crops that are worth training on; takes them in order of time."""
        return (face for face in faces if self(face) is None)

    @property
    def dropped(self) -> dict[str, int]:
        """Number of dropped crops, by `Reason`."""
        return {str(reason): self._dropped[reason] for reason in Reason if self._dropped[reason]}

    def thumbnails(self) -> dict[str, tuple[str, ...]]:
        """Returns at most 8 of the dropped crops, by `Reason`, JPEG in base 64."""
        return {
            str(reason): self._examples[reason].thumbnails()
            for reason in Reason
            if reason in self._examples
        }

    def _count(self, reason: Reason, image: np.ndarray) -> None:
        self._dropped[reason] += 1
        self._examples.setdefault(reason, EvenlySpaced(_THUMBNAILS)).add(image)


class EvenlySpaced:
    """Collects at most `limit` thumbnails of any number of crops, evenly spaced.

    Takes every crop until there are twice as many as the limit, then forgets every second one and
    takes only every second crop from there on, and so on.

    Args:
      limit: number of thumbnails.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._stride = 1
        self._added = 0
        self._taken: list[str] = []

    def add(self, image: np.ndarray) -> None:
        """Adds the next crop, `[S, S, 3]` uint8."""
        if self._added % self._stride == 0:
            # Full: twice the stride, of which the crops taken so far already hold every one.
            if len(self._taken) == 2 * self._limit:
                self._taken = self._taken[::2]
                self._stride *= 2
            if self._added % self._stride == 0:
                self._taken.append(thumbnail(image))
        self._added += 1

    def thumbnails(self) -> tuple[str, ...]:
        """Returns the thumbnails, JPEG in base 64, in order of time."""
        return tuple(self._taken[i] for i in evenly_spaced(len(self._taken), self._limit))
