"""Observation of one frame: every face in it once, whether it was expected or detected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data_prep.imaging.boxes import match_box, mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Detection, Face

# Reads the face in a region of a frame; returns None if there is none.
ReadFace = Callable[[Region], Face | None]

# Largest distance of a region's centre from that of a face that covers it, in longer sides of the
# face's box.
_COVERED = 0.25


@dataclasses.dataclass(frozen=True)
class FaceObservation:
    """A face found in a frame, before it is known whose track it belongs to.

    Attributes:
      face: the face.
      box: `[4]`, the box around its mesh.
      confirmed: whether the detector found it too.
    """

    face: Face
    box: np.ndarray
    confirmed: bool


def observe(
    expected: list[Region], read_face: ReadFace, detections: list[Detection]
) -> list[FaceObservation]:
    """Reads every face of a frame once.

    Args:
      expected: regions in which faces are expected.
      read_face: reads the face in a region.
      detections: faces that the detector found; empty if it did not run.

    Returns:
      The expected faces that were found, in their order, then those only detected.
    """
    found: list[Face] = []
    for region in expected:
        face = read_face(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    for detection in detections:
        region = face_mesh.region_of_detection(detection)
        # Most detections are of a face just read, and reading costs more than this comparison.
        if any(_covers(face, region) for face in found):
            continue
        face = read_face(region)
        if face is not None and _is_new(face, found):
            found.append(face)
    return [_observation(face, detections) for face in found]


def _observation(face: Face, detections: list[Detection]) -> FaceObservation:
    """Replaces the detection that was derived from the mesh by the detector's, if there is one."""
    box = mesh_box(face.landmarks)
    same = match_box(box, [detection.box for detection in detections])
    if same is not None:
        face = dataclasses.replace(face, detection=detections[same])
    return FaceObservation(face, box, confirmed=same is not None)


def _is_new(face: Face, found: list[Face]) -> bool:
    box = mesh_box(face.landmarks)
    return match_box(box, [mesh_box(other.landmarks) for other in found]) is None


def _covers(face: Face, region: Region) -> bool:
    """Whether the centre of a region lies well inside a face."""
    low, high = face.landmarks.min(0), face.landmarks.max(0)
    distance = np.hypot(*(region.centre - (low + high) / 2))
    return bool(distance < _COVERED * np.max(high - low))
