"""How good a swapped video is: measured against its target and the source's data set."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from data_prep.even_spacing import spread
from data_prep.identity import people
from data_prep.media import video_reader
from data_prep.mesh import expression
from data_prep.mesh.blendshapes import Blendshapes
from data_prep.pipeline import faces
from data_prep.records import CROP_SIZE, Face, Track
from data_prep.runtime import files
from data_prep.runtime.progress import Progress
from data_prep.tracking.tracker import overlap
from sagan_jax.evaluation import fid_kid, frame_measurements, gallery, metrics
from sagan_jax.evaluation.bootstrap import Estimate, Series, bootstrap, jackknife
from sagan_jax.evaluation.frame_measurements import EveryFrame, Observation, Pair, SampledFrames
from sagan_jax.evaluation.gallery import Gallery, Judges
from sagan_jax.evaluation.results import Evaluation, Part

Figures = dict[str, Estimate]
_Place = tuple[Face, int, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Source:
    """The person to be seen, as footage has her.

    Attributes:
      train: what was trained on.
      holdout: what was not.
      others: of other people, for retrieval.
    """

    train: Gallery
    holdout: Gallery
    others: tuple[Gallery, ...] = ()

    @classmethod
    def read(
        cls, folder: pathlib.Path, judges: Judges, others: Sequence[pathlib.Path] = ()
    ) -> Source:
        """From the data sets.

        Raises:
          InputError: if one of them cannot be read, or holds nothing back.
        """
        train, holdout = (gallery.read(folder, split, judges) for split in identity_card.SPLITS)
        return cls(train, holdout, tuple(gallery.read(other, "train", judges) for other in others))


@dataclasses.dataclass(frozen=True)
class Followed:
    """The most-seen person of one video.

    Attributes:
      faces: by position of the frame in the span.
      track_ids: likewise.
      transforms: likewise, `[2, 3]`, frame to crop pixels.
      frames: number of frames read.
    """

    faces: dict[int, Face]
    track_ids: dict[int, int]
    transforms: dict[int, np.ndarray]
    frames: int


def evaluate_clip(
    source: pathlib.Path,
    target: pathlib.Path,
    swapped: pathlib.Path,
    span: video_reader.Span = video_reader.WHOLE,
    others: Sequence[pathlib.Path] = (),
) -> tuple[Evaluation, Observation]:
    """Measures a swapped video.

    Args:
      source: data set of the person to be seen.
      target: the video that was changed.
      swapped: what came of it.
      span: the part of the target that was converted.
      others: data sets of other people, among whom the source has to be found.

    Returns:
      the figures, and what was seen.

    Raises:
      InputError: if a data set or a video cannot be read, a video shows no face, or the
        frames do not pair up.
    """
    subject = _subject(source, target, swapped, span)
    before = _follow(target, span)
    after = _follow_swap(swapped, before)
    if before.frames != after.frames:
        raise InputError(
            f"{swapped}: {after.frames} frames, its target has {before.frames}; give the video it "
            "was made of (and --target_start/--target_end if only a part was converted)"
        )
    pairs = _pairs(before, after)
    if len(pairs) < 3:
        raise InputError(f"{swapped}: shows no face in the frames where {target} does")
    judges = Judges()
    person = Source.read(source, judges, others)
    seen = frame_measurements.observe(target, swapped, span, pairs, before.frames, judges)
    part = measure_clip(person, before, pairs, seen)
    return Evaluation(subject, {swapped.name: part}), seen


def measure_clip(
    source: Source, target: Followed, pairs: dict[int, Pair], seen: Observation
) -> Part:
    """All figures of a clip; see `figures` for how they are read."""
    scale = float(np.median([np.hypot(*pair.transform[0, :2]) for pair in pairs.values()]))
    identity, identity_series = identity_figures(
        source, seen.sampled.embeddings, seen.every.seconds[seen.sampled.at]
    )
    meshes = [np.stack([face.landmarks for face in _column(pairs, which)]) for which in _BOTH]
    poses = [np.stack([face.pose for face in _column(pairs, which)]) for which in _BOTH]
    performance, performance_series = performance_figures(meshes, poses, seen.every.seconds)
    kept = np.isin(list(target.faces), list(pairs)).astype(np.float64)
    return Part(
        counts={
            "frames": target.frames, "faces": len(target.faces), "measured": len(pairs),
            "sampled": len(seen.sampled.at), "featured": len(seen.sampled.featured),
        },
        figures={
            **identity,
            **performance,
            **_steadiness(pairs, meshes, seen.every, kept),
            **_picture(source, seen.every, seen.sampled, CROP_SIZE / scale),
            **distribution_figures(source, seen.sampled.features,
                                   seen.every.seconds[seen.sampled.at[seen.sampled.featured]]),
        },
        series={
            "seconds": seen.every.seconds, **performance_series,
            "brightness_swapped": seen.every.brightness[:, 0],
            "brightness_target": seen.every.brightness[:, 1],
            "sampled_seconds": seen.every.seconds[seen.sampled.at], **identity_series,
            "seam": seen.sampled.seam,
        },
    )  # fmt: skip


def identity_figures(
    source: Source, embeddings: np.ndarray, seconds: np.ndarray
) -> tuple[Figures, dict[str, np.ndarray]]:
    """Whose face it is.

    Args:
      source: the person to be seen.
      embeddings: of swapped and original faces, `[M, 2, D]`.
      seconds: `[M]`.

    Returns:
      figures, and cosines over time.
    """
    swapped, target = embeddings[:, 0], embeddings[:, 1]
    person, replaced = metrics.centroid(source.train.embeddings), metrics.centroid(target)
    to_source, to_target, none = swapped @ person, swapped @ replaced, target @ person
    ceiling = Series.at(source.holdout.seconds, source.holdout.embeddings @ person)
    known = [source.train.embeddings, target[spread(len(target), gallery.PICTURES)]]
    known += [other.embeddings for other in source.others]
    is_source = np.repeat(np.arange(len(known)) == 0, [len(one) for one in known])
    found = metrics.retrieved(swapped, np.concatenate(known), is_source)
    series = Series.at(seconds, to_source, none)
    figures = {
        "transfer": bootstrap(metrics.identity_transfer, series, ceiling),
        "source_wins": bootstrap(metrics.source_wins, Series.at(seconds, to_source, to_target)),
        "retrieval": bootstrap(np.mean, Series.at(seconds, found)),
        "similarity_source": bootstrap(np.mean, Series.at(seconds, to_source)),
        "similarity_target": bootstrap(np.mean, Series.at(seconds, to_target)),
        "baseline": bootstrap(np.mean, Series.at(seconds, none)),
        "ceiling": bootstrap(np.mean, ceiling),
    }
    return figures, {"similarity_source": to_source, "similarity_target": to_target}


def performance_figures(
    meshes: Sequence[np.ndarray], poses: Sequence[np.ndarray], seconds: np.ndarray
) -> tuple[Figures, dict[str, np.ndarray]]:
    """Whether the face does what the target's does.

    Args:
      meshes: of swap and target, each `[N, 478, 2]` pixels.
      poses: likewise, each `[N, 3]` degrees.
      seconds: `[N]`.

    Returns:
      figures, and what they are the means of.
    """
    read = Blendshapes()
    # The first, "neutral", says nothing.
    shapes = [np.stack([read(mesh)[1:] for mesh in each]) for each in meshes]
    distances = metrics.mesh_distances(*meshes)
    mouths = [expression.mouth_openings(each) for each in meshes]
    eyes = [expression.eye_opening(each) for each in meshes]
    gazes = [expression.gaze(each) for each in meshes]
    turns = metrics.mean_differences(*poses)
    figures = {
        "expression_error": bootstrap(np.mean, Series.at(seconds, distances)),
        "blendshape_error": bootstrap(
            np.mean, Series.at(seconds, metrics.mean_differences(*shapes))
        ),
        "pose_error": bootstrap(np.mean, Series.at(seconds, turns)),
        "mouth_correlation": bootstrap(metrics.correlation, Series.at(seconds, *mouths)),
        "mouth_gain": bootstrap(metrics.gain, Series.at(seconds, *mouths)),
        "eye_correlation": bootstrap(metrics.correlation, Series.at(seconds, *eyes)),
        "eye_gain": bootstrap(metrics.gain, Series.at(seconds, *eyes)),
        "gaze_correlation": bootstrap(metrics.correlation, Series.at(seconds, *gazes)),
    }
    return figures, {
        "expression_error": distances, "pose_error": turns,
        "mouth_swapped": mouths[0], "mouth_target": mouths[1],
        "eyes_swapped": eyes[0], "eyes_target": eyes[1],
        "gaze_swapped": gazes[0][:, 0], "gaze_target": gazes[1][:, 0],
    }  # fmt: skip


def distribution_figures(source: Source, features: np.ndarray, seconds: np.ndarray) -> Figures:
    """How far the faces are from the source's footage, as a set.

    Args:
      source: the person to be seen.
      features: of swapped and original faces, `[L, 2, D]`.
      seconds: `[L]`.
    """
    footage = source.train.features

    def kid(features: np.ndarray) -> float:
        return fid_kid.kernel(features, footage)

    def fid(features: np.ndarray) -> float:
        return fid_kid.frechet(features, footage)

    return {
        "kid": jackknife(kid, Series.at(seconds, features[:, 0])),
        "kid_of_footage": jackknife(
            kid, Series.at(source.holdout.seconds, source.holdout.features)
        ),
        "kid_of_target": jackknife(kid, Series.at(seconds, features[:, 1])),
        "fid": jackknife(fid, Series.at(seconds, features[:, 0])),
    }


def _steadiness(
    pairs: dict[int, Pair], meshes: list[np.ndarray], every: EveryFrame, kept: np.ndarray
) -> Figures:
    track_ids = np.array([pair.track_id for pair in pairs.values()])
    where = metrics.neighbours(np.array(list(pairs)), track_ids)
    seconds = every.seconds[1:-1][where]
    moved = [metrics.restlessness(one, where) for one in meshes]
    flickered = [metrics.restlessness(every.brightness[:, i], where) for i in (0, 1)]
    even = np.linspace(0, every.seconds[-1] - every.seconds[0], len(kept))
    return {
        "jitter": bootstrap(metrics.ratio, Series.at(seconds, *moved)),
        "flicker": bootstrap(metrics.ratio, Series.at(seconds, *flickered)),
        "faces_kept": bootstrap(np.mean, Series.at(even, kept)),
    }


def _picture(source: Source, every: EveryFrame, sampled: SampledFrames, side: float) -> Figures:
    """Args: side of the source's crops, brought to the scale of the target's frames, pixels."""
    swapped, target = every.sharpness[:, 0], every.sharpness[:, 1]
    footage = Series.at(source.train.seconds, source.train.sharpness(side))
    errors = Series.at(every.seconds, every.background_error)
    return {
        "sharpness": bootstrap(metrics.ratio, Series.at(every.seconds, swapped, target)),
        "sharpness_of_source": bootstrap(metrics.ratio, Series.at(every.seconds, swapped), footage),
        "seam": bootstrap(np.mean, Series.at(every.seconds[sampled.at], sampled.seam)),
        "background_psnr": bootstrap(metrics.psnr, errors),
    }


_BOTH = ("after", "before")


def _column(pairs: dict[int, Pair], which: str) -> list[Face]:
    return [getattr(pair, which) for pair in pairs.values()]


def _pairs(before: Followed, after: Followed) -> dict[int, Pair]:
    return {
        index: Pair(before.faces[index], after.faces[index], before.track_ids[index],
                    before.transforms[index])
        for index in sorted(before.faces.keys() & after.faces.keys())
    }  # fmt: skip


def _follow(path: pathlib.Path, span: video_reader.Span) -> Followed:
    with _finding_faces(path, span) as bar:
        analysis = faces.analyse(path, span=span, progress=bar.advance)
    return _followed(_places(people.choose(analysis.people).tracks, analysis), analysis)


def _follow_swap(path: pathlib.Path, before: Followed) -> Followed:
    """Whoever is where the target's person was: a poor swap may pass for nobody."""
    with _finding_faces(path, video_reader.WHOLE) as bar:
        analysis = faces.search(path, progress=bar.advance)
    near = [
        (overlap(place[0].detection.box, before.faces[index].detection.box), index, place)
        for index, place in _places(analysis.tracks, analysis)
        if index in before.faces
    ]
    near.sort(key=lambda one: one[0])
    return _followed(((index, place) for share, index, place in near if share > 0), analysis)


