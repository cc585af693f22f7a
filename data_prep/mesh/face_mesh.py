"""The 478-point face mesh (MediaPipe Face Landmarker v2, run by LiteRT).

Source: Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile
GPUs", 2019, and the attention-mesh refinement of 2020; weights Apache-2.0.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from data_prep import weights
from data_prep.imaging import similarity
from data_prep.records import NUM_LANDMARKS, Detection
from data_prep.runtime.litert import Network

_INPUT_SIZE = 256
# The network was trained on crops this much wider than the face.
_MARGIN = 1.5
# Where that is by the box of a face that the detector found, the means over 180 faces of seven
# clips, whose spread is 4 % and 0.01: how wide, and how much lower; in longer sides of the box.
_MESH_WIDTH, _MESH_BELOW = 1.37, 0.063
_MAX_PASSES = 3
# The mesh moves by less than its own noise (1.5 % of the eye distance) when its crop is off
# by less than this share of its side.
_SETTLED = 0.05

_EYE_CORNERS = (33, 263)
_FIVE_POINTS = ((33, 133), (263, 362), (4,), (61,), (291,))


@dataclasses.dataclass(frozen=True)
class Region:
    """A square of the frame, turned with the face.

    Attributes:
      centre: `[2]` frame pixels.
      side: frame pixels.
      angle: of the line between the eyes, radians, clockwise in the image.
    """

    centre: np.ndarray
    side: float
    angle: float

    def transform(self) -> np.ndarray:
        """Frame pixels to network pixels, `[2, 3]`."""
        scale = _INPUT_SIZE / self.side
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        linear = np.array([[cosine, sine], [-sine, cosine]])
        middle = (_INPUT_SIZE - 1) / 2
        return np.column_stack([linear, middle - linear @ self.centre])

    def agrees(self, other: Region) -> bool:
        """Whether a mesh read in this region can be trusted to be where `other` is."""
        off = np.hypot(*(self.centre - other.centre)) / self.side
        turned = abs(turn(other.angle, self.angle))
        return max(off, turned, abs(np.log(self.side / other.side))) < _SETTLED

    def equals(self, other: Region) -> bool:
        """Whether it is the very same."""
        same_place = np.array_equal(self.centre, other.centre)
        return same_place and (self.side, self.angle) == (other.side, other.angle)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """One face mesh.

    Attributes:
      points: `[478, 3]` float32; x and y in frame pixels, z in the same unit, growing away
        from the camera.
      presence: probability that this is a face, 0..1 (low for full profiles).
    """

    points: np.ndarray
    presence: float


def region_of_detection(detection: Detection) -> Region:
    """Where to look for the mesh of what was detected."""
    return _in_box(detection, _MARGIN, 0.0)


def mesh_region_of_detection(detection: Detection) -> Region:
    """Where the mesh of a detected face will be, if it is one.

    `region_of_detection` is a wider view, in which what is no face, or stands on its head, is less
    often read as one.
    """
    return _in_box(detection, _MESH_WIDTH, _MESH_BELOW)


def region_of_mesh(points: np.ndarray) -> Region:
    """Where to look for the same face again.

    Args:
      points: `[478, 2 or 3]` frame pixels.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    angle = _angle(points[_EYE_CORNERS[0], :2], points[_EYE_CORNERS[1], :2])
    return Region((low + high) / 2, _MARGIN * float(np.max(high - low)), angle)


def turn(start: float, end: float) -> float:
    """From one angle to another the shorter way, radians."""
    return float(np.angle(np.exp(1j * (end - start))))


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Eyes, nose and mouth corners as a detector gives them.

    Args:
      landmarks: `[478, 2]`.

    Returns:
      `[5, 2]` float32 in the order of `Detection.points`.
    """
    points = [landmarks[list(group)].mean(0) for group in _FIVE_POINTS]
    return np.stack(points).astype(np.float32)


def head_pose(points: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll from the axes of the head.

    Args:
      points: `[478, 3]` as in `Mesh`.

    Returns:
      `[3]` float32 degrees, signs as in `records.Face`.
    """
    # The nose is left out: it stands off the plane of the face and would bias the pitch.
    across = (points[263] - points[33]) + (points[454] - points[234])
    down = points[152] - points[10]
    yaw = np.arctan2(across[2], np.hypot(across[0], across[1]))
    pitch = np.arctan2(down[2], np.hypot(down[0], down[1]))
    roll = np.arctan2(across[1], across[0])
    return np.degrees([yaw, pitch, roll]).astype(np.float32)


class FaceMesh:
    """The network, for any number of threads."""

    def __init__(self) -> None:
        self._network = Network(weights.landmark_model())

    def __call__(self, image: np.ndarray, region: Region) -> Mesh:
        """Reads the mesh, and reads it again until the region it was read in fits it.

        Args:
          image: `[height, width, 3]` uint8 RGB.
          region: where the face is thought to be.
        """
        for _ in range(_MAX_PASSES):
            mesh = self._read(image, region)
            found = region_of_mesh(mesh.points)
            if found.side < 2 or region.agrees(found):
                break
            region = found
        return mesh

    def _read(self, image: np.ndarray, region: Region) -> Mesh:
        transform = region.transform()
        crop = cv2.warpAffine(image, transform, (_INPUT_SIZE, _INPUT_SIZE), flags=cv2.INTER_LINEAR)
        mesh, presence, _ = self._network(crop[None].astype(np.float32) / 255)
        points = mesh.reshape(NUM_LANDMARKS, 3)
        points[:, :2] = similarity.apply(similarity.inverse(transform), points[:, :2])
        points[:, 2] /= similarity.scale_of(transform)
        logit = float(presence.item())
        return Mesh(points, float(1 / (1 + np.exp(-logit))))


def _in_box(detection: Detection, width: float, below: float) -> Region:
    """In longer sides of the box: how wide, and how much lower along the face."""
    left, top, right, bottom = detection.box.tolist()
    longer, angle = max(right - left, bottom - top), _angle(*detection.points[:2])
    down = np.array([-np.sin(angle), np.cos(angle)])
    middle = np.array([left + right, top + bottom]) / 2
    return Region(middle + below * longer * down, width * longer, angle)


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))
