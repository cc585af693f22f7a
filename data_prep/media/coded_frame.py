"""Video frames in the form in which they are coded, mostly luma and chroma.

Only the part that is read becomes RGB, and only the part that is changed is written. A whole
frame taken to RGB and back costs 9 ms at 720p, and every pixel of the frame comes back a little
different, while a conversion reads the face and changes the face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np

from data_prep.imaging import warp
from data_prep.media.pixel_coding import PixelCoding

# Rows and columns of a frame.
Place = tuple[slice, slice]
EVERYWHERE: Place = (slice(None), slice(None))

# Pixels around a place that its chroma is interpolated from.
_MARGIN = 4


class CodedFrame:
    """One frame of a video as its coded planes, read as RGB and changed in place.

    Chroma is taken to lie beside the left luma of a pair and between two rows, where MPEG-2,
    H.264 and all later codecs put it unless they state something else.

    Attributes:
      index: number of the frame, see `records.Frame`.
      timestamp_us: time of the frame, see `records.Frame`.
      coding: how the planes are coded.
      planes: luma and two chroma planes, `[height, width]` each, or one RGB plane
        `[height, width, 3]`; uint8 or uint16.
    """

    def __init__(
        self, index: int, timestamp_us: int, coding: PixelCoding, planes: Sequence[np.ndarray]
    ):
        self.index, self.timestamp_us, self.coding = index, timestamp_us, coding
        self.planes = list(planes)

    @classmethod
    def from_rgb(cls, index: int, timestamp_us: int, image: np.ndarray) -> CodedFrame:
        """Wraps an RGB image `[height, width, 3]` uint8 or uint16 without copying it."""
        name = "rgb24" if image.dtype == np.uint8 else "rgb48le"
        return cls(index, timestamp_us, PixelCoding(name), [image])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3: the shape of the frame as RGB."""
        return *self.planes[0].shape[:2], 3

    def __getitem__(self, place: Place) -> np.ndarray:
        """Returns rows and columns as `[h, w, 3]` uint8 RGB; implements `warp.Pixels`."""
        (top, bottom, _), (left, right, _) = (
            part.indices(side) for part, side in zip(place, self.shape, strict=False)
        )
        return self._rgb(top, bottom, left, right)

    def copy(self) -> CodedFrame:
        """Copies the frame with its planes, so that a change leaves the original as it is."""
        return self._with_planes([plane.copy() for plane in self.planes])

    def warp(self, transform: np.ndarray, size: int) -> np.ndarray:
        """Samples a crop like `warp.warp_crop`, each plane by itself.

        Args:
          transform: `[2, 3]` from frame pixels to crop pixels.
          size: side of the crop, pixels.

        Returns:
          `[size, size, 3]` uint8 RGB.
        """
        crops = [
            warp.warp_crop(plane, self.coding.plane_transform(index, transform), size)
            for index, plane in enumerate(self.planes)
        ]
        if self.coding.is_rgb:
            return self._to_uint8(crops[0])
        return self._to_uint8(cv2.transform(cv2.merge(crops), self.coding.planes_to_rgb))

    def rgb(self) -> np.ndarray:
        """Returns the whole frame as RGB, `[height, width, 3]` uint8."""
        return self[:, :]

    def luma(self, place: Place = EVERYWHERE) -> np.ndarray:
        """Returns the luma of a part of the frame, `[h, w]` float32 in 0..255."""
        if self.coding.is_rgb:
            return cv2.cvtColor(self[place], cv2.COLOR_RGB2GRAY).astype(np.float32)
        black, scale = self.coding.black_level, self.coding.luma_scale
        part = self.planes[0][place]
        return cv2.addWeighted(part, 1 / scale, part, 0, -black / scale, dtype=cv2.CV_32F)

    def set_levels(self, index: int, place: Place, levels: np.ndarray) -> None:
        """Overwrites a part of plane `index`.

        Args:
          index: number of the plane.
          place: rows and columns of that plane.
          levels: `[h, w]` or `[h, w, 3]` float32 levels of the plane; they are rounded and
            clipped to its range.
        """
        self._write_sum(self.planes[index][place], levels, 1.0, levels, 0.0)

    def brighten(self, change: np.ndarray, place: Place = EVERYWHERE) -> None:
        """Adds to the luma of a part of the frame.

        Args:
          change: `[h, w]` float32 in steps of luma in 0..255; may be negative.
          place: rows and columns of the frame.
        """
        part = self.planes[0][place]
        scale = (2**self.coding.bits - 1) / 255 if self.coding.is_rgb else self.coding.luma_scale
        if self.coding.is_rgb:
            change = cv2.merge([change] * 3)
        self._write_sum(part, change, scale, part.astype(np.float32), 1.0)

    def _write_sum(
        self, part: np.ndarray, a: np.ndarray, weight_a: float, b: np.ndarray, weight_b: float
    ) -> None:
        """Writes `weight_a * a + weight_b * b` into a part of a plane, rounded and clipped."""
        if not part.size:
            return
        depth = cv2.CV_8U if part.dtype == np.uint8 else cv2.CV_16U
        rounded = cv2.addWeighted(a, weight_a, b, weight_b, 0, dtype=depth)
        # OpenCV clips to the range of the type, which 10 and 12 bits do not fill.
        highest = 2**self.coding.bits - 1
        part[...] = rounded if self.coding.bits in (8, 16) else np.minimum(rounded, highest)

    def grey(self, levels: np.ndarray) -> CodedFrame:
        """Makes a frame without colour, with the index, time and coding of this one.

        Args:
          levels: `[height, width]` float32, 0 (black) to 1 (white).
        """
        highest, dtype = 2**self.coding.bits - 1, self.coding.dtype
        if self.coding.is_rgb:
            plane = np.round(levels * highest).astype(dtype)
            return self._with_planes([np.repeat(plane[..., None], 3, -1)])
        luma = np.round(self.coding.black_level + 255 * self.coding.luma_scale * levels)
        chroma = [np.full_like(plane, highest // 2 + 1) for plane in self.planes[1:]]
        return self._with_planes([luma.astype(dtype), *chroma])

    def beside(self, *others: CodedFrame) -> CodedFrame:
        """Joins this frame and others, left to right; all have the same size and coding."""
        planes = zip(self.planes, *(other.planes for other in others), strict=True)
        return self._with_planes([np.hstack(row) for row in planes])

    def _with_planes(self, planes: Sequence[np.ndarray]) -> CodedFrame:
        return CodedFrame(self.index, self.timestamp_us, self.coding, planes)

    def _rgb(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        if self.coding.is_rgb:
            return self._to_uint8(self.planes[0][top:bottom, left:right])
        down, across = self.coding.chroma_steps

        # The part starts at an even row and column, where a chroma sample lies, and has a margin
        # that the chroma inside is interpolated from.
        row, column = (max(first - _MARGIN, 0) // 2 * 2 for first in (top, left))
        low, far = bottom + _MARGIN, right + _MARGIN
        luma = self.planes[0][row:low, column:far]
        chroma_rows = slice(row // down, -(-low // down))
        chroma_columns = slice(column // across, -(-far // across))
        chroma = [
            _upsample_chroma(plane[chroma_rows, chroma_columns], luma.shape, down, across)
            for plane in self.planes[1:]
        ]

        # The margin is cut off before the colours are converted, which costs most of the time.
        inside = slice(top - row, bottom - row), slice(left - column, right - column)
        yuv = cv2.merge([luma[inside], *(plane[inside] for plane in chroma)])
        return self._to_uint8(cv2.transform(yuv, self.coding.planes_to_rgb))

    def _to_uint8(self, rgb: np.ndarray) -> np.ndarray:
        if rgb.dtype == np.uint8:
            return rgb
        if self.coding.is_rgb:
            return cv2.convertScaleAbs(rgb, alpha=1 / 257)
        # The matrix has scaled the levels to 0..255 already; only overshoots are left.
        return np.minimum(rgb, 255).astype(np.uint8)


def plane_arrays(frame: av.VideoFrame) -> list[np.ndarray]:
    """Returns views of the planes of a frame; writing to them changes the frame."""
    is_rgb, deep = frame.format.is_rgb, frame.format.components[0].bits > 8
    dtype = np.dtype(np.uint16 if deep else np.uint8)
    channels = 3 if is_rgb else 1
    planes = []
    for plane in frame.planes:
        # PyAV's planes have the buffer protocol, which their type does not declare.
        buffer: Any = plane
        # FFmpeg pads each row to `line_size` bytes.
        lines = np.frombuffer(buffer, dtype).reshape(-1, plane.line_size // dtype.itemsize)
        values = lines[: plane.height, : plane.width * channels]
        planes.append(values.reshape(plane.height, -1, 3) if is_rgb else values)
    return planes


def _upsample_chroma(
    plane: np.ndarray, shape: tuple[int, ...], down: int, across: int
) -> np.ndarray:
    """Interpolates a chroma sample for every luma sample: an array of that shape."""
    if down == across == 1:
        return plane
    from_luma = np.array([[1 / across, 0, 0], [0, 1 / down, 0.5 / down - 0.5]])
    return cv2.warpAffine(
        plane,
        from_luma,
        shape[1::-1],
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
