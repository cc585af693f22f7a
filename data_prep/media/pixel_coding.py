"""How the pixels of a coded frame are stored."""

from __future__ import annotations

import dataclasses
import functools

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace

# Of red and blue in the luma.
_LUMA_WEIGHTS = {
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.FCC: (0.30, 0.11),
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.SMPTE240M: (0.212, 0.087),
    Colorspace.BT2020: (0.2627, 0.0593),
}


@dataclasses.dataclass(frozen=True)
class PixelCoding:
    """How the pixels of a picture are coded.

    Attributes:
      name: FFmpeg's of the pixel format: planar YUV, "rgb24" or "rgb48le".
      matrix: of luma and chroma.
      full_range: whether luma spans all levels, and not 16 to 235 of 256.
    """

    name: str
    matrix: Colorspace = Colorspace.ITU709
    full_range: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether there is one plane of red, green and blue."""
        return self._format.is_rgb

    @property
    def bits(self) -> int:
        """Of a component."""
        return self._format.components[0].bits

    @property
    def dtype(self) -> type[np.generic]:
        """Of the planes."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def steps(self) -> tuple[int, int]:
        """Rows and columns of luma to one of chroma."""
        return 2 // self._format.chroma_height(2), 2 // self._format.chroma_width(2)

    @property
    def luma(self) -> tuple[float, float]:
        """Level of black, and levels of the plane to one of 0..255."""
        if self.full_range:
            return 0.0, (2**self.bits - 1) / 255
        return 16.0 * 2 ** (self.bits - 8), 219 / 255 * 2 ** (self.bits - 8)

    @functools.cached_property
    def from_rgb(self) -> np.ndarray:
        """`[3, 3]`: changes of red, green, blue (0..255) to those of the planes' levels."""
        red, blue = _LUMA_WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        chroma = [(np.eye(3)[i] - luma) / (2 * (1 - luma[i])) for i in (2, 0)]
        span = self.luma[1] if self.full_range else 224 / 255 * 2 ** (self.bits - 8)
        return np.stack([self.luma[1] * luma, *(span * row for row in chroma)])

    @functools.cached_property
    def to_rgb(self) -> np.ndarray:
        """`[3, 4]`: levels of the planes to red, green, blue (0..255), the last an offset."""
        matrix = np.linalg.inv(self.from_rgb)
        grey = 2.0 ** (self.bits - 1)
        return np.column_stack([matrix, -matrix @ [self.luma[0], grey, grey]])

    def levels(self, image: np.ndarray) -> list[np.ndarray]:
        """An image `[h, w, 3]` float32 in 0..1 as levels, one array a plane, chroma not reduced."""
        if self.is_rgb:
            return [image * np.float32(2**self.bits - 1)]
        grey = 2.0 ** (self.bits - 1)
        matrix = np.column_stack([255 * self.from_rgb, [self.luma[0], grey, grey]])
        return list(cv2.split(cv2.transform(image, matrix)))

    def of_plane(self, index: int, transform: np.ndarray) -> np.ndarray:
        """A transform `[2, 3]` of pixels of the picture as one of those of a plane."""
        down, across = self.steps if index else (1, 1)
        sited = np.array([[across, 0, 0], [0, down, 0.5 * (down - 1)], [0, 0, 1]])
        return transform.astype(np.float64) @ sited

    @property
    def _format(self) -> av.VideoFormat:
        return av.VideoFormat(self.name)
