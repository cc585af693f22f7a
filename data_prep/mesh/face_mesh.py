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
from data_prep.mesh.topology import (
    CHIN,
    FACE_SIDES,
    FIVE_POINTS,
    FOREHEAD_TOP,
    OUTER_EYE_CORNERS,
)
from data_prep.records import NUM_LANDMARKS, Detection
from data_prep.runtime.litert import Network

_INPUT_SIZE = 256
# The network was trained on crops this many times as wide as the face.
_MARGIN = 1.5
# Side of the region of a mesh, and how far its centre lies below that of the detector's box, both
# in longer sides of the box: means over 180 faces of seven clips, with spreads of 4 % and 0.01.
_MESH_WIDTH, _MESH_BELOW = 1.37, 0.063
# How often a face is read before its region is accepted as it is.
_MAX_PASSES = 3
# The mesh moves by less than its own noise (1.5 % of the eye distance) when its crop is off
# by less than this share of its side.
_SETTLED = 0.05
# Regions of fewer pixels hold no face.
_MIN_SIDE = 2


@dataclasses.dataclass(frozen=True)
class Region:
    """A square of the frame, turned with the face, in which the network reads a mesh.

    Attributes:
      centre: `[2]` frame pixels.
      side: side of the square, frame pixels.
      angle: angle of the line between the eyes, radians, clockwise in the image.
    """

    centre: np.ndarray
    side: float
    angle: float

    def transform(self) -> np.ndarray:
        """Returns the similarity from frame pixels to network pixels, `[2, 3]`."""
        scale = _INPUT_SIZE / self.side
        cosine, sine = scale * np.cos(self.angle), scale * np.sin(self.angle)
        linear = np.array([[cosine, sine], [-sine, cosine]])
        middle = (_INPUT_SIZE - 1) / 2
        return np.column_stack([linear, middle - linear @ self.centre])

    def agrees_with(self, other: Region) -> bool:
        """Whether this region is so near `other` that a mesh reads the same in both."""
        shift = np.hypot(*(self.centre - other.centre)) / self.side
        rotation = abs(signed_angle(other.angle, self.angle))
        return max(shift, rotation, abs(np.log(self.side / other.side))) < _SETTLED

    def equals(self, other: Region) -> bool:
        """Whether both regions are exactly the same."""
        same_centre = np.array_equal(self.centre, other.centre)
        return same_centre and (self.side, self.angle) == (other.side, other.angle)


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
    """Returns the region in which to read the mesh of a detected face for the first time."""
    return _region_around(detection, _MARGIN, 0.0)


def mesh_region_of_detection(detection: Detection) -> Region:
    """Predicts the region of a detected face's mesh, for a detection that is surely a face.

    `region_of_detection` is wider: in it, a false detection or an upside-down face is less often
    read as a face.
    """
    return _region_around(detection, _MESH_WIDTH, _MESH_BELOW)


def region_of_mesh(points: np.ndarray) -> Region:
    """Returns the region in which to read the same face again.

    Args:
      points: `[478, 2 or 3]` frame pixels.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    left_eye, right_eye = OUTER_EYE_CORNERS
    angle = _angle(points[left_eye, :2], points[right_eye, :2])
    return Region((low + high) / 2, _MARGIN * float(np.max(high - low)), angle)


def signed_angle(start: float, end: float) -> float:
    """Returns the shorter rotation from one angle to another, radians in -pi..pi."""
    return float(np.angle(np.exp(1j * (end - start))))


def five_points(landmarks: np.ndarray) -> np.ndarray:
    """Computes a detector's five points (eyes, nose, mouth corners) from a mesh.

    Args:
      landmarks: `[478, 2]`.

    Returns:
      `[5, 2]` float32 in the order of `Detection.points`.
    """
    points = [landmarks[list(group)].mean(0) for group in FIVE_POINTS]
    return np.stack(points).astype(np.float32)


def head_pose(points: np.ndarray) -> np.ndarray:
    """Computes yaw, pitch and roll from two axes of the head, across and down.

    Args:
      points: `[478, 3]`, laid out like `Mesh.points`.

    Returns:
      `[3]` float32 degrees, signs as in `records.Face`.
    """
    left_eye, right_eye = OUTER_EYE_CORNERS
    left_side, right_side = FACE_SIDES
    # The nose is left out: it stands off the plane of the face and would bias the pitch.
    across = (points[right_eye] - points[left_eye]) + (points[right_side] - points[left_side])
    down = points[CHIN] - points[FOREHEAD_TOP]
    yaw = np.arctan2(across[2], np.hypot(across[0], across[1]))
    pitch = np.arctan2(down[2], np.hypot(down[0], down[1]))
    roll = np.arctan2(across[1], across[0])
    return np.degrees([yaw, pitch, roll]).astype(np.float32)


class FaceMesh:
    """Face-mesh network, safe to call from any number of threads."""

    def __init__(self) -> None:
        self._network = Network(weights.landmark_model())

    def __call__(self, image: np.ndarray, region: Region) -> Mesh:
        """Reads the mesh of one face, again and again until its region fits it.

        Args:
          image: `[height, width, 3]` uint8 RGB.
          region: region in which the face is expected.
        """
        # The network is only accurate for a face that fills its input as in training: each pass
        # uses the region that the last mesh implies.
        for _ in range(_MAX_PASSES):
            mesh = self._read(image, region)
            implied = region_of_mesh(mesh.points)
            if implied.side < _MIN_SIDE or region.agrees_with(implied):
                break
            region = implied
        return mesh

    def _read(self, image: np.ndarray, region: Region) -> Mesh:
        """Runs the network once and maps its output back to frame pixels."""
        transform = region.transform()
        crop = cv2.warpAffine(image, transform, (_INPUT_SIZE, _INPUT_SIZE), flags=cv2.INTER_LINEAR)
        mesh, presence, _ = self._network(crop[None].astype(np.float32) / 255)
        points = mesh.reshape(NUM_LANDMARKS, 3)
        points[:, :2] = similarity.apply(similarity.inverse(transform), points[:, :2])
        points[:, 2] /= similarity.scale_of(transform)
        logit = float(presence.item())
        return Mesh(points, float(1 / (1 + np.exp(-logit))))


def _region_around(detection: Detection, width: float, below: float) -> Region:
    """Returns a region turned with a detected face.

    Args:
      detection: the face.
      width: side of the region, in longer sides of the box.
      below: distance of its centre from that of the box, down along the face, in the same unit.
    """
    left, top, right, bottom = detection.box.tolist()
    longer_side = max(right - left, bottom - top)
    left_eye, right_eye = detection.points[:2]
    angle = _angle(left_eye, right_eye)
    down = np.array([-np.sin(angle), np.cos(angle)])
    middle = np.array([left + right, top + bottom]) / 2
    return Region(middle + below * longer_side * down, width * longer_side, angle)


def _angle(left: np.ndarray, right: np.ndarray) -> float:
    """Returns the angle of the line between two points, radians, clockwise in the image."""
    return float(np.arctan2(right[1] - left[1], right[0] - left[0]))
