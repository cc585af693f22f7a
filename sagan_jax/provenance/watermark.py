"""An invisible mark in every frame: 64 bits, spread over the middle frequencies of the luma.

A tile of noise, known to whoever has the key, is repeated over the frame. A pilot pattern tells
where the tiles are; sixteen further patterns carry a byte each, by their shift against the pilot
(orthogonal signalling), half of the bytes for Reed-Solomon. The local strength is as high as
structural similarity allows. After direct-sequence spread spectrum with a template (Cox, Miller,
Bloom, "Digital Watermarking and Steganography", 2007) and phase-only matched filtering (Horner
and Gianino, 1984).

The certainty of a finding does not depend on the content of an image: the phases of the pilot are
uniform and independent of the image. For cosines of uniform phases with any weights w,
P(sum > z * sqrt(sum(w**2) / 2)) <= exp(-z**2 / 2), since I_0(x) <= exp(x**2 / 4); a union bound
over all places and scales gives the threshold.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterable

import cv2
import numpy as np
import reedsolo

# Key of the marks that anyone can find; those of a secret key are found by its owner only.
PUBLIC_KEY = "sagan-jax"
FALSE_POSITIVE_RATE = 1e-6
_TILE = 128
# Cycles per pixel. Codecs and downscaling remove what is above the band; the eye sees what is
# below.
_BAND = (0.07, 0.26)
_SYMBOLS, _PAYLOAD_BYTES = 16, 8
# Most of the 16 symbols that are treated as erased: two others may still be wrong, and chance
# passes for a payload once in a thousand.
_MAX_ERASED = 4
# A byte is a shift on a grid of 16 by 16, in steps of pixels.
_GRID, _STEP = 16, _TILE // 16
# Share of the pilot in the energy of the mark.
_PILOT_SHARE = 0.3
# Squared amplitude a, in squared grey levels, where the image is flat, and its rise with the
# variance. Keeps the local SSIM above 0.99: with C2 = 58.5 it is 1 - a / (2 * variance + a + C2).
_FLAT, _BUSY = 0.33, 0.018
# Greatest amplitude, grey levels.
_MAX_AMPLITUDE = 3.0
# Factors of this amplitude: the face is small, and must be found even when it is cut out.
_OUTSIDE, _IN_FACE = 0.72, 1.5
# Side of the blocks whose variance is measured, pixels.
_BLOCK = 8
_COMMON_SCALES = (0.75, 1.5, 0.5, 2.0, 2 / 3, 4 / 3, 0.8, 1.25)
_SCALE_RANGE = (0.45, 2.2)


@dataclasses.dataclass(frozen=True)
class Finding:
    """Result of a search for a mark.

    Attributes:
      found: whether there is one, at `FALSE_POSITIVE_RATE` for the whole search.
      payload: the 64 bits, None if they could not be read.
      strength: z of the pilot; pure chance exceeds z with a probability of at most exp(-z**2 / 2)
        at each place.
      threshold: z that `strength` had to exceed.
      scale: size of the image relative to the size it was marked at.
    """

    found: bool
    payload: int | None
    strength: float
    threshold: float
    scale: float


class Marker:
    """Marks frames of one size.

    Args:
      height: height of the frames, pixels.
      width: width of the frames, pixels.
      payload: number that the mark carries, 0 to 2**64 - 1.
      key: key of the mark.
    """

    def __init__(self, height: int, width: int, payload: int, key: str = PUBLIC_KEY):
        repeats = -(-height // _TILE), -(-width // _TILE)
        self._pattern = np.tile(_tile(payload, key), repeats)[:height, :width].copy()

    def __call__(self, luma: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Returns the mark of a frame, to be added to red, green and blue alike.

        Args:
          luma: `[height, width]` float32 in 0..255.
          alpha: `[height, width]` float32 in 0..1, opacity of the rendered face: the mark is
            stronger there.

        Returns:
          `[height, width]` float32, grey levels.
        """
        share = cv2.scaleAdd(alpha, _IN_FACE - _OUTSIDE, np.full_like(alpha, _OUTSIDE))
        return cv2.multiply(cv2.multiply(_strength(luma), share), self._pattern)


