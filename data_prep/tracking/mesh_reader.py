"""One face of one frame, read by the mesh where it is thought to be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import FaceMesh, Region
from data_prep.records import Detection, Face, Frame

# The face of a frame at a place; None if there is none.
ReadMesh = Callable[[Frame, Region], Face | None]


@dataclasses.dataclass(frozen=True)
class MeshReading:
    """What was read where.

    Attributes:
      region: where.
      face: the face there, None if there is none.
    """

    region: Region
    face: Face | None

    def answers(self, region: Region) -> bool:
        """Whether reading there would give the same face: the mesh is read again until it was read
        where the face is, wherever near it one starts."""
        if self.face is not None and region.agrees(face_mesh.region_of_mesh(self.face.landmarks)):
            return True
        return region.equals(self.region)


class MeshReader:
    """Reads faces, in any number of threads.

    Args:
      mesh: reads landmarks.
      min_presence: least probability, by the mesh, of being a face, 0..1.
    """

    def __init__(self, mesh: FaceMesh, min_presence: float):
        self._mesh, self._min_presence = mesh, min_presence

    def __call__(self, frame: Frame, region: Region) -> Face | None:
        """The face of a frame at a place; None if there is none."""
        if not _in_view(region, frame.image):
            return None
        found = self._mesh(frame.image, region)
        if found.presence < self._min_presence:
            return None
        points = found.points[:, :2].copy()
        unconfirmed = Detection(mesh_box(points), 0.0, face_mesh.five_points(points))
        pose = face_mesh.head_pose(found.points)
        return Face(frame.index, frame.timestamp_us, unconfirmed, points, found.presence, pose)


def _in_view(region: Region, image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    x, y = region.centre
    return region.side > 8 and 0 <= x < width and 0 <= y < height
