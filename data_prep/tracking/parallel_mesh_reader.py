"""Parallel mesh reader: reads faces ahead of tracking, on all cores.

Tracking is a chain: where a face is expected depends on the frame before. But the result of the
mesh hardly depends on where near the face it starts. So where the detector found a face at both
ends of a group of frames, the frames in between are read along the straight line from one to the
other, many groups in parallel. The tracker then finds nearly all faces read already, and reads the
others itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

from data_prep.imaging.boxes import match_box, mesh_box
from data_prep.mesh import face_mesh
from data_prep.mesh.face_mesh import Region
from data_prep.records import Face, Frame
from data_prep.tracking.detect_and_track import FrameGroup
from data_prep.tracking.mesh_reader import MeshReading, ReadMesh


def read_keyframes(
    groups: Iterable[FrameGroup], read: ReadMesh
) -> Iterator[tuple[FrameGroup, list[Face]]]:
    """Reads the detected faces of each group's last frame.

    Args:
      groups: groups in order, with the detections of their last frames.
      read: reads a face.

    Yields:
      Each group with these readings, and the faces of the frame before its first one; none at the
      start of a shot.
    """
    before: list[Face] = []
    for group in groups:
        last, detections = group.frames[-1], group.detections[-1] or []
        regions = map(face_mesh.mesh_region_of_detection, detections)
        readings = [_read_twice(last, region, read) for region in regions]
        with_keyframe = dataclasses.replace(group, readings=[*group.readings[:-1], readings])
        yield with_keyframe, [] if group.starts_shot else before
        before = _faces_of(readings)


def read_between(group: FrameGroup, before: list[Face], read: ReadMesh) -> FrameGroup:
    """Reads, in all frames of a group but the last, the faces that both of its ends show.

    Groups are independent, so this may run in any thread.

    Args:
      group: group whose last frame is read.
      before: faces of the frame before its first.
      read: reads a face.

    Returns:
      The group with the readings.
    """
    pairs = []
    for end in _faces_of(group.readings[-1]):
        start = _same_face_of(end, before)
        if start is not None:
            pairs.append((start, end))
    readings = group.readings.copy()
    for number, frame in enumerate(group.frames[:-1]):
        regions = [_interpolated(start, end, frame.timestamp_us) for start, end in pairs]
        readings[number] = [MeshReading(region, read(frame, region)) for region in regions]
    return dataclasses.replace(group, readings=readings)


def _read_twice(frame: Frame, region: Region, read: ReadMesh) -> MeshReading:
    """Reads a detected face, and once more from its own mesh.

    The frames in between are read from regions of meshes. If key frames were read from detections,
    each of them would stand out by a small jump.
    """
    face = read(frame, region)
    if face is not None:
        settled = face_mesh.region_of_mesh(face.landmarks)
        # Where the regions differ by more, the mesh has already been read again by itself.
        if region.agrees_with(settled):
            return MeshReading(settled, read(frame, settled))
    return MeshReading(region, face)


def _faces_of(readings: list[MeshReading]) -> list[Face]:
    return [reading.face for reading in readings if reading.face is not None]


def _same_face_of(face: Face, others: list[Face]) -> Face | None:
    """Returns the one of other faces that overlaps a face most, None if none does enough."""
    boxes = [mesh_box(other.landmarks) for other in others]
    same = match_box(mesh_box(face.landmarks), boxes)
    return None if same is None else others[same]


def _interpolated(start: Face, end: Face, timestamp_us: int) -> Region:
    """Returns the region of a face that goes straight from one frame's place to another's."""
    first, last = (face_mesh.region_of_mesh(face.landmarks) for face in (start, end))
    share = (timestamp_us - start.timestamp_us) / (end.timestamp_us - start.timestamp_us)
    return Region(
        first.centre + share * (last.centre - first.centre),
        first.side * (last.side / first.side) ** share,
        first.angle + share * face_mesh.signed_angle(first.angle, last.angle),
    )