def _finding_faces(path: pathlib.Path, span: video_reader.Span) -> Progress:
    total = video_reader.probe(path).expected_frames(span)
    return Progress(f"{path.name}: finding faces", total=total, unit="frames")


def _places(tracks: Sequence[Track], analysis: faces.Analysis) -> Iterator[tuple[int, _Place]]:
    """Every face by the position of its frame in the span."""
    for track in tracks:
        for face, transform in zip(track.faces, track.transforms, strict=True):
            yield face.frame_index - analysis.first_frame, (face, track.track_id, transform)


def _followed(places: Iterable[tuple[int, _Place]], analysis: faces.Analysis) -> Followed:
    """Of several in one frame the last."""
    found = dict(places)
    return Followed(
        {index: face for index, (face, _, _) in found.items()},
        {index: track_id for index, (_, track_id, _) in found.items()},
        {index: transform for index, (_, _, transform) in found.items()},
        analysis.frames,
    )


def _subject(
    source: pathlib.Path, target: pathlib.Path, swapped: pathlib.Path, span: video_reader.Span
) -> dict[str, object]:
    """Of what; whatever cannot be read is told before any work is done."""
    for path in (target, swapped):
        video_reader.probe(path)
    card = identity_card.read_card(source)
    return {
        "kind": "clip",
        "source": {
            "identity": card.identity, "fingerprint": card.fingerprint, "footage": card.verdict,
        },
        "target": {
            "name": target.name, "sha256": files.sha256_of(target),
            "start_s": span.start_s, "end_s": span.end_s,
        },
        "swapped": {"name": swapped.name, "sha256": files.sha256_of(swapped)},
    }  # fmt: skip
