"""Pictures as they are coded: what is looked at becomes RGB, and only what is changed is touched.

A whole frame taken to RGB and back costs 9 ms at 720p, and every pixel of it comes back a
little different. A conversion looks at the face and changes the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np

from data_prep.imaging import warp
from data_prep.media.pixel_coding import PixelCoding

# Rows and columns of a picture.
Place = tuple[slice, slice]
EVERYWHERE: Place = (slice(None), slice(None))

# Pixels around a place that its chroma is interpolated from.
_MARGIN = 4


class CodedFrame:
    """One picture of a video.

    Chroma is taken to lie beside the left luma of a pair and between two rows, where MPEG-2,
    H.264 and all after them put it if they do not say otherwise.

    Attributes:
      index: see `records.Frame`.
      timestamp_us: likewise.
      coding: of the planes.
      planes: luma and two of chroma, `[height, width]` each; or one, `[height, width, 3]`.
    """

    def __init__(
        self, index: int, timestamp_us: int, coding: PixelCoding, planes: Sequence[np.ndarray]
    ):
        self.index, self.timestamp_us, self.coding = index, timestamp_us, coding
        self.planes = list(planes)

    @classmethod
    def of_rgb(cls, index: int, timestamp_us: int, image: np.ndarray) -> CodedFrame:
        """One of `[height, width, 3]` uint8 or uint16."""
        name = "rgb24" if image.dtype == np.uint8 else "rgb48le"
        return cls(index, timestamp_us, PixelCoding(name), [image])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the picture as RGB."""
        return *self.planes[0].shape[:2], 3

    def __getitem__(self, place: Place) -> np.ndarray:
        """Rows and columns as `[h, w, 3]` uint8 RGB: see `alignment.Pixels`."""
        (top, bottom, _), (left, right, _) = (
            part.indices(side) for part, side in zip(place, self.shape, strict=False)
        )
        return self._rgb(top, bottom, left, right)

    def copy(self) -> CodedFrame:
        """One that can be changed."""
        return self._with([plane.copy() for plane in self.planes])

    def warp(self, transform: np.ndarray, size: int) -> np.ndarray:
        """A crop, `[size, size, 3]` uint8 RGB; as `alignment.warp`, every plane by itself."""
        crops = [
            warp.warp_crop(plane, self.coding.of_plane(index, transform), size)
            for index, plane in enumerate(self.planes)
        ]
        if self.coding.is_rgb:
            return self._eight_bits(crops[0])
        return self._eight_bits(cv2.transform(cv2.merge(crops), self.coding.to_rgb))

    def rgb(self) -> np.ndarray:
        """All of it, `[height, width, 3]` uint8."""
        return self[:, :]

    def luma(self, place: Place = EVERYWHERE) -> np.ndarray:
        """A part of it, `[h, w]` float32, 0..255."""
        if self.coding.is_rgb:
            return cv2.cvtColor(self[place], cv2.COLOR_RGB2GRAY).astype(np.float32)
        black, span = self.coding.luma
        part = self.planes[0][place]
        return cv2.addWeighted(part, 1 / span, part, 0, -black / span, dtype=cv2.CV_32F)

    def put(self, index: int, place: Place, levels: np.ndarray) -> None:
        """Writes into a part of a plane, float32, rounded and within the range."""
        self._write(self.planes[index][place], levels, 1.0, levels, 0.0)

    def brighten(self, change: np.ndarray, place: Place = EVERYWHERE) -> None:
        """Adds `[h, w]` float32, levels of 0..255, to the luma of a part."""
        part = self.planes[0][place]
        span = (2**self.coding.bits - 1) / 255 if self.coding.is_rgb else self.coding.luma[1]
        if self.coding.is_rgb:
            change = cv2.merge([change] * 3)
        self._write(part, change, span, part.astype(np.float32), 1.0)

    def _write(
        self, part: np.ndarray, one: np.ndarray, weight: float, other: np.ndarray, share: float
    ) -> None:
        """A weighted sum, rounded and within the range."""
        if not part.size:
            return
        depth = cv2.CV_8U if part.dtype == np.uint8 else cv2.CV_16U
        rounded = cv2.addWeighted(one, weight, other, share, 0, dtype=depth)
        most = 2**self.coding.bits - 1
        part[...] = rounded if self.coding.bits in (8, 16) else np.minimum(rounded, most)

    def grey(self, levels: np.ndarray) -> CodedFrame:
        """Another, without colour, of `[height, width]` float32 in 0..1."""
        most, dtype = 2**self.coding.bits - 1, self.coding.dtype
        if self.coding.is_rgb:
            plane = np.round(levels * most).astype(dtype)
            return self._with([np.repeat(plane[..., None], 3, -1)])
        black, span = self.coding.luma
        luma = np.round(black + 255 * span * levels).astype(dtype)
        return self._with([luma, *(np.full_like(p, most // 2 + 1) for p in self.planes[1:])])

    def beside(self, *others: CodedFrame) -> CodedFrame:
        """This one, and to its right others of the same size and coding."""
        planes = zip(self.planes, *(other.planes for other in others), strict=True)
        return self._with([np.hstack(row) for row in planes])

    def _with(self, planes: Sequence[np.ndarray]) -> CodedFrame:
        return CodedFrame(self.index, self.timestamp_us, self.coding, planes)

    def _rgb(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        if self.coding.is_rgb:
            return self._eight_bits(self.planes[0][top:bottom, left:right])
        down, across = self.coding.steps
        # From an even place on, and with what the chroma inside is interpolated from.
        row, column = (max(first - _MARGIN, 0) // 2 * 2 for first in (top, left))
        low, far = bottom + _MARGIN, right + _MARGIN
        luma = self.planes[0][row:low, column:far]
        chroma = [
            _enlarged(
                plane[row // down : -(-low // down), column // across : -(-far // across)],
                luma.shape, down, across,
            )
            for plane in self.planes[1:]
        ]  # fmt: skip
        inside = slice(top - row, bottom - row), slice(left - column, right - column)
        yuv = cv2.merge([luma[inside], *(one[inside] for one in chroma)])
        return self._eight_bits(cv2.transform(yuv, self.coding.to_rgb))

    def _eight_bits(self, rgb: np.ndarray) -> np.ndarray:
        if rgb.dtype == np.uint8:
            return rgb
        if self.coding.is_rgb:
            return cv2.convertScaleAbs(rgb, alpha=1 / 257)
        return np.minimum(rgb, 255).astype(np.uint8)


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a frame as arrays; writing to them changes the frame."""
    is_rgb, deep = frame.format.is_rgb, frame.format.components[0].bits > 8
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    channels = 3 if is_rgb else 1
    planes = []
    for plane in frame.planes:
        buffer: Any = plane
        lines = np.frombuffer(buffer, dtype).reshape(-1, plane.line_size // dtype.itemsize)
        values = lines[: plane.height, : plane.width * channels]
        planes.append(values.reshape(plane.height, -1, 3) if is_rgb else values)
    return planes


def _enlarged(plane: np.ndarray, shape: tuple[int, ...], down: int, across: int) -> np.ndarray:
    """Chroma for every luma, `shape`."""
    if down == across == 1:
        return plane
    from_luma = np.array([[1 / across, 0, 0], [0, 1 / down, 0.5 / down - 0.5]])
    return cv2.warpAffine(
        plane, from_luma, shape[1::-1], flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
