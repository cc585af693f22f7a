"""MTCNN face detection for batches of frames, compiled once a video size.

The networks run under `jit` on fixed shapes: every level of the pyramid has one, candidates
of the second and third stage come in fixed, padded chunks. Selection and non-maximum
suppression between the stages are a few small arrays and stay in NumPy. Same pyramid, crops
and thresholds as the `mtcnn` package, hence the same boxes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from data_prep import mtcnn_networks, weights
from data_prep.mtcnn_networks import ONet, PNet, RNet
from data_prep.records import Detection

_CELL = 12
_STRIDE = 2
# Larger chunks are slower on a CPU: O-Net takes 0.45 ms a candidate at 16, 0.8 at 64.
_CHUNK = 16

# A compiled network: images to its outputs, all with a leading axis of the same length.
_Network = Callable[[np.ndarray], Sequence[jax.Array]]
_Pyramid = Callable[[np.ndarray], list[tuple[jax.Array, jax.Array]]]


@dataclasses.dataclass(frozen=True)
class DetectorSettings:
    """How faces are looked for.

    Attributes:
      min_face_size: smallest face, pixels.
      scale_factor: between levels of the pyramid.
      thresholds: least probability in the three stages.
      batch: frames a call.
    """

    min_face_size: int = 20
    scale_factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    batch: int = 8


class Detector:
    """MTCNN for frames of one size.

    Args:
      height: of the frames, pixels.
      width: of the frames, pixels.
      settings: how faces are looked for.
    """

    def __init__(self, height: int, width: int, settings: DetectorSettings = DetectorSettings()):
        self._settings = settings
        self._scales = pyramid_scales(height, width, settings)
        arrays = weights.load_mtcnn()
        self._pnet = _compile_pyramid(arrays["pnet"], (height, width), self._scales)
        self._rnet = _compile(RNet(), arrays["rnet"])
        self._onet = _compile(ONet(), arrays["onet"])

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
        """One batch, padded to the size that is compiled."""
        count, batch = len(images), self._settings.batch
        padded = np.concatenate([images, np.repeat(images[-1:], batch - count, 0)])
        proposals = self._propose(padded, count)
        frames = images.astype(np.float32)
        refined, _ = self._refine(frames, proposals, self._rnet, 24, self._settings.thresholds[1])
        candidates = [_square(_keep(boxes, 0.7)) for boxes in refined]
        boxes, points = self._refine(
            frames, candidates, self._onet, 48, self._settings.thresholds[2]
        )
        return [_detections(*one) for one in zip(boxes, points, strict=True)]

    def _propose(self, images: np.ndarray, count: int) -> list[np.ndarray]:
        """Square candidates `[M, 5]` (box, score) of the first stage, for each frame."""
        levels = jax.device_get(self._pnet(images))
        proposals = []
        for frame in range(count):
            found = [
                _keep(_cells(offsets[frame], score[frame], scale, self._settings), 0.5)
                for (offsets, score), scale in zip(levels, self._scales, strict=True)
            ]
            proposals.append(_square(_keep(np.concatenate([*found, np.empty((0, 5))]), 0.7)))
        return proposals

    def _refine(
        self,
        frames: np.ndarray,
        proposals: list[np.ndarray],
        network: _Network,
        size: int,
        threshold: float,
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Candidates of all frames through the second or third network.

        Returns:
          For each frame the surviving boxes `[M, 5]`, moved, with their new score, and
          their points `[M, 5, 2]` (empty for the second network).
        """
        owner = np.repeat(np.arange(len(frames)), [len(boxes) for boxes in proposals])
        boxes = np.concatenate(proposals)
        if not len(boxes):
            return proposals, [np.empty((0, 5, 2))] * len(frames)
        crops = np.stack([_crop(frames[f], box, size) for f, box in zip(owner, boxes, strict=True)])
        chunks = [_padded(network, crops[i : i + _CHUNK]) for i in range(0, len(crops), _CHUNK)]
        offsets, *points, score = (np.concatenate(parts) for parts in zip(*chunks, strict=True))
        sure = score > threshold
        owner, boxes, offsets = owner[sure], boxes[sure], offsets[sure]
        # The networks were trained on boxes whose last pixel counts.
        extent = np.tile(boxes[:, 2:4] - boxes[:, :2] + 1, 2)
        moved = np.column_stack([boxes[:, :4] + offsets * extent, score[sure]])
        none = np.empty((len(boxes), 5, 2))
        five = _points(points[0][sure], boxes, extent) if points else none
        each = [owner == frame for frame in range(len(frames))]
        return [moved[mine] for mine in each], [five[mine] for mine in each]


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
    ordered = boxes[order]
    size = np.minimum(ordered[:, None, 2:4], ordered[None, :, 2:4]) - np.maximum(
        ordered[:, None, :2], ordered[None, :, :2]
    )
    both = np.prod(np.maximum(size, 0), -1)
    area = np.prod(ordered[:, 2:4] - ordered[:, :2], -1)
    a, b = area[:, None], area[None, :]
    overlap = both / (np.minimum(a, b) if of_smaller else a + b - both)
    return order[~np.triu(overlap > threshold, 1).any(0)]


