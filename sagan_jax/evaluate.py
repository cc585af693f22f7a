"""How good a swapped video is: measured against its target and the source's data set."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

from data_prep import faces, landmarks, people, quality, shards, video
from data_prep.errors import InputError
from data_prep.progress import Progress
from data_prep.records import Face, Frame
from sagan_jax import metrics
from sagan_jax.recogniser import Recogniser

_GALLERY = 64
_EMBEDDED_FRAMES = 200
# Beyond the mesh the blend is feathered: pixels this near to the face are not "untouched".
_FACE_MARGIN = 0.15


@dataclasses.dataclass(frozen=True)
class ClipMetrics:
    """Figures of one swapped video; see `metrics` for ranges.

    Attributes:
      frames: of the video.
      measured: frames in which both videos show the face.
      similarity_source: mean cosine of the swapped faces with the source.
      similarity_target: mean cosine of the swapped faces with the target.
      baseline: mean cosine of the target's own faces with the source.
      ceiling: mean cosine of held-out faces of the source with the source.
      transfer: share of the way from baseline to ceiling.
      source_wins: share of frames nearer to the source than to the target.
      expression_error: % of the eye distance.
      pose_error: degrees.
      mouth_correlation: -1..1.
      jitter: swapped over target.
      sharpness: mean absolute Laplacian inside the face, swapped over target.
      background_psnr: dB away from the face.
      identity_over_time: `(second, cosine with source, cosine with target)`.
    """

    frames: int
    measured: int
    similarity_source: float
    similarity_target: float
    baseline: float
    ceiling: float
    transfer: float
    source_wins: float
    expression_error: float
    pose_error: float
    mouth_correlation: float
    jitter: float
    sharpness: float
    background_psnr: float
    identity_over_time: tuple[tuple[float, float, float], ...]


@dataclasses.dataclass(frozen=True)
class _Followed:
    """The most-seen person of one video.

    Attributes:
      faces: by position of the frame in the span.
      track_ids: likewise.
      frames: number of frames read.
    """

    faces: dict[int, Face]
    track_ids: dict[int, int]
    frames: int


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What one pass over both videos gives.

    Attributes:
      swapped: embeddings of every n-th frame, `[M, D]`.
      target: likewise of the target.
      seconds: of those frames, `[M]`.
      sharpness: swapped over target, mean over the frames.
      background_error: mean squared error away from the face.
    """

    swapped: np.ndarray
    target: np.ndarray
    seconds: np.ndarray
    sharpness: float
    background_error: float


def evaluate_clip(
    source: pathlib.Path,
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video.Span = video.WHOLE,
) -> ClipMetrics:
    """Measures a swapped video.

    Args:
      source: data set of the person to be seen.
      target: the video that was changed.
      swapped: what came of it.
      span: the part of the target that was converted.

    Raises:
      InputError: if the data set or a video cannot be read, a video shows no face, or the
        frames do not pair up.
    """
    for path in (target, swapped):
        video.probe(path)
    recogniser = Recogniser()
    gallery, ceiling = _source_identity(source, recogniser)
    before, after = _follow(target, span), _follow(swapped, video.WHOLE)
    if before.frames != after.frames:
        raise InputError(
            f"{swapped}: {after.frames} frames, its target has {before.frames}; give the video it "
            "was made of (and --target_start/--target_end if only a part was converted)"
        )
    common = sorted(before.faces.keys() & after.faces.keys())
    if len(common) < 3:
        raise InputError(f"{swapped}: shows no face in the frames where {target} does")
    pairs = {i: (before.faces[i], after.faces[i]) for i in common}
    seen = _look(target, swapped, span, pairs, before.frames, recogniser)
    target_centroid = metrics.centroid(seen.target)
    to_source, to_target = seen.swapped @ gallery, seen.swapped @ target_centroid
    meshes = [np.stack([pair[k].landmarks for pair in pairs.values()]) for k in (0, 1)]
    poses = [np.stack([pair[k].pose for pair in pairs.values()]) for k in (0, 1)]
    track_ids = np.array([before.track_ids[i] for i in common])
    baseline = float((seen.target @ gallery).mean())
    return ClipMetrics(
        frames=before.frames,
        measured=len(common),
        similarity_source=float(to_source.mean()),
        similarity_target=float(to_target.mean()),
        baseline=baseline,
        ceiling=ceiling,
        transfer=metrics.identity_transfer(float(to_source.mean()), baseline, ceiling),
        source_wins=metrics.source_wins(seen.swapped, gallery, target_centroid),
        expression_error=metrics.expression_error(meshes[1], meshes[0]),
        pose_error=metrics.pose_error(poses[1], poses[0]),
        mouth_correlation=metrics.mouth_correlation(meshes[1], meshes[0]),
        jitter=metrics.jitter_ratio(meshes[1], meshes[0], np.array(common), track_ids),
        sharpness=seen.sharpness,
        background_psnr=metrics.squared_error_to_psnr(seen.background_error),
        identity_over_time=tuple(
            zip(seen.seconds.tolist(), to_source.tolist(), to_target.tolist(), strict=True)
        ),
    )