def _strength(luma: np.ndarray) -> np.ndarray:
    """Returns the amplitude that stays invisible, `[H, W]`, for luma `[H, W]`.

    It follows the variance of blocks and is interpolated bilinearly between them.
    """
    height, width = luma.shape
    padded = cv2.copyMakeBorder(luma, 0, -height % _BLOCK, 0, -width % _BLOCK, cv2.BORDER_REPLICATE)
    blocks = padded.shape[1] // _BLOCK, padded.shape[0] // _BLOCK
    mean, square = (
        cv2.resize(image, blocks, interpolation=cv2.INTER_AREA)
        for image in (padded, cv2.multiply(padded, padded))
    )
    variance = np.maximum(square - mean * mean, 0)
    amplitude = np.minimum(np.sqrt(_FLAT + _BUSY * variance), _MAX_AMPLITUDE)
    return cv2.resize(amplitude, padded.shape[1::-1], interpolation=cv2.INTER_LINEAR)[
        :height, :width
    ]


def find(frames: Iterable[np.ndarray], key: str = PUBLIC_KEY) -> Finding:
    """Searches a video or an image, resized and cropped in any way, for a mark.

    Args:
      frames: `[H, W, 3]` uint8 RGB, all of one size; their sum is examined.
      key: key of the mark.

    Raises:
      ValueError: if there is no frame.
    """
    total = sum((_whiten(frame) for frame in frames), np.zeros((), np.float32))
    if not total.ndim:
        raise ValueError("no frame to look at")
    best = Finding(False, None, 0.0, 0.0, 1.0)
    for scale, threshold in _search(max(total.shape)):
        spectrum = _band() * np.fft.rfft2(_fold(total, scale))
        strength, offset = _peak(_match(spectrum, _patterns(key)[0]))
        if strength - threshold > best.strength - best.threshold or not best.threshold:
            found = strength > threshold
            payload = _read(spectrum, offset, key) if found else None
            best = Finding(found, payload, strength, threshold, scale)
        if best.payload is not None and scale != best.scale:
            # The payload was read at the scale before, and this neighbour fits no better.
            break
    return best


def _search(side: int) -> list[tuple[float, float]]:
    """Returns the scales to search for an image of this longer side, and the z needed at each.

    Half of the permitted false positives go to the original size, a quarter to a few common
    sizes, and the rest to a grid so fine that the tile at the far end of the image still fits.
    """
    low, high = _SCALE_RANGE
    count = math.ceil(math.log(high / low) * side / 1.25)
    tiers = (((1.0,), 0.5), (_COMMON_SCALES, 0.25), (np.geomspace(low, high, count).tolist(), 0.25))
    return [
        (scale, math.sqrt(2 * math.log(_TILE**2 * len(scales) / (share * FALSE_POSITIVE_RATE))))
        for scales, share in tiers
        for scale in scales
    ]


def _whiten(frame: np.ndarray) -> np.ndarray:
    """Returns luma without its coarse parts, at equal contrast everywhere, `[H, W]` float32."""
    luma = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), 2)
    contrast = np.sqrt(cv2.GaussianBlur(np.square(fine), (0, 0), 4))
    return np.clip(fine / (contrast + 0.5), -2, 2)


