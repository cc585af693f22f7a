"""Evaluation of a swapped video against its target and the data set of its source."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from data_prep import json_records
from data_prep.dataset import identity_card
from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.records import CROP_SIZE
from data_prep.runtime import files
from sagan_jax.evaluation import face_pairs, frame_measurements, scoring
from sagan_jax.evaluation.face_pairs import Pair, TrackedPerson
from sagan_jax.evaluation.frame_measurements import ClipMeasurements
from sagan_jax.evaluation.gallery import Judges, SourceGalleries
from sagan_jax.evaluation.results import Evaluation, Part

# A second difference over time, as of jitter, needs three frames.
_MIN_PAIRS = 3


def evaluate_clip(
    source: pathlib.Path,
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video_reader.Span = video_reader.WHOLE,
    others: Sequence[pathlib.Path] = (),
) -> tuple[Evaluation, ClipMeasurements]:
    """Evaluates a swapped video.

    Args:
      source: data set of the person that the swap should show.
      target: the original video.
      swapped: the converted video.
      span: part of the target that was converted.
      others: data sets of other people, among whom the source has to be retrieved.

    Returns:
      the results, and the measurements they were computed from, for the report.

    Raises:
      InputError: if a data set or a video cannot be read, a video shows no face, or the numbers of
        frames differ.
    """
    # The cheap checks come first, then the faces of both videos, on which everything is based.
    subject = _subject(source, target, swapped, span)
    before = face_pairs.track_target(target, span)
    after = face_pairs.track_swap(swapped, before)
    if before.frames != after.frames:
        raise InputError(
            f"{swapped}: {after.frames} frames, its target has {before.frames}; give the video it "
            "was made from, and the part of it that was converted",
            setting="target",
        )
    pairs = face_pairs.pair_up(before, after)
    if len(pairs) < _MIN_PAIRS:
        raise InputError(f"{swapped}: shows no face in the frames where {target} does")
    # The networks are loaded only now: a wrong video should be reported early.
    judges = Judges()
    person = SourceGalleries.read(source, judges, others)
    measurements = frame_measurements.measure_frames(
        target, swapped, span, pairs, before.frames, judges
    )
    part = _score(person, before, pairs, measurements)
    return Evaluation(subject, {swapped.name: part}), measurements


def _score(
    source: SourceGalleries,
    target: TrackedPerson,
    pairs: dict[int, Pair],
    measurements: ClipMeasurements,
) -> Part:
    """Computes all metrics of a clip."""
    every, sampled = measurements.every, measurements.sampled
    # Identity is only known where the slow networks measured.
    identity, cosines = scoring.identity_metrics(
        source, sampled.embeddings, measurements.sampled_seconds
    )

    # The face mesh exists in every frame, so expression and pose are scored in all of them.
    faces = [[pair.after for pair in pairs.values()], [pair.before for pair in pairs.values()]]
    meshes = [np.stack([face.landmarks for face in each]) for each in faces]
    poses = [np.stack([face.pose for face in each]) for each in faces]
    performance, curves = scoring.performance_metrics(meshes, poses, every.seconds)

    # A target face counts as lost if the swap has no face in its place.
    kept = np.isin(list(target.faces), list(pairs)).astype(np.float64)
    # Sharpness depends on size: the source's crops are compared at the size of these faces.
    scale = float(np.median([np.hypot(*pair.transform[0, :2]) for pair in pairs.values()]))
    return Part(
        counts={
            "frames": target.frames,
            "faces": len(target.faces),
            "measured": len(pairs),
            "sampled": len(sampled.at),
            "featured": len(sampled.featured),
        },
        metrics={
            **identity,
            **performance,
            **scoring.steadiness_metrics(pairs, meshes, every, kept),
            **scoring.image_metrics(source, measurements, CROP_SIZE / scale),
            **scoring.distribution_metrics(source, sampled.features, measurements.featured_seconds),
        },
        series={
            "seconds": every.seconds,
            **curves,
            "brightness_swapped": every.brightness[:, 0],
            "brightness_target": every.brightness[:, 1],
            "sampled_seconds": measurements.sampled_seconds,
            **cosines,
            "seam": sampled.seam,
        },
    )


def _subject(
    source: pathlib.Path, target: pathlib.Path, swapped: pathlib.Path, span: video_reader.Span
) -> dict[str, object]:
    """Names and hashes of the inputs; fails before any work if one of them cannot be read."""
    for path in (target, swapped):
        video_reader.probe(path)
    card = identity_card.read_card(source)
    return {
        "kind": "clip",
        "source": {
            "identity": card.identity,
            "fingerprint": card.fingerprint,
            "footage": None if card.verdict is None else json_records.to_json(card.verdict),
        },
        "target": {
            "name": target.name,
            "sha256": files.sha256_of(target),
            "start_s": span.start_s,
            "end_s": span.end_s,
        },
        "swapped": {"name": swapped.name, "sha256": files.sha256_of(swapped)},
    }
