"""MTCNN face detection for batches of frames, compiled once per frame size.

P-Net proposes candidates on all levels of an image pyramid, R-Net and O-Net refine them. The
networks run under `jit` on fixed shapes: each pyramid level has one, and the candidates of the
second and third stage come in padded chunks of two sizes. Between the stages, non-maximum
suppression works on a few small arrays and stays in NumPy. Pyramid, crops and thresholds are those
of the `mtcnn` package, hence so are the boxes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from data_prep import weights
from data_prep.detection import image_pyramid, mtcnn_networks
from data_prep.detection.mtcnn_networks import ONet, PNet, RNet, variables
from data_prep.records import Detection

# P-Net sees cells of this many pixels, this many pixels apart.
_CELL = 12
_STRIDE = 2
# Sides of the crops that R-Net and O-Net take, pixels.
_RNET_SIZE, _ONET_SIZE = 24, 48
# Largest overlaps that non-maximum suppression leaves: within a level of the pyramid, and between
# the candidates of a frame after each stage.
_LEVEL_OVERLAP, _FRAME_OVERLAP = 0.5, 0.7
# Grey of the pixels outside the frame, the middle of 0..255.
_OUTSIDE = 128

# Batched arrays, or lists of them, to arrays with the same leading axis.
_Program = Callable[[Any], Sequence[jax.Array]]


@dataclasses.dataclass(frozen=True)
class DetectorSettings:
    """Settings of the face detector.

    Attributes:
      min_face_size: side of the smallest face to find, pixels.
      scale_factor: ratio of the sizes of neighbouring pyramid levels, 0..1.
      thresholds: least face probability in each of the three stages, 0..1.
      batch: number of frames handled together.
    """

    min_face_size: int = 20
    scale_factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    batch: int = 8


@dataclasses.dataclass(frozen=True)
class _BatchSizes:
    """Sizes of the batches that one device computes at once.

    Attributes:
      frames: number of frames through the pyramid and P-Net.
      chunks: number of candidates through R-Net and O-Net, normally and when few are left.
    """

    frames: int
    chunks: tuple[int, int]


# On a CPU, a batch must fit the cache: O-Net takes 0.45 ms per candidate in chunks of 16, 0.8 ms
# in chunks of 64.
_ON_CPU = _BatchSizes(frames=1, chunks=(32, 8))
_ON_ACCELERATOR = _BatchSizes(frames=8, chunks=(128, 16))


class Detector:
    """MTCNN face detector for frames of one size.

    Args:
      height: height of the frames, pixels.
      width: width of the frames, pixels.
      settings: sizes and thresholds.
      devices: devices among which frames and candidates are split. By default all local
        accelerators, or one CPU device, since several CPU devices are the same cores.
    """

    def __init__(
        self,
        height: int,
        width: int,
        settings: DetectorSettings = DetectorSettings(),
        devices: Sequence[jax.Device] | None = None,
    ):
        self._settings = settings
        devices = devices or _default_devices()
        self._devices = len(devices)
        self._batch_sizes = _ON_CPU if devices[0].platform == "cpu" else _ON_ACCELERATOR
        self._grid = _CellGrid(height, width, settings)
        arrays = weights.load_mtcnn()
        heights = [level_height for level_height, _ in self._grid.shapes]
        widths = [level_width for _, level_width in self._grid.shapes]
        # Two programs, since XLA would fuse them into one that takes twice the time.
        self._rows = _compile(lambda x: image_pyramid.shrink_rows(x, heights), devices)
        self._columns = _compile(lambda x: image_pyramid.shrink_columns(x, widths), devices)
        self._pnet = _compile(_pnet_on_levels(variables(arrays["pnet"])), devices)
        self._rnet = _compile(_network(RNet(), variables(arrays["rnet"], 32)), devices)
        self._onet = _compile(_network(ONet(), variables(arrays["onet"])), devices)

    def __call__(self, images: np.ndarray) -> list[list[Detection]]:
        """Detects the faces of any number of frames.

        Args:
          images: `[N, height, width, 3]` uint8 RGB.

        Returns:
          The faces of each frame, highest score first.
        """
        batch = self._settings.batch
        parts = [self._detect(images[i : i + batch]) for i in range(0, len(images), batch)]
        return list(itertools.chain.from_iterable(parts))

    def _detect(self, images: np.ndarray) -> list[list[Detection]]:
        """Runs the three stages on one batch of frames."""
        _, second, third = self._settings.thresholds
        owners, boxes = self._propose(images)
        owners, boxes, _ = self._refine(images, owners, boxes, self._rnet, _RNET_SIZE, second)
        kept = _suppress_by_frame(owners, boxes)
        # The networks only know squares; O-Net's boxes are the result and keep their shape.
        owners, boxes = owners[kept], _square(boxes[kept])
        owners, boxes, points = self._refine(images, owners, boxes, self._onet, _ONET_SIZE, third)
        kept = _suppress_by_frame(owners, boxes, of_smaller=True)
        detections: list[list[Detection]] = [[] for _ in images]
        for owner, box, five_points in zip(owners[kept], boxes[kept], points[kept], strict=True):
            detections[owner].append(
                Detection(box[:4].astype(np.float32), float(box[4]), five_points.astype(np.float32))
            )
        return detections

    def _propose(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the first stage: pyramid and P-Net.

        Returns:
          The frame of each candidate `[M]`, ascending, and the candidates `[M, 5]` (square box,
          score).
        """
        group = self._batch_sizes.frames * self._devices
        candidates: list[np.ndarray] = []
        # One group after the other: the levels of more frames at a time would leave the cache.
        for start in range(0, len(images), group):
            frames = images[start : start + group]
            levels = self._columns(self._rows(_padded(frames, group)))
            offsets, scores = jax.device_get(self._pnet(levels))
            candidates += map(self._grid.candidates, offsets[: len(frames)], scores)
        owners = np.repeat(np.arange(len(candidates)), [len(boxes) for boxes in candidates])
        return owners, _square(np.concatenate(candidates))

    def _refine(
        self,
        images: np.ndarray,
        owners: np.ndarray,
        boxes: np.ndarray,
        network: _Program,
        size: int,
        threshold: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Runs the second or third stage on the candidates of all frames.

        Args:
          images: the frames.
          owners: `[M]`, index of each candidate's frame.
          boxes: `[M, 5]`, the candidates.
          network: R-Net or O-Net.
          size: side of the network's input, pixels.
          threshold: least score of a candidate that survives.

        Returns:
          The frames `[M]`, the moved boxes `[M, 5]` with their new score and the points
          `[M, 5, 2]` of the surviving candidates; R-Net gives no points, only NaN.
        """
        if not len(boxes):
            return owners, boxes, np.empty((0, 5, 2))
        offsets, *shares, scores = self._in_chunks(network, _crops(images, owners, boxes, size))
        survives = scores > threshold
        boxes, offsets = boxes[survives], offsets[survives]
        # The networks were trained on boxes whose last pixel counts, hence the + 1.
        extent = boxes[:, 2:4] - boxes[:, :2] + 1
        moved = np.column_stack([boxes[:, :4] + offsets * np.tile(extent, 2), scores[survives]])
        points = np.full((len(boxes), 5, 2), np.nan)
        if shares:
            # O-Net gives five x, then five y, as shares of the box before it is moved.
            points_in_box = shares[0][survives].reshape(-1, 2, 5).transpose(0, 2, 1)
            points = points_in_box * extent[:, None] + boxes[:, None, :2] - 1
        return owners[survives], moved, points

    def _in_chunks(self, network: _Program, crops: np.ndarray) -> list[np.ndarray]:
        """Runs any number of candidates through a network compiled for two batch sizes."""
        sizes = [size * self._devices for size in self._batch_sizes.chunks]
        chunks = list(_chunks(len(crops), *sizes))
        # All chunks are launched before the first result is waited for.
        launched = [network(_padded(crops[start:end], size)) for start, end, size in chunks]
        outputs = [
            [array[: end - start] for array in jax.device_get(arrays)]
            for arrays, (start, end, _) in zip(launched, chunks, strict=True)
        ]
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


class _CellGrid:
    """Positions in the frame of P-Net's cells, all levels of the pyramid one after the other.

    Attributes:
      shapes: height and width of each level, pixels.
    """

    def __init__(self, height: int, width: int, settings: DetectorSettings):
        scales = pyramid_scales(height, width, settings)
        self._threshold = settings.thresholds[0]
        self.shapes = [(int(height * scale), int(width * scale)) for scale in scales]
        cells = []
        for shape in self.shapes:
            rows_and_columns = np.indices(mtcnn_networks.pnet_cells(*shape)).reshape(2, -1)
            cells.append(rows_and_columns[::-1].T)
        # The empty array gives the result its shape when a frame is too small for any level.
        corner = np.concatenate([np.empty((0, 2)), *cells]) * _STRIDE
        # The package numbers pixels from 1, and a cell's box ends at its last pixel.
        self._boxes = np.concatenate([corner + 1, corner + _CELL], -1)
        self._levels = np.repeat(np.arange(len(scales)), [len(level) for level in cells])
        self._scales = scales[self._levels, None]

    def candidates(self, offsets: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Selects the candidates of one frame.

        Args:
          offsets: `[cells, 4]`, P-Net's box offsets.
          scores: `[cells]`, P-Net's face probabilities.

        Returns:
          `[M, 5]` (box in frame pixels, score), highest score first.
        """
        likely = np.flatnonzero(scores > self._threshold)
        boxes = (self._boxes[likely] + offsets[likely] * (_CELL - 1)) / self._scales[likely]
        scored = np.column_stack([boxes, scores[likely]])
        # Level by level and in this order, like the package: many cells have exactly equal
        # scores, and the order decides which of them is kept.
        kept = [scored[:0]]
        for level in range(len(self.shapes)):
            in_level = scored[self._levels[likely] == level]
            kept.append(in_level[suppress(in_level, _LEVEL_OVERLAP)])
        best = np.concatenate(kept)
        return best[suppress(best, _FRAME_OVERLAP)]


def pyramid_scales(height: int, width: int, settings: DetectorSettings) -> np.ndarray:
    """Returns the scales `[L]` at which the smallest to the largest face fills P-Net's cell."""
    largest = _CELL / settings.min_face_size
    steps = np.log(_CELL / (min(height, width) * largest)) / np.log(settings.scale_factor)
    return largest * settings.scale_factor ** np.arange(max(int(np.floor(steps)) + 1, 0))


def suppress(boxes: np.ndarray, threshold: float, *, of_smaller: bool = False) -> np.ndarray:
    """Applies non-maximum suppression the way the `mtcnn` package does.

    A box is dropped if any box with a higher score overlaps it, even one that is dropped itself.

    Args:
      boxes: `[M, 5]`, the last column the score.
      threshold: largest overlap of two boxes that both stay, 0..1.
      of_smaller: whether overlap is a share of the smaller box rather than of the union.

    Returns:
      Indices of the boxes that stay, highest score first.
    """
    order = np.argsort(boxes[:, 4])[::-1]
    left, top, right, bottom, _ = boxes[order].T
    width = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    height = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    intersection = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left) * (bottom - top)
    if of_smaller:
        reference = np.minimum.outer(area, area)
    else:
        reference = np.add.outer(area, area) - intersection
    # The upper triangle pairs each box (column) with those of higher score (rows).
    return order[~np.triu(intersection > threshold * reference, 1).any(0)]


