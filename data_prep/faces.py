"""A video to tracks of aligned faces: the one face pipeline.

Preparation and conversion both call `analyse` (first pass: who is where, over the whole
video, smoothed in both directions of time) and then warp the crops in a second pass over
the frames, so what was trained on is what is converted.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterator
from concurrent import futures

import numpy as np

from data_prep import alignment, landmarks, masks, quality, video
from data_prep.errors import InputError
from data_prep.mtcnn import Detector, DetectorSettings
from data_prep.records import CROP_SIZE, AlignedFace, Detection, Face, Frame, Track
from data_prep.tracking import CutDetector, Tracker, TrackingSettings, mesh_box, overlap

_SAME_FACE = 0.3


@dataclasses.dataclass(frozen=True)
class FaceSettings:
    """How faces are found.

    Attributes:
      min_face_size: smallest face looked for, frame pixels.
      min_presence: least probability, by the mesh, of being a face, 0..1.
      batch: frames a detector call.
      tracking: association and smoothing.
    """

    min_face_size: int = 40
    min_presence: float = 0.5
    batch: int = 8
    tracking: TrackingSettings = TrackingSettings()


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What the first pass over a video found.

    Attributes:
      tracks: everybody in the video, in order of first appearance.
      frames: number of frames read.
      first_frame: index of the first of them.
      cuts: index of the first frame of each new shot.
    """

    tracks: tuple[Track, ...]
    frames: int
    first_frame: int
    cuts: tuple[int, ...]


