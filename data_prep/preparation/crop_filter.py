"""How useful a crop is, and whether it is worth training on.

The limits are set to drop only what hurts: none of the sample clips loses a crop to anything
but being the same as the one before it, and a crop spoilt on purpose is dropped. The figures
behind each limit are in `QualitySettings`.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from data_prep.even_spacing import spread
from data_prep.imaging import similarity
from data_prep.imaging.sharpness import blur_effect
from data_prep.mesh import crop_alignment
from data_prep.records import AlignedFace
from data_prep.reporting import thumbnails as thumbnails_lib

# The face without the forehead, over which hair may hang: jaw, cheeks, brows, tip of the nose.
_BELOW_THE_FOREHEAD = [
    127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288,
    361, 323, 454, 356, 70, 105, 107, 336, 334, 300, 1, 4,
]  # fmt: skip
# Rows and columns in shares of the side. Brows to mouth: face at any pose, no background. And
# the whole face, of which a part changes.
_CORE = ((0.28, 0.85), (0.25, 0.75))
_FACE = ((0.16, 0.96), (0.2, 0.8))
_BLACK, _WHITE = 6, 249
_GLANCE, _TILES = (48, 64), (6, 8)
_THUMBNAILS = 8


class Reason(enum.StrEnum):
    """Why a crop is not worth training on, in the order in which it is asked."""

    DUPLICATE = "duplicate"
    SMALL = "small"
    OUTSIDE = "outside"
    TURNED = "turned"
    HIDDEN = "hidden"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Reason.SMALL: "the face is too small in the frame",
    Reason.OUTSIDE: "the face hangs out of the picture",
    Reason.TURNED: "the head is turned further than the face mesh can follow",
    Reason.HIDDEN: "too much of the face is hidden",
    Reason.DARK: "the face is too dark",
    Reason.BRIGHT: "too much of the face is blown out",
    Reason.BLURRED: "the face is blurred",
    Reason.DUPLICATE: "nothing has changed since the crop before it",
}


@dataclasses.dataclass(frozen=True)
class QualitySettings:
    """What is dropped. See `CropMeasurements` for what each limit is compared with.

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
    """What one crop is judged by.

    Attributes:
      height: of the face, forehead to chin, in frame pixels.
      outside: share of the mesh that lies outside of the frame.
      turn: the larger of yaw and pitch, degrees, without sign.
      hidden: share of the face below the brows that is not in the face mask.
      black: share of that face, over pixels and channels, that is crushed (below 6).
      white: share of it that is blown out (above 249).
      light: of its brightest pixels: the 95th percentile of the luma, grey levels.
      blur: see `blur`.
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
    """The figures of one crop.

    Args:
      face: the crop.
      height: of the frame it comes from, pixels.
      width: as `height`.
    """
    size = face.image.shape[0]
    luma = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY)
    hull = cv2.convexHull(face.landmarks[_BELOW_THE_FOREHEAD].round().astype(np.int32))
    skin = cv2.fillConvexPoly(np.zeros_like(luma), hull, 1)
    levels = _levels(face.image, skin)
    points = similarity.apply(similarity.inverse(face.transform), face.landmarks)
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


def defect(figures: CropMeasurements, settings: QualitySettings) -> Reason | None:
    """The first limit that a crop does not keep, None if it keeps them all."""
    broken = {
        Reason.SMALL: figures.height < settings.min_height,
        Reason.OUTSIDE: figures.outside > settings.max_outside,
        Reason.TURNED: figures.turn > settings.max_turn,
        Reason.HIDDEN: figures.hidden > settings.max_hidden,
        Reason.DARK: figures.black > settings.max_clipped or figures.light < settings.min_light,
        Reason.BRIGHT: figures.white > settings.max_clipped,
        Reason.BLURRED: figures.blur > settings.max_blur,
    }
    return next((reason for reason, holds in broken.items() if holds), None)


def glance(image: np.ndarray) -> np.ndarray:
    """The face in a crop `[S, S, 3]` uint8, too small for noise: its luma, `[64, 48]` float32."""
    luma = cv2.cvtColor(_part(image, _FACE), cv2.COLOR_RGB2GRAY)
    return cv2.resize(luma, _GLANCE, interpolation=cv2.INTER_AREA).astype(np.float32)


def _levels(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Shares of the 256 levels in an image `[H, W, ...]` uint8 where a mask is not 0: `[256]`."""
    channels = cv2.split(image)
    counts = np.sum([cv2.calcHist([c], [0], mask, [256], [0, 256])[:, 0] for c in channels], 0)
    return counts / max(counts.sum(), 1)