def _suppress_by_frame(
    owners: np.ndarray, boxes: np.ndarray, *, of_smaller: bool = False
) -> np.ndarray:
    """Returns the indices of the boxes that stay when each frame is suppressed by itself."""
    kept = [np.empty(0, np.int64)]
    for owner in np.unique(owners):
        in_frame = np.flatnonzero(owners == owner)
        kept.append(in_frame[suppress(boxes[in_frame], _FRAME_OVERLAP, of_smaller=of_smaller)])
    return np.concatenate(kept)


def _default_devices() -> list[jax.Device]:
    devices = jax.local_devices()
    return devices[:1] if devices[0].platform == "cpu" else devices


def _compile(function: _Program, devices: Sequence[jax.Device]) -> _Program:
    """Compiles a function so that each device computes an equal part of the leading axis."""
    devices_mesh = jax.sharding.Mesh(np.array(devices), ("data",))
    spec = jax.P("data")
    per_device = jax.shard_map(function, mesh=devices_mesh, in_specs=spec, out_specs=spec)
    return jax.jit(per_device, in_shardings=jax.NamedSharding(devices_mesh, spec))


def _pnet_on_levels(params: Any) -> _Program:
    """Returns P-Net on a list of pyramid levels, each `[N, h, w, 3]`.

    Its outputs are offsets `[N, cells, 4]` and scores `[N, cells]`, all levels in a row.
    """

    def propose(levels: list[jax.Array]) -> Sequence[jax.Array]:
        outputs = [PNet().apply(params, _normalise(level)) for level in levels]
        offsets = [by_cell.reshape(len(by_cell), -1, 4) for by_cell, _ in outputs]
        scores = [by_cell.reshape(len(by_cell), -1) for _, by_cell in outputs]
        return jnp.concatenate(offsets, 1), jnp.concatenate(scores, 1)

    return propose