def analyse(
    path: str | pathlib.Path,
    settings: FaceSettings = FaceSettings(),
    span: video.Span = video.WHOLE,
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """Finds and follows every face of a video.

    Args:
      path: the video.
      settings: how faces are found.
      span: which part of it.
      progress: called with the number of frames done since the last call.

    Raises:
      InputError: if the video cannot be read or shows no face.
    """
    info = video.probe(path)
    detector = Detector(
        info.height,
        info.width,
        DetectorSettings(min_face_size=settings.min_face_size, batch=settings.batch),
    )
    mesh = landmarks.FaceMesh()
    tracker, is_cut = Tracker(settings.tracking), CutDetector(settings.tracking)
    count, first, cuts = 0, 0, []
    frames = video.read_frames(path, span)

    def detect_next() -> list[tuple[Frame, list[Detection]]]:
        batch = list(itertools.islice(frames, settings.batch))
        found = detector(np.stack([frame.image for frame in batch])) if batch else []
        return list(zip(batch, found, strict=True))

    # The detector works on the next batch while the meshes of this one are read.
    with futures.ThreadPoolExecutor(max_workers=1) as ahead:
        following = ahead.submit(detect_next)
        while batch := following.result():
            following = ahead.submit(detect_next)
            first = first if count else batch[0][0].index
            for frame, detections in batch:
                if is_cut(frame.image):
                    tracker.cut()
                    cuts.append(frame.index)
                faces = _faces_in(frame, detections, tracker.current, mesh, settings.min_presence)
                tracker.add(frame.timestamp_us, faces)
            count += len(batch)
            if progress:
                progress(len(batch))
    tracks = tracker.finish()
    if not tracks:
        raise InputError(
            f"{path}: no face found in {count} frames; give a video that shows a face at least "
            f"{settings.min_face_size} pixels wide, or lower --min_face"
        )
    return Analysis(tracks, count, first, tuple(cuts))


def main_tracks(tracks: tuple[Track, ...]) -> tuple[Track, ...]:
    """The tracks of the person who is seen most: at each time the largest face on screen.

    Of tracks that overlap in time only one is kept, the one with more pixels of face.
    """

    def weight(track: Track) -> float:
        return sum(float(np.prod(np.ptp(mesh_box(f.landmarks).reshape(2, 2), 0))) ** 0.5
                   for f in track.faces)  # fmt: skip

    chosen: list[Track] = []
    taken: set[int] = set()
    for track in sorted(tracks, key=weight, reverse=True):
        frames = {face.frame_index for face in track.faces}
        if not frames & taken:
            chosen.append(track)
            taken |= frames
    return tuple(sorted(chosen, key=lambda track: track.track_id))


def aligned_faces(
    path: str | pathlib.Path,
    tracks: tuple[Track, ...],
    span: video.Span = video.WHOLE,
    apply: Callable[..., Iterator[AlignedFace]] = map,
) -> Iterator[AlignedFace]:
    """The crops of the given tracks, in order of time: the second pass over the video.

    Args:
      path: as of `analyse`.
      tracks: found by `analyse`.
      span: as of `analyse`.
      apply: how `align` is applied to each face, `map` or `ahead.map_ahead`.
    """
    wanted: dict[int, list[tuple[Track, int]]] = {}
    for track in tracks:
        for position, face in enumerate(track.faces):
            wanted.setdefault(face.frame_index, []).append((track, position))
    found = (
        (frame.image, track, position)
        for frame in video.read_frames(path, span)
        for track, position in wanted.get(frame.index, [])
    )
    return apply(lambda one: align(*one), found)


def align(image: np.ndarray, track: Track, position: int, size: int = CROP_SIZE) -> AlignedFace:
    """Crop, masks and figures of one face of a track.

    Args:
      image: `[height, width, 3]` uint8, the frame of that face.
      track: the track.
      position: which of its faces.
      size: side of the crop, pixels.
    """
    face = track.faces[position]
    transform = alignment.resize_transform(track.transforms[position], CROP_SIZE, size)
    crop = alignment.warp(image, transform, size)
    points = alignment.apply(transform, face.landmarks).astype(np.float32)
    regions = masks.all_masks(points, crop)
    return AlignedFace(
        image=crop,
        masks=regions,
        landmarks=points,
        transform=transform.astype(np.float32),
        box=face.detection.box,
        score=face.detection.score,
        pose=face.pose,
        embedding=track.embedding_at(position),
        sharpness=quality.sharpness(crop, regions["face"]),
        frame_index=face.frame_index,
        timestamp_us=face.timestamp_us,
        track_id=track.track_id,
    )


def _faces_in(
    frame: Frame,
    detections: list[Detection],
    known: list[Face],
    mesh: landmarks.FaceMesh,
    min_presence: float,
) -> list[Face]:
    """Every face of a frame: those followed from the frame before, then the new ones.

    A followed face is read where it was last seen, whether or not the detector found it
    again, so that a single missed detection does not break a track.
    """
    faces: list[Face] = []
    followed = [landmarks.region_of_mesh(face.landmarks) for face in known]
    for region in followed + [landmarks.region_of_detection(d) for d in detections]:
        if not _in_view(region, frame.image) or _already(region, faces):
            continue
        found = mesh(frame.image, region)
        box = mesh_box(found.points[:, :2])
        if found.presence >= min_presence and not _duplicate(box, faces):
            faces.append(_face(frame, found, box, detections))
    return faces


def _face(
    frame: Frame, found: landmarks.Mesh, box: np.ndarray, detections: list[Detection]
) -> Face:
    """Mesh and detection of one face; score 0 where the detector missed it."""
    points = found.points[:, :2].copy()
    best = max(detections, key=lambda d: overlap(d.box, box), default=None)
    if best is None or overlap(best.box, box) < _SAME_FACE:
        best = Detection(box, 0.0, landmarks.five_points(points))
    pose = landmarks.head_pose(found.points)
    return Face(frame.index, frame.timestamp_us, best, points, found.presence, pose)


def _in_view(region: landmarks.Region, image: np.ndarray) -> bool:
    height, width = image.shape[:2]
    x, y = region.centre
    return region.side > 8 and 0 <= x < width and 0 <= y < height


def _already(region: landmarks.Region, faces: list[Face]) -> bool:
    """Whether the centre of a region lies well inside a face already read in this frame."""
    return any(
        np.hypot(*(region.centre - mesh_box(f.landmarks).reshape(2, 2).mean(0)))
        < 0.25 * max(np.ptp(f.landmarks, axis=0))
        for f in faces
    )


def _duplicate(box: np.ndarray, faces: list[Face]) -> bool:
    return any(overlap(box, mesh_box(face.landmarks)) >= _SAME_FACE for face in faces)
