"""Faces read before they are followed, on as many cores as there are.

Following is one chain: where a face is looked for depends on where it was in the frame before.
But the mesh hardly depends on where near the face it is read. So where the detector saw a face at
both ends of a stretch, the frames between are read where it is if it went straight from one to the
other, stretch by stretch beside each other. Who follows finds nearly all faces read, and reads the
others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from data_prep.imaging.boxes import mesh_box, same_face
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Face, Frame
from data_prep.tracking.detect_and_track import FrameGroup
from data_prep.tracking.mesh_reader import MeshReading, ReadMesh


def read_keyframes(
    stretches: Iterable[FrameGroup], read: ReadMesh
) -> Iterator[tuple[FrameGroup, list[Face]]]:
    """Reads the faces that the detector found, in the last frame of each stretch.

    Yields:
      Each stretch with them, and the faces that the one before it in the same shot ended with.
    """
    before: list[Face] = []
    for stretch in stretches:
        last, detections = stretch.frames[-1], stretch.detections[-1] or []
        regions = map(face_mesh.mesh_region_of_detection, detections)
        readings = [_closely(last, region, read) for region in regions]
        ended = dataclasses.replace(stretch, readings=[*stretch.readings[:-1], readings])
        yield ended, [] if stretch.starts_shot else before
        before = _faces(readings)


def read_between(stretch: FrameGroup, before: list[Face], read: ReadMesh) -> FrameGroup:
    """Reads the faces that both ends show in all frames between them; in any thread.

    Args:
      stretch: of which the faces in the last frame are read.
      before: those in the frame before its first.
      read: reads a face.
    """
    ways = [(start, end) for end in _faces(stretch.readings[-1])
            if (start := _same(end, before)) is not None]  # fmt: skip
    readings = stretch.readings.copy()
    for number, frame in enumerate(stretch.frames[:-1]):
        regions = [_on_the_way(*way, frame.timestamp_us) for way in ways]
        readings[number] = [MeshReading(region, read(frame, region)) for region in regions]
    return dataclasses.replace(stretch, readings=readings)


def _closely(frame: Frame, region: Region, read: ReadMesh) -> MeshReading:
    """Read where the mesh found it before, as the frames between are: from where the detector saw
    it, every end would stand out."""
    face = read(frame, region)
    if face is not None and region.agrees(found := face_mesh.region_of_mesh(face.landmarks)):
        return MeshReading(found, read(frame, found))
    return MeshReading(region, face)  # read again already, or not there


def _faces(readings: list[MeshReading]) -> list[Face]:
    return [reading.face for reading in readings if reading.face is not None]


def _same(face: Face, others: list[Face]) -> Face | None:
    """Which of the others it is, by its place."""
    boxes = [mesh_box(other.landmarks) for other in others]
    same = same_face(mesh_box(face.landmarks), boxes)
    return None if same is None else others[same]


def _on_the_way(start: Face, end: Face, timestamp_us: int) -> Region:
    """Where a face is between two frames if it goes straight from one to the other."""
    first, last = (face_mesh.region_of_mesh(face.landmarks) for face in (start, end))
    share = (timestamp_us - start.timestamp_us) / (end.timestamp_us - start.timestamp_us)
    return Region(
        first.centre + share * (last.centre - first.centre),
        first.side * (last.side / first.side) ** share,
        first.angle + share * face_mesh.turn(first.angle, last.angle),
    )