def paired_frames(
    target: pathlib.Path, swapped: pathlib.Path, span: video.Span
) -> Iterator[tuple[Frame, Frame]]:
    """Frames of a target (or a part of it) and of its swap, side by side."""
    return zip(video.read_frames(target, span), video.read_frames(swapped), strict=False)


def _follow(path: pathlib.Path, span: video.Span) -> _Followed:
    total = video.probe(path).expected_frames(span)
    with Progress(f"{path.name}: finding faces", total=total, unit="frames") as bar:
        analysis = faces.analyse(path, span=span, progress=bar.advance)
    tracks = people.choose(analysis.people).tracks
    first = analysis.first_frame
    where = {f.frame_index - first: (f, t.track_id) for t in tracks for f in t.faces}
    return _Followed(
        {index: face for index, (face, _) in where.items()},
        {index: track_id for index, (_, track_id) in where.items()},
        analysis.frames,
    )


def _source_identity(folder: pathlib.Path, recogniser: Recogniser) -> tuple[np.ndarray, float]:
    """Centroid of the source's training crops, and how near held-out crops come to it."""
    gallery = metrics.centroid(_crop_embeddings(folder, "train", recogniser))
    return gallery, float((_crop_embeddings(folder, "holdout", recogniser) @ gallery).mean())


def _crop_embeddings(folder: pathlib.Path, split: str, recogniser: Recogniser) -> np.ndarray:
    card = shards.read_card(folder)
    total = sum(one[split] for one in card.videos)
    if not total:
        raise InputError(f"{folder}: no crops in '{split}'; prepare it from a longer video")
    chosen = set(np.linspace(0, total - 1, _GALLERY).round().astype(int).tolist())
    return np.stack([
        recogniser(example["image"], landmarks.five_points(example["landmarks"]))
        for index, example in enumerate(shards.read(folder, split))
        if index in chosen
    ])  # fmt: skip


def _look(
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video.Span,
    pairs: dict[int, tuple[Face, Face]],
    count: int,
    recogniser: Recogniser,
) -> _Seen:
    """The one pass over the pixels of both videos."""
    every = max(1, len(pairs) // _EMBEDDED_FRAMES)
    embedded = set(list(pairs)[::every])
    embeddings: list[tuple[np.ndarray, np.ndarray, float]] = []
    sharpness, errors = [], []
    with Progress("measuring", total=count, unit="frames") as bar:
        for index, (before, after) in enumerate(bar.track(paired_frames(target, swapped, span))):
            if index not in pairs:
                continue
            face, swapped_face = pairs[index]
            hull = _hull(face.landmarks, before.image.shape[:2])
            sharp = [quality.sharpness(frame.image, hull[..., None]) for frame in (before, after)]
            sharpness.append(sharp[1] / sharp[0])
            outside = _widened(hull, face) == 0
            errors.append(metrics.squared_error(before.image, after.image, outside))
            if index in embedded:
                embeddings.append((
                    recogniser(after.image, landmarks.five_points(swapped_face.landmarks)),
                    recogniser(before.image, landmarks.five_points(face.landmarks)),
                    after.timestamp_us * 1e-6,
                ))  # fmt: skip
    a, b, seconds = (np.array(column) for column in zip(*embeddings, strict=True))
    return _Seen(a, b, seconds, float(np.mean(sharpness)), float(np.mean(errors)))


def _hull(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 255)
    return mask


def _widened(hull: np.ndarray, face: Face) -> np.ndarray:
    width = 2 * round(_FACE_MARGIN * float(np.ptp(face.landmarks[:, 0]))) + 1
    return cv2.dilate(hull, np.ones((width, width), np.uint8))