def change(now: np.ndarray, before: np.ndarray) -> float:
    """How far two crops differ: the largest of the mean differences of 8 x 6 tiles.

    The largest and not the mean over the face, which a blink hardly moves.

    Args:
      now: from `glance`.
      before: the same.

    Returns:
      Grey levels of 0..255.
    """
    tiles = cv2.resize(np.abs(now - before), _TILES, interpolation=cv2.INTER_AREA)
    return float(tiles.max())


def _part(image: np.ndarray, part: tuple[tuple[float, float], ...]) -> np.ndarray:
    rows, columns = (slice(round(a * image.shape[0]), round(b * image.shape[0])) for a, b in part)
    return image[rows, columns]


class QualityFilter:
    """Keeps the crops of one video that are worth training on, and remembers the others.

    Memory does not grow with the video. Held-out crops are not for this filter: they measure
    what a conversion will meet, blur and hands included, and what is measured over time
    must have no holes.

    Args:
      settings: what is dropped.
      height: of the upright frame, pixels.
      width: as `height`.
    """

    def __init__(self, settings: QualitySettings, height: int, width: int):
        self._settings = settings
        self._frame = height, width
        self._before: np.ndarray | None = None
        self._dropped: collections.Counter[Reason] = collections.Counter()
        self._pictures: dict[Reason, EvenlySpaced] = {}

    def is_new(self, image: np.ndarray) -> bool:
        """Whether the next crop, in order of time, differs from the last one that did.

        Asked before anything else, of the crop alone, `[S, S, 3]` uint8: masks take longer than
        all that leads to the crop.
        """
        now = glance(image)
        new = self._before is None or change(now, self._before) >= self._settings.min_change
        if new:
            self._before = now
        else:
            self._note(Reason.DUPLICATE, image)
        return new

    def fault(self, face: AlignedFace) -> Reason | None:
        """Why a new crop is dropped; None if it is kept."""
        reason = defect(measure(face, *self._frame), self._settings)
        if reason:
            self._note(reason, face.image)
        return reason

    def __call__(self, face: AlignedFace) -> Reason | None:
        """Why the next crop, in order of time, is dropped; None if it is kept."""
        return self.fault(face) if self.is_new(face.image) else Reason.DUPLICATE

    def kept(self, faces: Iterable[AlignedFace]) -> Iterator[AlignedFace]:
        """The crops worth training on, of crops in order of time."""
        return (face for face in faces if self(face) is None)

    @property
    def dropped(self) -> dict[str, int]:
        """How many crops were dropped, by `Reason`."""
        return {str(reason): self._dropped[reason] for reason in Reason if self._dropped[reason]}

    def thumbnails(self) -> dict[str, list[str]]:
        """At most 8 of the dropped crops for each `Reason`, JPEG in base 64."""
        return {
            str(reason): self._pictures[reason].pictures()
            for reason in Reason
            if reason in self._pictures
        }

    def _note(self, reason: Reason, image: np.ndarray) -> None:
        self._dropped[reason] += 1
        self._pictures.setdefault(reason, EvenlySpaced(_THUMBNAILS)).add(image)


class EvenlySpaced:
    """At most `limit` thumbnails of any number of crops, evenly spread over them.

    It takes every crop until twice the limit is reached, then forgets every second one and
    takes every second from there on, and so forth.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._stride = 1
        self._seen = 0
        self._taken: list[str] = []

    def add(self, image: np.ndarray) -> None:
        """Hands over the next crop, `[S, S, 3]` uint8."""
        if self._seen % self._stride == 0:
            if len(self._taken) == 2 * self._limit:
                self._taken = self._taken[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self._taken.append(thumbnails_lib.thumbnail(image))
        self._seen += 1

    def pictures(self) -> list[str]:
        """The thumbnails, JPEG in base 64, in the order they came in."""
        return [self._taken[i] for i in spread(len(self._taken), self._limit)]
