"""Tracking faces between detections: its accuracy, and the speed of analysing a video."""

from __future__ import annotations

import collections
import functools
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.detection.mtcnn import Detector, DetectorSettings
from data_prep.errors import InputError
from data_prep.imaging.boxes import mesh_box, overlap
from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh
from data_prep.pipeline import faces
from data_prep.pipeline.settings import FaceSettings
from data_prep.records import Face, Track
from launch.benchmarks import harness
from launch.benchmarks.harness import Table, Value

_EVERY_FRAME = FaceSettings(detect_all=True)
# Faces of both analyses are the same if their boxes overlap by this much.
_SAME = 0.5


def tables(paths: Sequence[pathlib.Path], seconds: float, rounds: int = 3) -> Iterator[Table]:
    """Compares tracking by the mesh with detection in every frame, and times each stage.

    Args:
      paths: videos to measure on.
      seconds: length of the part of each video.
      rounds: number of rounds that speed is measured in.
    """
    span = Span(end_s=seconds)
    yield Table(
        "Faces followed between detections, against detection in every frame",
        [_accuracy(path, span) for path in paths],
        [
            "Landmarks: mean distance within a face, of the worst face. Box: least overlap (IoU) "
            "of the smoothed boxes of the detector.",
        ],
    )
    for path in paths:
        yield _speed(path, span, rounds)


def _accuracy(path: pathlib.Path, span: Span) -> dict[str, Value]:
    """Compares the tracks of one video with those of detection in every frame."""
    every = _analyse(path, _EVERY_FRAME, span)
    tracked = _analyse(path, FaceSettings(), span)
    record: dict[str, Value] = {"video": path.name}
    if every is None or tracked is None:
        found = ("None" if analysis is None else "some" for analysis in (every, tracked))
        return record | {"tracks": " / ".join(found)}
    pairs = list(_pairs(every.tracks, tracked.tracks))
    return record | {
        "frames": every.frames,
        "looked at": tracked.detected / tracked.frames,
        "tracks": f"{len(every.tracks)} / {len(tracked.tracks)}",
        "faces": f"{_count(every.tracks)} / {_count(tracked.tracks)}",
        "in both": len(pairs),
        "box": min(overlap(a.detection.box, b.detection.box) for a, b in pairs),
        "landmarks, px": max(_distance(a, b) for a, b in pairs),
        "cuts": len(tracked.cuts),
    }


def _speed(path: pathlib.Path, span: Span, rounds: int) -> Table:
    """Times each stage of the analysis, and all of them together."""
    # Frames are decoded in advance, so that each stage is timed without decoding.
    info = video_reader.probe(path)
    images = [frame.image for frame in video_reader.read_frames(path, span, exact=False)]
    # Detection is slow: eight frames are enough.
    few = np.stack(images[:: max(len(images) // 8, 1)])
    settings = DetectorSettings(FaceSettings().min_face_size, batch=FaceSettings().batch)
    detector, mesh = Detector(info.height, info.width, settings), face_mesh.FaceMesh()
    image, region = _some_face(path, few, detector, mesh)

    def decode() -> None:
        collections.deque(video_reader.read_frames(path, span, exact=False), maxlen=0)

    # The last two include decoding, as in a real analysis.
    costs = harness.alternate(
        {
            "decode": lambda: harness.cost_of(decode, len(images)),
            "detect, every frame": lambda: harness.cost_of(lambda: detector(few), len(few)),
            "mesh": lambda: harness.cost_of(lambda: [mesh(image, region) for _ in few], len(few)),
            "decode + detect + track": lambda: harness.cost_of(
                lambda: faces.analyse(path, span=span), len(images)
            ),
            "the same, detecting in every frame": lambda: harness.cost_of(
                lambda: faces.analyse(path, _EVERY_FRAME, span), len(images)
            ),
        },
        rounds,
    )
    records: list[dict[str, Value]] = [
        {"stage": name, "CPU ms a frame": least.cpu_ms, "frames/s": 1000 / median.wall_ms}
        for name, (least, median) in costs.items()
    ]
    return Table(f"Analysis of {path.name}, {info.width}x{info.height}", records)


def _some_face(
    path: pathlib.Path, images: np.ndarray, detector: Detector, mesh: face_mesh.FaceMesh
) -> tuple[np.ndarray, face_mesh.Region]:
    """First image that shows a face, and the region that the mesh reads this face in.

    Raises:
      InputError: if no image shows a face.
    """
    for image, detections in zip(images, detector(images), strict=True):
        if detections:
            region = face_mesh.region_of_detection(detections[0])
            return image, face_mesh.region_of_mesh(mesh(image, region).points)
    raise InputError(f"{path}: shows no face, which is needed to measure speed", setting="videos")


def _analyse(path: pathlib.Path, settings: FaceSettings, span: Span) -> faces.Analysis | None:
    """Analyses a video; None if it shows nobody."""
    try:
        return faces.analyse(path, settings, span)
    except InputError:
        return None


def _pairs(one: Sequence[Track], other: Sequence[Track]) -> Iterator[tuple[Face, Face]]:
    """Yields pairs of faces of two analyses that overlap in the same frame."""
    by_frame: dict[int, list[Face]] = collections.defaultdict(list)
    for track in other:
        for face in track.faces:
            by_frame[face.frame_index].append(face)
    for track in one:
        for face in track.faces:
            candidates = by_frame[face.frame_index]
            near = max(candidates, key=functools.partial(_mesh_overlap, face), default=None)
            if near is not None and _mesh_overlap(face, near) >= _SAME:
                yield face, near


def _mesh_overlap(a: Face, b: Face) -> float:
    return overlap(mesh_box(a.landmarks), mesh_box(b.landmarks))


def _distance(a: Face, b: Face) -> float:
    return float(np.linalg.norm(a.landmarks - b.landmarks, axis=-1).mean())


def _count(tracks: Sequence[Track]) -> int:
    return sum(len(track.faces) for track in tracks)
