"""Mesh reader: one face of one frame, read in the region where it is expected."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from data_prep.imaging.boxes import mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import FaceMesh, Region
from data_prep.records import Detection, Face, Frame

# Reads the face in a region of a frame; returns None if there is none.
ReadMesh = Callable[[Frame, Region], Face | None]

# Regions of at most this side hold no readable face, pixels.
_SMALLEST_SIDE = 8


@dataclasses.dataclass(frozen=True)
class MeshReading:
    """Result of reading one region of a frame.

    Attributes:
      region: the region that was read.
      face: the face found there, None if there is none.
    """

    region: Region
    face: Face | None

    def answers(self, region: Region) -> bool:
        """Whether reading `region` would give the same face.

        A mesh is read again until its region fits it, so any start near the face ends at the same
        mesh.
        """
        if self.face is not None:
            settled = face_mesh.region_of_mesh(self.face.landmarks)
            if region.agrees_with(settled):
                return True
        return region.equals(self.region)


class MeshReader:
    """Reads faces with the face mesh, safe to call from any number of threads.

    Args:
      mesh: the network.
      min_presence: least probability of being a face, by the mesh, 0..1.
    """

    def __init__(self, mesh: FaceMesh, min_presence: float):
        self._mesh = mesh
        self._min_presence = min_presence

    def __call__(self, frame: Frame, region: Region) -> Face | None:
        """Reads the face in a region of a frame; returns None if there is none.

        Its detection is derived from the mesh and has score 0: the detector has not confirmed it.
        """
        if not _is_in_view(region, frame.image):
            return None
        found = self._mesh(frame.image, region)
        if found.presence < self._min_presence:
            return None
        points = found.points[:, :2].copy()
        unconfirmed = Detection(mesh_box(points), 0.0, face_mesh.five_points(points))
        pose = face_mesh.head_pose(found.points)
        return Face(frame.index, frame.timestamp_us, unconfirmed, points, found.presence, pose)


def _is_in_view(region: Region, image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    x, y = region.centre
    return region.side > _SMALLEST_SIDE and 0 <= x < width and 0 <= y < height
