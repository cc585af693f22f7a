"""A video to tracks of aligned faces: the one face pipeline.

Preparation and conversion both call `analyse` (first pass: who is where, over the whole
video, smoothed in both directions of time) and then warp the crops in a second pass over
the frames, so what was trained on is what is converted.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import cv2
import numpy as np

from data_prep import weights
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
from data_prep.records import CROP_SIZE, AlignedFace, Face, Frame, Person, Track
from data_prep.runtime.prefetch import cores, fetch, map_ahead
from data_prep.segmentation.face_masks import Masker, MaskSource
from data_prep.tracking.detect_and_track import KeyframeTracker, detect_keyframes, frame_groups
from data_prep.tracking.mesh_reader import MeshReader
from data_prep.tracking.parallel_mesh_reader import read_between, read_keyframes
from data_prep.tracking.shot_boundary import CutDetector
from data_prep.tracking.tracker import Identifier, Tracker, TrackingSettings

# Of the side of a crop: three times what a blend is feathered by.
_RIM = 0.024
# Each has two stretches of frames in memory.
_READING_THREADS = 4


@dataclasses.dataclass(frozen=True)
class FaceSettings:
    """How faces are found.

    Attributes:
      min_face_size: smallest face looked for, frame pixels.
      min_presence: least probability, by the mesh, of being a face, 0..1.
      detect_every: the detector looks at each n-th frame, and at more where faces come and go.
      detect_all: it looks at every frame, which is what `detect_every` is measured against.
      batch: frames a detector call. Up to `2 * batch + 9` times `detect_every` frames are in
        memory.
      tracking: association and smoothing.
      masks: what the mask of the face is made with.
    """

    min_face_size: int = 40
    min_presence: float = 0.5
    detect_every: int = 8
    detect_all: bool = False
    batch: int = 4
    tracking: TrackingSettings = TrackingSettings()
    masks: MaskSource = MaskSource.MESH

    @property
    def models(self) -> tuple[weights.WeightFile, ...]:
        """Every model that finding, following and cropping faces with these settings uses."""
        found = (*weights.MTCNN.values(), weights.FACE_LANDMARKER, weights.DLIB_RESNET)
        return (*found, *self.masks.weights)


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What the first pass over a video found.

    Attributes:
      people: everybody in the video, the one who is seen most first.
      left_out: tracks that are nobody's, each with the reason, in order of time.
      frames: number of frames read.
      first_frame: index of the first of them.
      cuts: index of the first frame of each new shot.
      changes: frames at which a track went over from one person to another and was cut.
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
        """All that was followed, in order of first appearance."""
        tracks = [track for person in self.people for track in person.tracks]
        tracks += [one.track for one in self.left_out]
        return tuple(sorted(tracks, key=lambda track: track.faces[0].frame_index))


def analyse(
    path: str | pathlib.Path,
    settings: FaceSettings = FaceSettings(),
    span: video_reader.Span = video_reader.WHOLE,
    progress: Callable[[int], None] | None = None,
    *,
    stills: Sequence[Frame] | None = None,
) -> Analysis:
    """Finds and follows every face of a video.

    Args:
      path: the video.
      settings: how faces are found.
      span: which part of it.
      progress: called with the number of frames done since the last call.
      stills: single frames of the video, each looked at by itself; default: all of the span.

    Raises:
      InputError: if the video cannot be read or shows no face.
    """
    analysis = search(path, settings, span, progress, stills=stills)
    if not analysis.people:
        raise InputError(_nobody(path, analysis, settings.min_face_size))
    return analysis


def search(
    path: str | pathlib.Path,
    settings: FaceSettings = FaceSettings(),
    span: video_reader.Span = video_reader.WHOLE,
    progress: Callable[[int], None] | None = None,
    *,
    stills: Sequence[Frame] | None = None,
) -> Analysis:
    """As `analyse`, but that there is nobody is an answer.

    Raises:
      InputError: if the video cannot be read.
    """
    info = video_reader.probe(path)
    find = DetectorSettings(min_face_size=settings.min_face_size, batch=settings.batch)
    detector = _detector(info.height, info.width, find)
    read = MeshReader(face_mesh.FaceMesh(), settings.min_presence)
    tracker = Tracker(settings.tracking, Identifier(embeddings.chip, embeddings.embed))
    follow = KeyframeTracker(tracker, read, detector)
    first, count, detected, cuts = 0, 0, 0, list[int]()
    # While these frames are followed, the meshes of the next ones are read, the detector looks at
    # those after them, and more are decoded.
    if stills is None:
        frames = _with_cuts(video_reader.read_frames(path, span, exact=False), settings.tracking)
    else:
        frames = ((frame, True) for frame in stills)
    groups = frame_groups(fetch(frames, 8), settings.detect_every)
    some = detect_keyframes(groups, detector, settings.batch)
    seen = (one.detected(detector) for one in some) if settings.detect_all else some
    ended = fetch(read_keyframes(seen, read), settings.batch)
    threads = min(cores(), _READING_THREADS)
    for stretch in map_ahead(lambda one: read_between(*one, read), ended, threads):
        first = first if count else stretch.frames[0].index
        cuts += [stretch.frames[0].index] * stretch.starts_shot
        detected += follow(stretch)
        count += len(stretch.frames)
        if progress:
            progress(len(stretch.frames))
    cast = people.tell_apart(follow.tracker.finish())
    return Analysis(cast.people, cast.left_out, count, first, tuple(cuts), cast.cuts, detected)


@functools.lru_cache(maxsize=8)
def embedding_of(path: pathlib.Path, settings: FaceSettings = FaceSettings()) -> np.ndarray:
    """The identity of the person seen most in a picture or video, `[EMBEDDING_SIZE]`.

    Raises:
      InputError: if it cannot be read or shows nobody, or two people as often.
    """
    most, *others = analyse(path, settings).people
    if others and others[0].frames == most.frames:
        raise InputError(
            f"{path}: shows {1 + len(others)} people; give a reference that shows only the one "
            "who is wanted"
        )
    return most.embedding


@functools.lru_cache(maxsize=2)
def _detector(height: int, width: int, settings: DetectorSettings) -> Detector:
    """Compiled once for all videos of a size: it takes seconds."""
    return Detector(height, width, settings)


def _nobody(path: str | pathlib.Path, analysis: Analysis, min_face_size: int) -> str:
    reasons = collections.Counter(one.reason for one in analysis.left_out)
    why = ", ".join(f"{count} left out because {reason}" for reason, count in reasons.items())
    return (
        f"{path}: no face found in {analysis.frames} frames{f' ({why})' * bool(why)}; give a video "
        f"that shows a face at least {min_face_size} pixels wide, or lower --min_face"
    )


def _with_cuts(frames: Iterator[Frame], settings: TrackingSettings) -> Iterator[tuple[Frame, bool]]:
    is_cut = CutDetector(settings)
    for frame in frames:
        yield frame, is_cut(frame.image)


@dataclasses.dataclass(frozen=True)
class Crop:
    """A face cut out of its frame, before it is known whether anything more is wanted of it.

    Attributes:
      image: `[size, size, 3]` uint8.
      transform: `[2, 3]`, frame to crop pixels.
      frame: where it was cut out.
      track: the track it is of.
      position: which of its faces.
    """

    image: np.ndarray
    transform: np.ndarray
    frame: warp.Pixels
    track: Track
    position: int

    @property
    def face(self) -> Face:
        """The face."""
        return self.track.faces[self.position]


def aligned_faces(
    path: str | pathlib.Path,
    tracks: Sequence[Track],
    span: video_reader.Span = video_reader.WHOLE,
    *,
    wanted: Callable[[Face], bool] = lambda face: True,
    keep: Callable[[Crop], bool] = lambda crop: True,
    masker: Masker = Masker(),
) -> Iterator[AlignedFace]:
    """The crops of the given tracks, in order of time: the second pass over the video.

    Of a frame only what a crop sees becomes RGB, as in a conversion.

    Args:
      path: as of `analyse`.
      tracks: found by `analyse`.
      span: as of `analyse`.
      wanted: which faces.
      keep: which of their crops get masks, asked in order of time; the others are left out.
      masker: makes the masks.
    """
    shown = {face.frame_index for track in tracks for face in track.faces if wanted(face)}
    pixel_format = pixel_format_for(video_reader.probe(path), Encoding())
    pictures = video_reader.read_coded_frames(
        path, span, pixel_format=pixel_format, wanted=shown.__contains__
    )
    return crops(pictures, tracks, wanted=wanted, keep=keep, masker=masker)


def crops(
    pictures: Iterable[CodedFrame],
    tracks: Sequence[Track],
    *,
    wanted: Callable[[Face], bool] = lambda face: True,
    keep: Callable[[Crop], bool] = lambda crop: True,
    masker: Masker = Masker(),
) -> Iterator[AlignedFace]:
    """As `aligned_faces`, of pictures that are read elsewhere.

    They are decoded and crops made in threads, a few ahead.
    """
    places: dict[int, list[tuple[Track, int]]] = {}
    for track in tracks:
        for position, face in enumerate(track.faces):
            if wanted(face):
                places.setdefault(face.frame_index, []).append((track, position))
    found = (
        (picture, track, position)
        for picture in fetch(iter(pictures), 4)
        for track, position in places.get(picture.index, [])
    )
    kept = filter(keep, map_ahead(lambda one: _crop(*one), found))
    return map_ahead(lambda crop: _finish(crop, masker), kept)


def align(
    image: warp.Pixels,
    track: Track,
    position: int,
    size: int = CROP_SIZE,
    masker: Masker = Masker(),
    nearer: Sequence[np.ndarray] = (),
) -> AlignedFace:
    """Crop, masks and figures of one face of a track.

    Args:
      image: `[height, width, 3]` uint8 RGB, the frame of that face.
      track: the track.
      position: which of its faces.
      size: side of the crop, pixels.
      masker: makes the masks.
      nearer: meshes `[478, 2]`, frame pixels, of faces before it; what they cover is masked out.
    """
    return _finish(_crop(image, track, position, size), masker, nearer)


def _crop(image: warp.Pixels, track: Track, position: int, size: int = CROP_SIZE) -> Crop:
    transform = similarity.resize_transform(track.transforms[position], CROP_SIZE, size)
    return Crop(warp.warp_crop(image, transform, size), transform, image, track, position)


def _finish(crop: Crop, masker: Masker, nearer: Sequence[np.ndarray] = ()) -> AlignedFace:
    face, transform = crop.face, crop.transform
    points = similarity.apply(transform, face.landmarks).astype(np.float32)
    regions = masker(crop.image, points, crop.frame, transform)
    for mesh in nearer:
        covering = similarity.apply(transform, mesh).astype(np.float32)
        mask = masker(crop.image, covering, crop.frame, transform)["face"]
        covered = _covered(covering, mask)
        regions = {name: np.where(covered > 0, 0, mask) for name, mask in regions.items()}
    return AlignedFace(
        image=crop.image,
        masks=regions,
        landmarks=points,
        transform=transform.astype(np.float32),
        box=face.detection.box,
        score=face.detection.score,
        pose=face.pose,
        embedding=crop.track.embedding_at(crop.position),
        sharpness=sharpness.mean_laplacian(crop.image, regions["face"]),
        frame_index=face.frame_index,
        timestamp_us=face.timestamp_us,
        track_id=crop.track.track_id,
    )


def _covered(mesh: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """All of a face, its mesh and its mask, and a rim into which nothing may be feathered."""
    covered = mask[..., 0].copy()
    outline = cv2.convexHull(mesh.round().astype(np.int32))
    cv2.fillConvexPoly(covered, outline, 255)
    rim = round(_RIM * len(mask))
    return cv2.dilate(covered, np.ones((2 * rim + 1,) * 2, np.uint8))[..., None]