def _keep(boxes: np.ndarray, threshold: float) -> np.ndarray:
    return boxes[suppress(boxes, threshold)]


def area_matrix(size: int, new_size: int) -> np.ndarray:
    """Resampling by area as a matrix `[new_size, size]`: each row averages the pixels that
    its output pixel covers (OpenCV's INTER_AREA for shrinking)."""
    edges = np.arange(new_size + 1) * (size / new_size)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(covered, 0) * (new_size / size)).astype(np.float32)


def _compile_pyramid(
    arrays: list[np.ndarray], size: tuple[int, int], scales: np.ndarray
) -> _Pyramid:
    """All levels of a batch in one program: `[N, H, W, 3]` uint8 to (offsets, score) a level."""
    params = mtcnn_networks.variables(arrays)
    shrink = [[area_matrix(n, int(n * scale)) for n in size] for scale in scales]

    def levels(images: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        x = _normalise(images.astype(jnp.float32).transpose(0, 3, 1, 2))
        shrunk = [rows @ x @ columns.T for rows, columns in shrink]
        return [PNet().apply(params, level.transpose(0, 2, 3, 1)) for level in shrunk]

    return jax.jit(levels)


def _compile(module: nn.Module, arrays: list[np.ndarray]) -> _Network:
    params = mtcnn_networks.variables(arrays)
    return jax.jit(lambda x: module.apply(params, _normalise(x)))


def _padded(network: _Network, crops: np.ndarray) -> list[np.ndarray]:
    """One chunk through a network that knows one shape."""
    count = len(crops)
    padded = np.zeros((_CHUNK, *crops.shape[1:]), np.float32)
    padded[:count] = crops
    return [out[:count] for out in jax.device_get(network(padded))]


def _normalise(image: jax.Array) -> jax.Array:
    return (image - 127.5) * (1 / 128)


def _detections(boxes: np.ndarray, points: np.ndarray) -> list[Detection]:
    chosen = suppress(boxes, 0.7, of_smaller=True)
    return [
        Detection(box[:4].astype(np.float32), float(box[4]), five.astype(np.float32))
        for box, five in zip(boxes[chosen], points[chosen], strict=True)
    ]


def _cells(
    offsets: np.ndarray, score: np.ndarray, scale: float, settings: DetectorSettings
) -> np.ndarray:
    """Boxes `[M, 5]` of the cells that may hold a face, frame pixels."""
    rows, columns = np.nonzero(score > settings.thresholds[0])
    corner = np.stack([columns, rows], -1) * _STRIDE
    # The package counts a cell from its first to its last pixel, from 1.
    cells = np.concatenate([corner + 1, corner + _CELL], -1)
    boxes = (cells + offsets[rows, columns] * (_CELL - 1)) / scale
    return np.column_stack([boxes, score[rows, columns]])


def _square(boxes: np.ndarray) -> np.ndarray:
    """Boxes widened to squares about their centres."""
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    half = (boxes[:, 2:4] - boxes[:, :2]).max(-1, keepdims=True) / 2
    return np.column_stack([centre - half, centre + half, boxes[:, 4]])


def _crop(frame: np.ndarray, box: np.ndarray, size: int) -> np.ndarray:
    """The box at the size of a network, sampled as `tf.image.crop_and_resize` does.

    The grid has its first and last sample on the edges of the box, whose coordinates count
    shares of the frame less one pixel. Outside the frame is mid-grey.
    """
    edge = np.array(frame.shape[1::-1])
    first = box[:2] * (edge - 1) / edge
    step = (box[2:4] - box[:2]) * (edge - 1) / edge / (size - 1)
    transform = np.array([[step[0], 0, first[0]], [0, step[1], first[1]]])
    crop = cv2.warpAffine(
        frame, transform, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    samples = first + step * np.arange(size)[:, None]
    outside = (samples < 0) | (samples > edge - 1)
    crop[:, outside[:, 0]] = crop[outside[:, 1]] = 127.5
    return crop


def _points(raw: np.ndarray, boxes: np.ndarray, extent: np.ndarray) -> np.ndarray:
    """Five points `[M, 5, 2]` in frame pixels from shares of the box."""
    shares = np.stack([raw[:, :5], raw[:, 5:]], -1)
    return shares * extent[:, None, :2] + boxes[:, None, :2] - 1
