"""How the pixels of a coded frame are stored."""

from __future__ import annotations

import dataclasses
import functools

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace

# Weights of red and blue in the luma; that of green is the rest to 1.
_LUMA_WEIGHTS = {
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.FCC: (0.30, 0.11),
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.SMPTE240M: (0.212, 0.087),
    Colorspace.BT2020: (0.2627, 0.0593),
}


@dataclasses.dataclass(frozen=True)
class PixelCoding:
    """How the pixels of a frame are coded: its planes, their bits and their colour matrix.

    Attributes:
      name: FFmpeg's name of the pixel format: a planar YUV one, "rgb24" or "rgb48le".
      matrix: colour matrix between RGB and luma and chroma.
      full_range: whether luma spans all levels, and not only 16 to 235 of 256.
    """

    name: str
    matrix: Colorspace = Colorspace.ITU709
    full_range: bool = False

    @property
    def is_rgb(self) -> bool:
        """Whether a frame has one plane of red, green and blue instead of luma and chroma."""
        return self._format.is_rgb

    @property
    def bits(self) -> int:
        """Bits of one colour component, 8 to 16."""
        return self._format.components[0].bits

    @property
    def dtype(self) -> type[np.generic]:
        """NumPy type of the planes: uint8 for 8 bits, uint16 for more."""
        return np.uint8 if self.bits == 8 else np.uint16

    @property
    def chroma_steps(self) -> tuple[int, int]:
        """Luma rows and luma columns that share one chroma sample: `(2, 2)` for 4:2:0."""
        return 2 // self._format.chroma_height(2), 2 // self._format.chroma_width(2)

    @property
    def black_level(self) -> float:
        """Level of black in the luma plane."""
        return 0.0 if self.full_range else 16.0 * 2 ** (self.bits - 8)

    @property
    def luma_scale(self) -> float:
        """Levels of the luma plane in one step of luma in 0..255."""
        if self.full_range:
            return (2**self.bits - 1) / 255
        return 219 / 255 * 2 ** (self.bits - 8)

    @functools.cached_property
    def rgb_to_planes(self) -> np.ndarray:
        """Matrix `[3, 3]` from a change of RGB (0..255) to that of the planes' levels."""
        red, blue = _LUMA_WEIGHTS[self.matrix]
        luma = np.array([red, 1 - red - blue, blue])
        # Each chroma plane holds blue or red minus luma, scaled to half its range on either side.
        chroma = [(np.eye(3)[i] - luma) / (2 * (1 - luma[i])) for i in (2, 0)]
        scale = self.luma_scale if self.full_range else 224 / 255 * 2 ** (self.bits - 8)
        return np.stack([self.luma_scale * luma, *(scale * row for row in chroma)])

    @functools.cached_property
    def planes_to_rgb(self) -> np.ndarray:
        """Matrix `[3, 4]` from the planes' levels to RGB (0..255); the last column is an offset."""
        matrix = np.linalg.inv(self.rgb_to_planes)
        grey = 2.0 ** (self.bits - 1)
        return np.column_stack([matrix, -matrix @ [self.black_level, grey, grey]])

    def levels(self, image: np.ndarray) -> list[np.ndarray]:
        """Converts an RGB image to the levels of the planes.

        Args:
          image: `[h, w, 3]` float32 in 0..1.

        Returns:
          One float32 array per plane, not rounded; chroma has the size of the image, too.
        """
        if self.is_rgb:
            return [image * np.float32(2**self.bits - 1)]
        grey = 2.0 ** (self.bits - 1)
        matrix = np.column_stack([255 * self.rgb_to_planes, [self.black_level, grey, grey]])
        return list(cv2.split(cv2.transform(image, matrix)))

    def plane_transform(self, index: int, transform: np.ndarray) -> np.ndarray:
        """Converts a transform of frame pixels to one of the pixels of a plane.

        Args:
          index: number of the plane; 0 is luma, or RGB.
          transform: `[2, 3]` from frame pixels to somewhere.

        Returns:
          `[2, 3]` float64 from pixels of that plane to the same place.
        """
        down, across = self.chroma_steps if index else (1, 1)
        # A chroma sample lies beside the left luma of its pair and between two rows.
        siting = np.array([[across, 0, 0], [0, down, 0.5 * (down - 1)], [0, 0, 1]])
        return transform.astype(np.float64) @ siting

    @property
    def _format(self) -> av.VideoFormat:
        return av.VideoFormat(self.name)
