"""MTCNN face detection for batches of frames, compiled once a video size.

The networks run under `jit` on fixed shapes: every level of the pyramid has one, candidates
of the second and third stage come in fixed, padded chunks. Choosing among the candidates
between the stages works on a few small arrays and stays in NumPy. Same pyramid, crops and
thresholds as the `mtcnn` package, hence the same boxes.
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

_CELL = 12
_STRIDE = 2

# A compiled program: arrays to arrays, all with a leading axis of the same length.
# Arrays of a batch, or lists of them, to arrays of the same batch.
_Program = Callable[[Any], Sequence[jax.Array]]


@dataclasses.dataclass(frozen=True)
class DetectorSettings:
    """How faces are looked for.

    Attributes:
      min_face_size: smallest face, pixels.
      scale_factor: between levels of the pyramid.
      thresholds: least probability in the three stages.
      batch: frames handled together.
    """

    min_face_size: int = 20
    scale_factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    batch: int = 8


@dataclasses.dataclass(frozen=True)
class _Launch:
    """How much one device gets at once.

    Attributes:
      frames: through the pyramid and P-Net.
      chunks: candidates through R-Net and O-Net, normally and when few are left.
    """

    frames: int
    chunks: tuple[int, int]


# On a CPU what is computed together must fit its cache: O-Net takes 0.45 ms a candidate in
# chunks of 16, 0.8 ms in chunks of 64.
_ON_CPU = _Launch(frames=1, chunks=(32, 8))
_ELSEWHERE = _Launch(frames=8, chunks=(128, 16))


class Detector:
    """MTCNN for frames of one size.

    Args:
      height: of the frames, pixels.
      width: of the frames, pixels.
      settings: how faces are looked for.
      devices: share the frames and the candidates. By default all local accelerators, or one
        CPU device, since several are the same cores.
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
        self._launch = _ON_CPU if devices[0].platform == "cpu" else _ELSEWHERE
        self._grid = _Grid(height, width, settings)
        arrays = weights.load_mtcnn()
        heights, widths = zip(*self._grid.shapes, strict=True) if self._grid.shapes else ((), ())
        self._rows = _compile(lambda x: image_pyramid.shrink_rows(x, heights), devices)
        self._columns = _compile(lambda x: image_pyramid.shrink_columns(x, widths), devices)
        self._pnet = _compile(_proposals(variables(arrays["pnet"])), devices)
        self._rnet = _compile(_network(RNet(), variables(arrays["rnet"], 32)), devices)
        self._onet = _compile(_network(ONet(), variables(arrays["onet"])), devices)
        self._devices = len(devices)

    def __call__(self, images: np.ndarray) -> list[list[Detection]]:
        """Finds the faces of any number of frames.

        Args:
          images: `[N, height, width, 3]` uint8 RGB.

        Returns:
          For each frame its faces, surest first.
        """
        batch = self._settings.batch
        parts = [self._detect(images[i : i + batch]) for i in range(0, len(images), batch)]
        return list(itertools.chain.from_iterable(parts))

    def _detect(self, images: np.ndarray) -> list[list[Detection]]:
        _, second, third = self._settings.thresholds
        owners, boxes = self._propose(images)
        owners, boxes, _ = self._refine(images, owners, boxes, self._rnet, 24, second)
        kept = _suppress_each(owners, boxes, 0.7)
        owners, boxes = owners[kept], _square(boxes[kept])
        owners, boxes, points = self._refine(images, owners, boxes, self._onet, 48, third)
        kept = _suppress_each(owners, boxes, 0.7, of_smaller=True)
        found: list[list[Detection]] = [[] for _ in images]
        for owner, box, five in zip(owners[kept], boxes[kept], points[kept], strict=True):
            found[owner].append(
                Detection(box[:4].astype(np.float32), float(box[4]), five.astype(np.float32))
            )
        return found

    def _propose(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Square candidates of the first stage.

        Returns:
          Their frames `[M]`, ascending, and themselves `[M, 5]` (box, score).
        """
        group = self._launch.frames * self._devices
        # One after the other: levels of several frames at a time would leave the cache.
        outputs = itertools.chain.from_iterable(
            zip(*jax.device_get(self._pnet(self._columns(self._rows(part)))), strict=True)
            for part in (
                _padded(images[i : i + group], group) for i in range(0, len(images), group)
            )
        )
        found = [
            self._grid.candidates(offsets, scores)
            for (offsets, scores), _ in zip(outputs, images, strict=False)
        ]
        owners = np.repeat(np.arange(len(found)), [len(boxes) for boxes in found])
        return owners, _square(np.concatenate(found))

    def _refine(
        self,
        images: np.ndarray,
        owners: np.ndarray,
        boxes: np.ndarray,
        network: _Program,
        size: int,
        threshold: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Candidates of all frames through the second or third network.

        Returns:
          Of the surviving candidates the frames `[M]`, the boxes `[M, 5]`, moved, with their
          new score, and the points `[M, 5, 2]` (not a number for the second network).
        """
        if not len(boxes):
            return owners, boxes, np.empty((0, 5, 2))
        offsets, *shares, scores = self._in_chunks(network, _crops(images, owners, boxes, size))
        sure = scores > threshold
        boxes, offsets = boxes[sure], offsets[sure]
        # The networks were trained on boxes whose last pixel counts.
        extent = boxes[:, 2:4] - boxes[:, :2] + 1
        moved = np.column_stack([boxes[:, :4] + offsets * np.tile(extent, 2), scores[sure]])
        points = np.full((len(boxes), 5, 2), np.nan)
        if shares:
            of_box = shares[0][sure].reshape(-1, 2, 5).transpose(0, 2, 1)
            points = of_box * extent[:, None] + boxes[:, None, :2] - 1
        return owners[sure], moved, points

    def _in_chunks(self, network: _Program, crops: np.ndarray) -> list[np.ndarray]:
        """Any number of candidates through a network that knows two."""
        sizes = [size * self._devices for size in self._launch.chunks]
        spans = list(_spans(len(crops), *sizes))
        launched = [network(_padded(crops[i:end], size)) for i, end, size in spans]
        outputs = [
            [out[: end - i] for out in jax.device_get(one)]
            for one, (i, end, _) in zip(launched, spans, strict=True)
        ]
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


class _Grid:
    """Where the cells of all levels of the pyramid lie, one after the other.

    Attributes:
      shapes: height and width of each level, pixels.
    """

    def __init__(self, height: int, width: int, settings: DetectorSettings):
        scales = pyramid_scales(height, width, settings)
        self._threshold = settings.thresholds[0]
        self.shapes = [(int(height * scale), int(width * scale)) for scale in scales]
        cells = [np.indices(mtcnn_networks.pnet_cells(*shape)).reshape(2, -1)[::-1].T
                 for shape in self.shapes]  # fmt: skip
        corner = np.concatenate([np.empty((0, 2)), *cells]) * _STRIDE
        # The package counts a cell from its first to its last pixel, from 1.
        self._boxes = np.concatenate([corner + 1, corner + _CELL], -1)
        self._levels = np.repeat(np.arange(len(scales)), [len(level) for level in cells])
        self._scales = scales[self._levels, None]

    def candidates(self, offsets: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Boxes `[M, 5]` of one frame, from P-Net's offsets `[cells, 4]` and scores `[cells]`."""
        sure = np.flatnonzero(scores > self._threshold)
        boxes = (self._boxes[sure] + offsets[sure] * (_CELL - 1)) / self._scales[sure]
        scored = np.column_stack([boxes, scores[sure]])
        # Level by level and in this order, as in the package: many cells are exactly equally
        # sure, and which of them stays follows from the order.
        levels = [scored[self._levels[sure] == level] for level in range(len(self.shapes))]
        best = np.concatenate([scored[:0], *(level[suppress(level, 0.5)] for level in levels)])
        return best[suppress(best, 0.7)]


def pyramid_scales(height: int, width: int, settings: DetectorSettings) -> np.ndarray:
    """Scales at which the smallest to the largest face is as large as P-Net's cell."""
    largest = _CELL / settings.min_face_size
    steps = np.log(_CELL / (min(height, width) * largest)) / np.log(settings.scale_factor)
    return largest * settings.scale_factor ** np.arange(max(int(np.floor(steps)) + 1, 0))


def suppress(boxes: np.ndarray, threshold: float, *, of_smaller: bool = False) -> np.ndarray:
    """Non-maximum suppression as in the `mtcnn` package: a box falls if any surer box, kept
    or not, overlaps it.

    Args:
      boxes: `[M, 5]`, the last column the score.
      threshold: largest overlap.
      of_smaller: overlap as share of the smaller box and not of the union.

    Returns:
      Indices of the boxes that stay, surest first.
    """
    order = np.argsort(boxes[:, 4])[::-1]
    left, top, right, bottom, _ = boxes[order].T
    width = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    height = np.minimum.outer(bottom, bottom) - np.maximum.outer(top, top)
    both = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left) * (bottom - top)
    smaller = np.minimum.outer(area, area)
    whole = smaller if of_smaller else np.add.outer(area, area) - both
    return order[~np.triu(both > threshold * whole, 1).any(0)]


def _suppress_each(
    owners: np.ndarray, boxes: np.ndarray, threshold: float, *, of_smaller: bool = False
) -> np.ndarray:
    """Indices of the boxes that stay when those of each frame are suppressed by themselves."""
    kept = [np.empty(0, np.int64)]
    for owner in np.unique(owners):
        mine = np.flatnonzero(owners == owner)
        kept.append(mine[suppress(boxes[mine], threshold, of_smaller=of_smaller)])
    return np.concatenate(kept)


def _default_devices() -> list[jax.Device]:
    devices = jax.local_devices()
    return devices[:1] if devices[0].platform == "cpu" else devices


def _compile(function: _Program, devices: Sequence[jax.Device]) -> _Program:
    """A program of which each device computes its share."""
    mesh = jax.sharding.Mesh(np.array(devices), ("data",))
    share = jax.P("data")
    each = jax.shard_map(function, mesh=mesh, in_specs=share, out_specs=share)
    return jax.jit(each, in_shardings=jax.NamedSharding(mesh, share))


def _proposals(params: Any) -> _Program:
    """P-Net on all levels: `[N, h, w, 3]` each to offsets `[N, cells, 4]`, scores `[N, cells]`."""

    def propose(levels: list[jax.Array]) -> Sequence[jax.Array]:
        found = [PNet().apply(params, _normalise(level)) for level in levels]
        offsets = [level.reshape(len(level), -1, 4) for level, _ in found]
        scores = [level.reshape(len(level), -1) for _, level in found]
        return jnp.concatenate(offsets, 1), jnp.concatenate(scores, 1)

    return propose


def _network(module: nn.Module, params: Any) -> _Program:
    return lambda crops: module.apply(params, _normalise(crops.astype(jnp.float32)))


def _normalise(image: jax.Array) -> jax.Array:
    return (image - 127.5) * (1 / 128)


def _spans(count: int, large: int, small: int) -> Iterator[tuple[int, int, int]]:
    """Start, end and padded size of the chunks of `count` candidates."""
    start = 0
    while start < count:
        size = large if 2 * (count - start) > large else small
        yield start, min(start + size, count), size
        start += size


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    if len(images) == count:
        return images
    return np.concatenate(
        [images, np.zeros((count - len(images), *images.shape[1:]), images.dtype)]
    )


def _square(boxes: np.ndarray) -> np.ndarray:
    """Boxes widened to squares about their centres."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(-1, keepdims=True) / 2
    return np.column_stack([centre - half, centre + half, boxes[:, 4]])


def _crops(images: np.ndarray, owners: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """The boxes at the size of a network, sampled as `tf.image.crop_and_resize` does.

    The grid has its first and last sample on the edges of the box, whose coordinates count
    shares of the frame less one pixel. Outside the frame is mid-grey.

    Returns:
      `[M, size, size, 3]` uint8: what rounding changes moves the points by 0.01 px.
    """
    edge = np.array(images.shape[2:0:-1])
    first = boxes[:, :2] * (edge - 1) / edge
    step = (boxes[:, 2:4] - boxes[:, :2]) * (edge - 1) / edge / (size - 1)
    transforms = np.zeros((len(boxes), 2, 3))
    transforms[:, [0, 1], [0, 1]], transforms[:, :, 2] = step, first
    crops = np.empty((len(boxes), size, size, 3), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for crop, owner, transform in zip(crops, owners, transforms, strict=True):
        cv2.warpAffine(images[owner], transform, (size, size), crop, flags, cv2.BORDER_REPLICATE)
    samples = first[:, None] + step[:, None] * np.arange(size)[:, None]
    outside = (samples < 0) | (samples > edge - 1)
    for index in np.flatnonzero(outside.any((1, 2))):
        columns, rows = outside[index].T
        crops[index, :, columns] = crops[index, rows] = 128
    return crops