def _fold(white: np.ndarray, scale: float) -> np.ndarray:
    """Sums all tiles of an image, resized to the size it was marked at, `[128, 128]`."""
    size = [max(round(side / scale), 1) for side in white.shape]
    interpolation = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    image = cv2.resize(white, size[::-1], interpolation=interpolation)
    padded = np.pad(image, [(0, -side % _TILE) for side in size])
    rows, columns = (side // _TILE for side in padded.shape)
    return padded.reshape(rows, _TILE, columns, _TILE).sum((0, 2))


def _peak(field: np.ndarray) -> tuple[float, tuple[int, int]]:
    """Returns the greatest value of a field, and its row and column."""
    row, column = np.unravel_index(field.argmax(), field.shape)
    return float(field.max()), (int(row), int(column))


def _match(spectrum: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Returns z of a pattern at every shift, `[128, 128]`.

    Frequencies are weighted by the root of their amplitude in the image, which finds a little
    more than equal weights (z 17.7 against 17.1 after H.264 at CRF 23).
    """
    weight = np.sqrt(np.abs(spectrum))
    ours = np.fft.rfft2(pattern)
    phase = spectrum * np.conj(ours) / np.maximum(np.abs(spectrum) * np.abs(ours), 1e-12)
    # irfft2 adds every frequency and its mirror image: twice the sum of the cosines.
    cosines = np.fft.irfft2(weight * phase, (_TILE, _TILE)) * _TILE**2 / 2
    return cosines / np.sqrt(np.square(weight).sum() / 2 + 1e-12)


def _read(spectrum: np.ndarray, offset: tuple[int, int], key: str) -> int | None:
    """Reads the payload of a mark whose pilot was found at an offset; None if it is unreadable."""
    symbols, confidence = [], []
    for pattern in _patterns(key)[1:]:
        field = np.roll(_match(spectrum, pattern), (-offset[0], -offset[1]), (0, 1))
        candidates = field[::_STEP, ::_STEP].ravel()
        symbols.append(int(candidates.argmax()))
        second, first = np.partition(candidates, -2)[-2:]
        confidence.append(first - second)
    # Symbols whose best two shifts are about equal are the likeliest to be wrong. Reed-Solomon
    # corrects twice as many errors where it knows the places, so these are declared erased.
    doubtful = np.argsort(confidence)
    for erased in (0, 2, _MAX_ERASED):
        try:
            decoded = _code().decode(bytes(symbols), erase_pos=doubtful[:erased].tolist())[0]
        except reedsolo.ReedSolomonError:
            continue
        return int.from_bytes(decoded, "big")
    return None


def _code() -> reedsolo.RSCodec:
    return reedsolo.RSCodec(_SYMBOLS - _PAYLOAD_BYTES)


def _tile(payload: int, key: str) -> np.ndarray:
    """Returns the tile that carries a payload, `[128, 128]` float32 of unit variance."""
    symbols = _code().encode(payload.to_bytes(_PAYLOAD_BYTES, "big"))
    pilot, *carriers = _patterns(key)
    shifted = [
        np.roll(carrier, (_STEP * (symbol // _GRID), _STEP * (symbol % _GRID)), (0, 1))
        for carrier, symbol in zip(carriers, symbols, strict=True)
    ]
    tile = math.sqrt(_PILOT_SHARE) * pilot + math.sqrt((1 - _PILOT_SHARE) / _SYMBOLS) * sum(shifted)
    return (tile / tile.std()).astype(np.float32)


@functools.cache
def _patterns(key: str) -> np.ndarray:
    """Returns pilot and carriers, `[17, 128, 128]`.

    They hold all frequencies of the band, with phases that are uniform to whoever lacks the key.
    """
    # A hash gives the same numbers everywhere, now and with later versions of NumPy.
    shape = (1 + _SYMBOLS, _TILE, _TILE // 2 + 1)
    random = hashlib.shake_256(key.encode()).digest(4 * math.prod(shape))
    turns = np.frombuffer(random, "<u4").reshape(shape) / 2**32
    waves = np.fft.irfft2(np.exp(2j * np.pi * turns) * _band(), (_TILE, _TILE))
    return waves / waves.std((1, 2), keepdims=True)


@functools.cache
def _band() -> np.ndarray:
    """Mask of the frequencies that carry the mark, `[128, 65]` bool, none of them twice."""
    rows, columns = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None]
    radius = np.hypot(rows, columns)
    return (radius >= _BAND[0]) & (radius <= _BAND[1]) & (columns > 0)
