"""The one face pipeline: a video to tracks of aligned faces.

Preparation and conversion both use it, so the crops that a model is trained on are made like those
that it converts. The first pass (`analyse`) finds everybody in the whole video, smoothed in both
directions of time. The second pass (`aligned_faces`) warps the crops out of the frames.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from data_prep.detection.mtcnn import Detector, DetectorSettings
from data_prep.errors import InputError
from data_prep.identity import embeddings, people
from data_prep.identity.people import LeftOut
from data_prep.imaging import sharpness, similarity, warp
from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_writer import pixel_format_for
from data_prep.mesh import face_mesh
from data_prep.pipeline.settings import FaceSettings
from data_prep.records import CROP_SIZE, AlignedFace, Face, Frame, Person, Track
from data_prep.runtime.prefetch import cores, fetch, map_ahead
from data_prep.segmentation.face_masks import Masker
from data_prep.tracking.detect_and_track import (
    FrameGroup,
    KeyframeTracker,
    detect_keyframes,
    frame_groups,
)
from data_prep.tracking.mesh_reader import MeshReader
from data_prep.tracking.parallel_mesh_reader import read_between, read_keyframes
from data_prep.tracking.settings import Identifier
from data_prep.tracking.shot_boundary import CutDetector
from data_prep.tracking.tracker import Tracker

# Margin around a face that hides another one, as a share of the side of a crop: three times the
# feather of a blend.
_HIDING_MARGIN = 0.024
# Each thread keeps two groups of frames in memory.
_READING_THREADS = 4


@dataclasses.dataclass(frozen=True)
class Analysis:
    """Result of the first pass over a video.

    Attributes:
      people: everybody in the video, the most prominent person first.
      left_out: tracks assigned to nobody, each with the reason, in order of time.
      frames: number of frames read.
      first_frame: index of the first of these frames.
      cuts: index of the first frame of each new shot.
      changes: indices of the frames at which a track changed from one person to another and was
        cut.
      detected: number of frames the detector looked at.
    """

    people: tuple[Person, ...]
    left_out: tuple[LeftOut, ...]
    frames: int
    first_frame: int
    cuts: tuple[int, ...]
    changes: tuple[int, ...]
    detected: int

    @property
    def tracks(self) -> tuple[Track, ...]:
        """All tracks, of people and left out, in order of first appearance."""
        tracks = [track for person in self.people for track in person.tracks]
        tracks += [one.track for one in self.left_out]
        return tuple(sorted(tracks, key=lambda track: track.faces[0].frame_index))


# ---- First pass: who is where ----


def analyse(
    video: video_reader.Video,
    settings: FaceSettings = FaceSettings(),
    span: video_reader.Span = video_reader.WHOLE,
    progress: Callable[[int], None] | None = None,
    *,
    stills: Sequence[Frame] | None = None,
) -> Analysis:
    """Finds and tracks every face of a video, and groups the tracks by person.

    Args:
      video: path of the video, or its properties.
      settings: settings of finding and tracking.
      span: part of the video to read.
      progress: called with the number of frames done since the last call.
      stills: single frames of the video, each a shot of its own; None for all frames of `span`.

    Raises:
      InputError: if the video cannot be read or shows no face.
    """
    info = video_reader.info_of(video)
    analysis = find_people(info, settings, span, progress, stills=stills)
    if not analysis.people:
        message = _no_face_message(info.path, analysis, settings.min_face_size)
        raise InputError(message, setting="min_face_size")
    return analysis


def find_people(
    video: video_reader.Video,
    settings: FaceSettings = FaceSettings(),
    span: video_reader.Span = video_reader.WHOLE,
    progress: Callable[[int], None] | None = None,
    *,
    stills: Sequence[Frame] | None = None,
) -> Analysis:
    """Like `analyse`, but an empty result is not an error.

    Raises:
      InputError: if the video cannot be read.
    """
    info = video_reader.info_of(video)
    # The models that look at frames.
    detector_settings = DetectorSettings(min_face_size=settings.min_face_size, batch=settings.batch)
    detector = _detector(info.height, info.width, detector_settings)
    read_mesh = MeshReader(face_mesh.FaceMesh(), settings.min_presence)
    identifier = Identifier(embeddings.face_chip, embeddings.embed)
    follow = KeyframeTracker(Tracker(settings.tracking, identifier), read_mesh, detector)

    # Tracking needs the frames in order and runs here; all that it needs is computed ahead.
    frames = _frames_with_cuts(info, settings, span, stills)
    count = first_frame = detected = 0
    cuts: list[int] = []
    for group in _groups_ahead(frames, settings, detector, read_mesh):
        if count == 0:
            first_frame = group.frames[0].index
        if group.starts_shot:
            cuts.append(group.frames[0].index)
        detected += follow(group)
        count += len(group.frames)
        if progress:
            progress(len(group.frames))

    # Who a track shows can only be settled when all tracks are complete.
    found = people.group_by_person(follow.tracker.finish())
    return Analysis(
        people=found.people,
        left_out=found.left_out,
        frames=count,
        first_frame=first_frame,
        cuts=tuple(cuts),
        changes=found.cuts,
        detected=detected,
    )


@functools.lru_cache(maxsize=2)
def _detector(height: int, width: int, settings: DetectorSettings) -> Detector:
    """Returns the detector, compiled once for all videos of one size: that takes seconds."""
    return Detector(height, width, settings)


def _frames_with_cuts(
    info: video_reader.VideoInfo,
    settings: FaceSettings,
    span: video_reader.Span,
    stills: Sequence[Frame] | None,
) -> Iterator[tuple[Frame, bool]]:
    """Yields the frames to analyse, each with whether it starts a shot."""
    if stills is not None:
        for frame in stills:
            yield frame, True
        return
    is_cut = CutDetector(settings.tracking)
    for frame in video_reader.read_frames(info, span, exact=False):
        yield frame, is_cut(frame.image)


def _groups_ahead(
    frames: Iterator[tuple[Frame, bool]],
    settings: FaceSettings,
    detector: Detector,
    read_mesh: MeshReader,
) -> Iterator[FrameGroup]:
    """Returns the frames in groups that are ready to be tracked, a few groups ahead.

    Everything runs in threads: while the consumer tracks one group, the meshes of the next ones
    are read, the detector looks at those after them, and more frames are decoded.
    """
    # Decode.
    groups = frame_groups(fetch(frames, 8), settings.detect_every)
    # Detect in the last frame of each group.
    detected = detect_keyframes(groups, detector, settings.batch)
    if settings.detect_all:
        detected = (group.detected(detector) for group in detected)
    # Read meshes, first those of the last frames: the frames between two of them need both.
    keyframes_read = fetch(read_keyframes(detected, read_mesh), settings.batch)
    threads = min(cores(), _READING_THREADS)
    return map_ahead(lambda pair: read_between(*pair, read_mesh), keyframes_read, threads)


def _no_face_message(path: pathlib.Path, analysis: Analysis, min_face_size: int) -> str:
    message = f"{path}: no face found in {analysis.frames} frames"
    reasons = collections.Counter(one.reason for one in analysis.left_out)
    if reasons:
        counts = [f"{count} left out because {reason}" for reason, count in reasons.items()]
        message += f" ({', '.join(counts)})"
    return (
        f"{message}; give a video that shows a face at least {min_face_size} pixels wide, or "
        "lower the smallest size that is looked for"
    )


def embedding_of(path: pathlib.Path, settings: FaceSettings = FaceSettings()) -> np.ndarray:
    """Returns the embedding of the most prominent person of an image or video.

    The result is cached until the file changes.

    Returns:
      `[EMBEDDING_SIZE]` float32.

    Raises:
      InputError: if the file cannot be read or shows nobody, or two people equally often.
    """
    try:
        stat = path.stat()
    except OSError:
        # Reading it will fail as well, with an error that says why; errors are not cached.
        return _embedding_of(path, -1, -1, settings)
    return _embedding_of(path, stat.st_size, stat.st_mtime_ns, settings)


@functools.lru_cache(maxsize=8)
def _embedding_of(
    path: pathlib.Path, size: int, mtime_ns: int, settings: FaceSettings
) -> np.ndarray:
    """Returns `embedding_of`; size and modification time only tell versions of a file apart."""
    del size, mtime_ns
    most, *others = analyse(path, settings).people
    if others and others[0].frames == most.frames:
        raise InputError(
            f"{path}: shows {1 + len(others)} people; give a reference that shows only the one "
            "who is wanted",
            setting="reference",
        )
    return most.embedding


# ---- Second pass: crops and masks ----


@dataclasses.dataclass(frozen=True)
class Crop:
    """A face cut out of its frame, before its masks are made.

    Attributes:
      image: `[size, size, 3]` uint8 RGB.
      transform: `[2, 3]`, frame to crop pixels.
      frame: the frame it was cut out of.
      track: the track of the face.
      position: position of the face in `track.faces`.
    """

    image: np.ndarray
    transform: np.ndarray
    frame: warp.Pixels
    track: Track
    position: int

    @property
    def face(self) -> Face:
        """The face, in frame pixels."""
        return self.track.faces[self.position]


def aligned_faces(
    video: video_reader.Video,
    tracks: Sequence[Track],
    span: video_reader.Span = video_reader.WHOLE,
    *,
    wanted: Callable[[Face], bool] = lambda face: True,
    keep: Callable[[Crop], bool] = lambda crop: True,
    masker: Masker = Masker(),
) -> Iterator[AlignedFace]:
    """Returns the aligned faces of some tracks, in order of time.

    Only the part of a frame that a crop covers is converted to RGB, as in a conversion.

    Args:
      video: path of the video, or its properties.
      tracks: tracks found by `analyse`.
      span: part of the video that was analysed.
      wanted: whether a face is cropped at all.
      keep: whether a crop gets masks and is returned; called in order of time.
      masker: makes the masks.
    """
    shown = {face.frame_index for track in tracks for face in track.faces if wanted(face)}
    info = video_reader.info_of(video)
    pixel_format = pixel_format_for(info, Encoding())
    frames = video_reader.read_coded_frames(
        info, span, pixel_format=pixel_format, wanted=shown.__contains__
    )
    return aligned_faces_in(frames, tracks, wanted=wanted, keep=keep, masker=masker)


def aligned_faces_in(
    frames: Iterable[CodedFrame],
    tracks: Sequence[Track],
    *,
    wanted: Callable[[Face], bool] = lambda face: True,
    keep: Callable[[Crop], bool] = lambda crop: True,
    masker: Masker = Masker(),
) -> Iterator[AlignedFace]:
    """Like `aligned_faces`, but takes the frames instead of reading them.

    Frames are decoded, and crops and masks made, in threads, a few ahead.
    """
    faces_in: dict[int, list[tuple[Track, int]]] = {}
    for track in tracks:
        for position, face in enumerate(track.faces):
            if wanted(face):
                faces_in.setdefault(face.frame_index, []).append((track, position))
    to_crop = (
        (frame, track, position)
        for frame in fetch(iter(frames), 4)
        for track, position in faces_in.get(frame.index, [])
    )
    # Two stages, because `keep` may depend on the crops before and so has to see them in order.
    kept = filter(keep, map_ahead(lambda place: _crop(*place), to_crop))
    return map_ahead(lambda crop: _aligned_face(crop, masker), kept)


def align(
    image: warp.Pixels,
    track: Track,
    position: int,
    size: int = CROP_SIZE,
    masker: Masker = Masker(),
    nearer: Sequence[np.ndarray] = (),
) -> AlignedFace:
    """Returns crop, masks and measurements of one face of a track.

    Args:
      image: `[height, width, 3]` uint8 RGB, the frame of the face.
      track: the track.
      position: position of the face in `track.faces`.
      size: side of the crop, pixels.
      masker: makes the masks.
      nearer: meshes `[478, 2]`, frame pixels, of faces in front of this one; the pixels that they
        cover are removed from all masks.
    """
    return _aligned_face(_crop(image, track, position, size), masker, nearer)


def _crop(frame: warp.Pixels, track: Track, position: int, size: int = CROP_SIZE) -> Crop:
    transform = similarity.resize_transform(track.transforms[position], CROP_SIZE, size)
    return Crop(warp.warp_crop(frame, transform, size), transform, frame, track, position)


def _aligned_face(crop: Crop, masker: Masker, nearer: Sequence[np.ndarray] = ()) -> AlignedFace:
    face = crop.face
    landmarks = similarity.apply(crop.transform, face.landmarks).astype(np.float32)
    masks = _visible_masks(crop, landmarks, masker, nearer)
    return AlignedFace(
        image=crop.image,
        masks=masks,
        landmarks=landmarks,
        transform=crop.transform.astype(np.float32),
        box=face.detection.box,
        score=face.detection.score,
        pose=face.pose,
        embedding=crop.track.embedding_at(crop.position),
        sharpness=sharpness.mean_laplacian(crop.image, masks["face"]),
        frame_index=face.frame_index,
        timestamp_us=face.timestamp_us,
        track_id=crop.track.track_id,
    )


def _visible_masks(
    crop: Crop, landmarks: np.ndarray, masker: Masker, nearer: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the masks of a crop without what nearer faces cover; see `align`."""
    masks = masker(crop.image, landmarks, crop.frame, crop.transform)
    for mesh in nearer:
        mesh_in_crop = similarity.apply(crop.transform, mesh).astype(np.float32)
        face_mask = masker(crop.image, mesh_in_crop, crop.frame, crop.transform)["face"]
        covered = _covered(mesh_in_crop, face_mask)
        masks = {name: np.where(covered > 0, 0, mask) for name, mask in masks.items()}
    return masks


def _covered(mesh: np.ndarray, face_mask: np.ndarray) -> np.ndarray:
    """Returns the pixels that a face covers: its mesh, its mask and a margin.

    Args:
      mesh: `[478, 2]` float32 crop pixels.
      face_mask: `[size, size, 1]` uint8, 0 or 255.

    Returns:
      `[size, size, 1]` uint8, 0 or 255.
    """
    covered = face_mask[..., 0].copy()
    outline = cv2.convexHull(mesh.round().astype(np.int32))
    cv2.fillConvexPoly(covered, outline, 255)
    # The blend of the face behind must not feather into this one.
    margin = round(_HIDING_MARGIN * len(face_mask))
    return cv2.dilate(covered, np.ones((2 * margin + 1,) * 2, np.uint8))[..., None]
