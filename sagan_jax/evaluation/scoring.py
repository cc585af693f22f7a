"""Metrics with confidence intervals, computed from measurements of swapped faces.

The first three functions serve the evaluation of a clip and of a checkpoint alike, the others only
make sense for consecutive frames of a clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data_prep.even_spacing import evenly_spaced
from data_prep.mesh import expression
from data_prep.mesh.blendshapes import Blendshapes
from sagan_jax.evaluation import fid_kid, gallery, metrics
from sagan_jax.evaluation.bootstrap import Estimate, Series, bootstrap, jackknife
from sagan_jax.evaluation.face_pairs import Pair
from sagan_jax.evaluation.frame_measurements import ClipMeasurements, EveryFrame
from sagan_jax.evaluation.gallery import SourceGalleries

Metrics = dict[str, Estimate]
Curves = dict[str, np.ndarray]


def identity_metrics(
    source: SourceGalleries, embeddings: np.ndarray, seconds: np.ndarray
) -> tuple[Metrics, Curves]:
    """Scores whose face it is.

    Args:
      source: the person that the swap should show.
      embeddings: `[M, 2, D]`, of swapped and original faces.
      seconds: `[M]` times.

    Returns:
      the metrics, and the cosines over time that they are means of.
    """
    # All cosines are taken with the mean direction of a person, which averages out pose and light.
    swapped, target = embeddings[:, 0], embeddings[:, 1]
    person, replaced = metrics.centroid(source.train.embeddings), metrics.centroid(target)
    to_source, to_target, baseline = swapped @ person, swapped @ replaced, target @ person
    ceiling = Series.at(source.holdout.seconds, source.holdout.embeddings @ person)

    # The gallery has about as many images of each person, so that nobody is favoured.
    people = [
        source.train.embeddings,
        target[evenly_spaced(len(target), gallery.GALLERY_SIZE)],
        *(other.embeddings for other in source.others),
    ]
    is_source = np.repeat(np.arange(len(people)) == 0, [len(each) for each in people])
    retrieved = metrics.retrieves_source(swapped, np.concatenate(people), is_source)

    # Transfer compares swap and target in the same frames, hence one series of both.
    both = Series.at(seconds, to_source, baseline)
    scores = {
        "transfer": bootstrap(metrics.identity_transfer, both, ceiling),
        "source_wins": bootstrap(metrics.source_wins, Series.at(seconds, to_source, to_target)),
        "retrieval": bootstrap(np.mean, Series.at(seconds, retrieved)),
        "similarity_source": bootstrap(np.mean, Series.at(seconds, to_source)),
        "similarity_target": bootstrap(np.mean, Series.at(seconds, to_target)),
        "baseline": bootstrap(np.mean, Series.at(seconds, baseline)),
        "ceiling": bootstrap(np.mean, ceiling),
    }
    return scores, {"similarity_source": to_source, "similarity_target": to_target}


def performance_metrics(
    meshes: Sequence[np.ndarray], poses: Sequence[np.ndarray], seconds: np.ndarray
) -> tuple[Metrics, Curves]:
    """Scores whether the face does what the target's face does.

    Args:
      meshes: of swap and target, each `[N, 478, 2]` pixels.
      poses: of swap and target, each `[N, 3]` degrees.
      seconds: `[N]` times.

    Returns:
      the metrics, and the values over time that they are computed from.
    """
    blendshapes = Blendshapes()
    # The first coefficient, "neutral", carries no information.
    shapes = [np.stack([blendshapes(mesh)[1:] for mesh in each]) for each in meshes]
    shape_errors = metrics.mean_differences(*shapes)

    # Per-frame errors are averaged; openings and gaze are compared as curves over time.
    distances = metrics.mesh_distances(*meshes)
    turns = metrics.mean_differences(*poses)
    mouths = [expression.mouth_opening_in_eye_distances(each) for each in meshes]
    eyes = [expression.eye_opening(each) for each in meshes]
    gazes = [expression.gaze(each) for each in meshes]
    scores = {
        "expression_error": bootstrap(np.mean, Series.at(seconds, distances)),
        "blendshape_error": bootstrap(np.mean, Series.at(seconds, shape_errors)),
        "pose_error": bootstrap(np.mean, Series.at(seconds, turns)),
        "mouth_correlation": bootstrap(metrics.correlation, Series.at(seconds, *mouths)),
        "mouth_gain": bootstrap(metrics.gain, Series.at(seconds, *mouths)),
        "eye_correlation": bootstrap(metrics.correlation, Series.at(seconds, *eyes)),
        "eye_gain": bootstrap(metrics.gain, Series.at(seconds, *eyes)),
        "gaze_correlation": bootstrap(metrics.correlation, Series.at(seconds, *gazes)),
    }
    # The report plots horizontal gaze only.
    curves = {
        "expression_error": distances,
        "pose_error": turns,
        "mouth_swapped": mouths[0],
        "mouth_target": mouths[1],
        "eyes_swapped": eyes[0],
        "eyes_target": eyes[1],
        "gaze_swapped": gazes[0][:, 0],
        "gaze_target": gazes[1][:, 0],
    }
    return scores, curves


def distribution_metrics(
    source: SourceGalleries, features: np.ndarray, seconds: np.ndarray
) -> Metrics:
    """Scores how far the faces are, as a set, from the source's footage.

    Args:
      source: the person that the swap should show.
      features: `[L, 2, D]`, of swapped and original faces.
      seconds: `[L]` times.
    """
    footage = source.train.features

    def kid(features: np.ndarray) -> float:
        return fid_kid.kernel_distance(features, footage)

    def fid(features: np.ndarray) -> float:
        return fid_kid.frechet_distance(features, footage)

    # The same distance of held-out footage shows how small it can get.
    held_out = Series.at(source.holdout.seconds, source.holdout.features)
    return {
        "kid": jackknife(kid, Series.at(seconds, features[:, 0])),
        "kid_of_footage": jackknife(kid, held_out),
        "kid_of_target": jackknife(kid, Series.at(seconds, features[:, 1])),
        "fid": jackknife(fid, Series.at(seconds, features[:, 0])),
    }


def steadiness_metrics(
    pairs: Mapping[int, Pair],
    meshes: Sequence[np.ndarray],
    every: EveryFrame,
    kept: np.ndarray,
) -> Metrics:
    """Scores how steady the face is over time.

    Args:
      pairs: N faces by position of their frame.
      meshes: of swap and target, each `[N, 478, 2]` pixels.
      every: measurements of the N frames.
      kept: `[F]` float64, whether the swap shows a face in the place of each of the target's.
    """
    track_ids = np.array([pair.track_id for pair in pairs.values()])
    # Second differences only exist where three frames follow each other in one track.
    where = metrics.consecutive(np.array(list(pairs)), track_ids)
    seconds = every.seconds[1:-1][where]
    motion = [metrics.second_differences(mesh, where) for mesh in meshes]
    light = [metrics.second_differences(every.brightness[:, i], where) for i in (0, 1)]
    # Lost faces have no time in `every`; evenly spaced times are near enough.
    even = np.linspace(0, every.seconds[-1] - every.seconds[0], len(kept))
    return {
        "jitter": bootstrap(metrics.ratio, Series.at(seconds, *motion)),
        "flicker": bootstrap(metrics.ratio, Series.at(seconds, *light)),
        "faces_kept": bootstrap(np.mean, Series.at(even, kept)),
    }


def image_metrics(source: SourceGalleries, measurements: ClipMeasurements, side: float) -> Metrics:
    """Scores sharpness, seam and background of the frames.

    Args:
      source: the person that the swap should show.
      measurements: measurements of the clip.
      side: side in pixels of the source's crops when brought to the scale of the target's frames.
    """
    every = measurements.every
    swapped, target = every.sharpness[:, 0], every.sharpness[:, 1]
    footage = Series.at(source.train.seconds, source.train.sharpness(side))
    errors = Series.at(every.seconds, every.background_error)
    seams = Series.at(measurements.sampled_seconds, measurements.sampled.seam)
    return {
        "sharpness": bootstrap(metrics.ratio, Series.at(every.seconds, swapped, target)),
        "sharpness_of_source": bootstrap(metrics.ratio, Series.at(every.seconds, swapped), footage),
        "seam": bootstrap(np.mean, seams),
        "background_psnr": bootstrap(metrics.psnr, errors),
    }
