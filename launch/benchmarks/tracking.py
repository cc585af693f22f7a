"""What following faces between detections loses and saves, and how fast a video is analysed."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from data_prep.detection.mtcnn import Detector, DetectorSettings
from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.video_reader import Span
from data_prep.mesh import face_mesh
from data_prep.pipeline import faces
from data_prep.pipeline.faces import FaceSettings
from data_prep.records import Face, Track
from data_prep.tracking import tracker
from launch.benchmarks import harness
from launch.benchmarks.harness import Table, Value

_EVERY_FRAME = FaceSettings(detect_all=True)
# What is one face in both.
_SAME = 0.5


def tables(paths: Sequence[pathlib.Path], seconds: float, rounds: int = 3) -> Iterator[Table]:
    """Faces carried by the mesh against detection in every frame, and the time of each stage.

    Args:
      paths: videos.
      seconds: how much of each.
      rounds: how often speed is measured.
    """
    span = Span(end_s=seconds)
    yield Table(
        "Faces followed between detections, against detection in every frame",
        [equality(path, span) for path in paths],
        [
            "Landmarks: mean distance within a face, of the worst face. Box: least overlap (IoU) "
            "of the steadied detector's boxes.",
        ],
    )
    for path in paths:
        yield speed(path, span, rounds)


def equality(path: pathlib.Path, span: Span) -> dict[str, Value]:
    """How the tracks of one video differ if the detector looks at few frames."""
    every, carried = (_analyse(path, settings, span) for settings in (_EVERY_FRAME, FaceSettings()))
    record: dict[str, Value] = {"video": path.name}
    if every is None or carried is None:
        return record | {"tracks": f"{every and 'some'} / {carried and 'some'}"}
    pairs = list(_pairs(every.tracks, carried.tracks))
    return record | {
        "frames": every.frames,
        "looked at": carried.detected / carried.frames,
        "tracks": f"{len(every.tracks)} / {len(carried.tracks)}",
        "faces": f"{_count(every.tracks)} / {_count(carried.tracks)}",
        "in both": len(pairs),
        "box": min(tracker.overlap(a.detection.box, b.detection.box) for a, b in pairs),
        "landmarks, px": max(_distance(a, b) for a, b in pairs),
        "cuts": len(carried.cuts),
    }


def speed(path: pathlib.Path, span: Span, rounds: int) -> Table:
    """What each stage of the analysis costs, by frame, and all of them together."""
    info = video_reader.probe(path)
    images = [frame.image for frame in video_reader.read_frames(path, span, exact=False)]
    find = DetectorSettings(FaceSettings().min_face_size, batch=FaceSettings().batch)
    detector, mesh = Detector(info.height, info.width, find), face_mesh.FaceMesh()
    few = np.stack(images[:: max(len(images) // 8, 1)])
    shown = [(image, found[0]) for image, found in zip(few, detector(few), strict=True) if found]
    if not shown:
        raise InputError(f"{path}: speed is measured on a video that shows a face")
    image = shown[0][0]
    region = face_mesh.region_of_mesh(
        mesh(image, face_mesh.region_of_detection(shown[0][1])).points
    )

    def decode() -> None:
        collections.deque(video_reader.read_frames(path, span, exact=False), maxlen=0)

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


def _analyse(path: pathlib.Path, settings: FaceSettings, span: Span) -> faces.Analysis | None:
    try:
        return faces.analyse(path, settings, span)
    except InputError:
        return None


def _pairs(one: Sequence[Track], other: Sequence[Track]) -> Iterator[tuple[Face, Face]]:
    """Faces of the same frame that are the same."""
    by_frame: dict[int, list[Face]] = collections.defaultdict(list)
    for track in other:
        for face in track.faces:
            by_frame[face.frame_index].append(face)
    for track in one:
        for face in track.faces:
            near = max(by_frame[face.frame_index], key=lambda f: _same(face, f), default=None)
            if near is not None and _same(face, near) >= _SAME:
                yield face, near


def _same(a: Face, b: Face) -> float:
    return tracker.overlap(tracker.mesh_box(a.landmarks), tracker.mesh_box(b.landmarks))


def _distance(a: Face, b: Face) -> float:
    return float(np.linalg.norm(a.landmarks - b.landmarks, axis=-1).mean())


def _count(tracks: Sequence[Track]) -> int:
    return sum(len(track.faces) for track in tracks)