def _network(module: nn.Module, params: Any) -> _Program:
    """Returns a network on crops `[M, size, size, 3]` uint8."""
    return lambda crops: module.apply(params, _normalise(crops.astype(jnp.float32)))


def _normalise(image: jax.Array) -> jax.Array:
    """Maps 0..255 to the -1..1 that the networks were trained on."""
    return (image - 127.5) * (1 / 128)


def _chunks(count: int, large: int, small: int) -> Iterator[tuple[int, int, int]]:
    """Yields start, end and padded size of the chunks of `count` candidates."""
    start = 0
    while start < count:
        # A large chunk that would be less than half full costs more than a few small ones.
        size = large if 2 * (count - start) > large else small
        yield start, min(start + size, count), size
        start += size


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    """Appends black images up to a count."""
    if len(images) == count:
        return images
    black = np.zeros((count - len(images), *images.shape[1:]), images.dtype)
    return np.concatenate([images, black])


def _square(boxes: np.ndarray) -> np.ndarray:
    """Widens boxes `[M, 5]` to squares about their centres."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(-1, keepdims=True) / 2
    return np.column_stack([centre - half, centre + half, boxes[:, 4]])


def _crops(images: np.ndarray, owners: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Samples the boxes at the input size of a network, like `tf.image.crop_and_resize`.

    The grid has its first and last sample on the edges of the box, whose coordinates are shares of
    the frame less one pixel. Outside the frame is mid-grey.

    Returns:
      `[M, size, size, 3]` uint8; rounding to integers moves the points by 0.01 px.
    """
    # Grid of each box: first sample and step, (x, y) in frame pixels.
    edge = np.array(images.shape[2:0:-1])
    first = boxes[:, :2] * (edge - 1) / edge
    step = (boxes[:, 2:4] - boxes[:, :2]) * (edge - 1) / edge / (size - 1)
    transforms = np.zeros((len(boxes), 2, 3))
    transforms[:, [0, 1], [0, 1]], transforms[:, :, 2] = step, first
    crops = np.empty((len(boxes), size, size, 3), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for crop, owner, transform in zip(crops, owners, transforms, strict=True):
        cv2.warpAffine(images[owner], transform, (size, size), crop, flags, cv2.BORDER_REPLICATE)
    # OpenCV repeats the edges of the frame; whole rows and columns beyond them become grey. A
    # constant border would blend with the frame in the samples next to it.
    samples = first[:, None] + step[:, None] * np.arange(size)[:, None]
    outside = (samples < 0) | (samples > edge - 1)
    for index in np.flatnonzero(outside.any((1, 2))):
        columns, rows = outside[index].T
        crops[index, :, columns] = crops[index, rows] = _OUTSIDE
    return crops
