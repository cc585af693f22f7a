"""Every face of one frame once, wherever it was looked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data_prep.imaging.boxes import mesh_box, same_face
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Detection, Face


@dataclasses.dataclass(frozen=True)
class FaceObservation:
    """A face found in a frame, before it is known whose track it belongs to.

    Attributes:
      face: the face.
      box: around its mesh, `[4]`.
      confirmed: whether the detector found it too.
    """

    face: Face
    box: np.ndarray
    confirmed: bool


def observe(
    expected: list[Region], look: Callable[[Region], Face | None], detections: list[Detection]
) -> list[FaceObservation]:
    """Every face of a frame once: those where faces are expected, then those detected."""
    found: list[Face] = []
    for region in expected:
        face = look(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    for detection in detections:
        region = face_mesh.region_of_detection(detection)
        if any(_covers(face, region) for face in found):
            continue
        face = look(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    return [_observation(face, detections) for face in found]


def _observation(face: Face, detections: list[Detection]) -> FaceObservation:
    box = mesh_box(face.landmarks)
    same = same_face(box, [detection.box for detection in detections])
    if same is not None:
        face = dataclasses.replace(face, detection=detections[same])
    return FaceObservation(face, box, confirmed=same is not None)


def _is_new(face: Face, found: list[Face]) -> bool:
    box = mesh_box(face.landmarks)
    return same_face(box, [mesh_box(other.landmarks) for other in found]) is None


def _covers(face: Face, region: Region) -> bool:
    """Whether the centre of a region lies well inside a face."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    return bool(np.hypot(*(region.centre - (low + high) / 2)) < 0.25 * np.max(high - low))
