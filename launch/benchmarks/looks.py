"""Steadiness, colour and sharpness of a conversion, with and without each correction."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from data_prep.identity import people
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Span
from data_prep.media.video_writer import VideoWriter
from data_prep.pipeline import faces
from launch.benchmarks.conversion import frame_reader
from launch.benchmarks.harness import Table, Value
from sagan_jax.conversion import contact_sheet, render_setup
from sagan_jax.conversion.convert_settings import ConvertSettings, PeopleToReplace, PersonChoice
from sagan_jax.provenance import signing
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering import colour_transfer
from sagan_jax.rendering.render_settings import RenderSettings
from sagan_jax.rendering.renderer import RenderedFrame
from sagan_jax.rendering.swapper import Swapper

_SETTINGS = ConvertSettings(wanted=PeopleToReplace(PersonChoice.LARGEST))


def tables(
    checkpoint: pathlib.Path, to: int, clips: Sequence[pathlib.Path], start_s: float, seconds: float
) -> Iterator[Table]:
    """Measures clips in the default look, and in looks that each change one setting.

    Args:
      checkpoint: a training folder.
      to: person to render, 0 for A, 1 for B.
      clips: videos that were not trained on.
      start_s: start of the part to convert in each video, seconds.
      seconds: length of this part.
    """
    swapper = Swapper(checkpoint, to)
    for clip in clips:
        span = Span(start_s, start_s + seconds)
        analysis = faces.analyse(clip, span=span)
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "swapped.mp4"
            records: list[dict[str, Value]] = [
                {"look": name, **_measure(swapper, clip, span, analysis, look, path)}
                for name, look in _looks().items()
            ]
        yield Table(
            f"{clip.name}, {analysis.frames} frames from {span.start_s:.0f} s",
            records,
            [
                "Jitter and flicker: second differences over time of the landmarks, and of the "
                "mean luma of the face, of the result over those of the target. Colour: distance "
                "of the mean colours of the face, CIE76. Sharpness: mean absolute Laplacian in "
                "the face, of the result over that of the target. All are measured before the "
                "watermark, and all but jitter before encoding."
            ],
        )


def write_sheet(checkpoint: pathlib.Path, to: int, clip: pathlib.Path, path: pathlib.Path) -> None:
    """Writes an image of one face in every look, marked as synthetic."""
    marks = Marks(signing.signing_identity())
    contact_sheet.write_look_sheet(Swapper(checkpoint, to), clip, path, marks, _SETTINGS)


def _looks() -> dict[str, RenderSettings]:
    not_steadied = dataclasses.replace(RenderSettings(), steady_s=0.0)
    return contact_sheet.look_variants() | {"not steadied": not_steadied}


def _measure(
    swapper: Swapper,
    clip: pathlib.Path,
    span: Span,
    analysis: faces.Analysis,
    look: RenderSettings,
    path: pathlib.Path,
) -> dict[str, Value]:
    settings = dataclasses.replace(_SETTINGS, span=span, look=look)
    # One row a frame becomes one array a quantity.
    values = _render(swapper, clip, analysis, settings, path)
    result, target = (
        _FaceValues(*map(np.array, zip(*each, strict=True))) for each in zip(*values, strict=True)
    )
    # Second differences of L: the brightness of the face.
    flicker = [np.abs(np.diff(each.lab[:, 0], 2)).mean() for each in (result, target)]
    return {
        "jitter": _jitter(path, analysis),
        "flicker": float(flicker[0] / flicker[1]),
        "colour, dE": float(np.linalg.norm(result.lab - target.lab, axis=-1).mean()),
        "sharpness": float(np.mean(result.sharpness) / np.mean(target.sharpness)),
    }


def _render(
    swapper: Swapper,
    clip: pathlib.Path,
    analysis: faces.Analysis,
    settings: ConvertSettings,
    path: pathlib.Path,
) -> list[tuple[_FaceValues, _FaceValues]]:
    """Writes the swapped video to `path`; returns measurements of result and target by frame."""
    settings = render_setup.with_masks_of(swapper, settings)
    info = video_reader.probe(clip)
    read = frame_reader(clip, info, settings.span, settings)
    _, renderer = render_setup.set_up(swapper, analysis, read, settings)
    values = []
    with VideoWriter(path, width=info.width, height=info.height, like=info) as writer:
        for rendered in renderer(read()):
            values.append(_measure_frame(rendered))
            writer.write(rendered.result, rendered.target.timestamp_us)
    return values


class _FaceValues(NamedTuple):
    """Measurements of a face: mean Lab colour `[3]` and sharpness; with an axis of frames first."""

    lab: np.ndarray
    sharpness: np.ndarray


def _measure_frame(rendered: RenderedFrame) -> tuple[_FaceValues, _FaceValues]:
    inside = (rendered.alpha > 0.5).astype(np.uint8)
    return _measure_face(rendered.result, inside), _measure_face(rendered.target, inside)


def _measure_face(frame: CodedFrame, inside: np.ndarray) -> _FaceValues:
    lab = colour_transfer.to_lab(frame.rgb().astype(np.float32) / 255)
    edges = np.abs(cv2.Laplacian(frame.luma(), cv2.CV_32F))
    return _FaceValues(np.array(cv2.mean(lab, inside)[:3]), np.array(cv2.mean(edges, inside)[0]))


def _jitter(path: pathlib.Path, analysis: faces.Analysis) -> float:
    """Jitter of the written video over that of the target, in the frames that both have a face."""
    result = _meshes(people.select_person(faces.analyse(path).people), 0)
    target = _meshes(people.select_person(analysis.people), analysis.first_frame)
    # A look may hide a face from the detector in some frames.
    common = sorted(set(result) & set(target))
    jitter = [
        np.linalg.norm(np.diff([meshes[i] for i in common], 2, axis=0), axis=-1).mean()
        for meshes in (result, target)
    ]
    return float(jitter[0] / jitter[1])


def _meshes(person: people.Person, first: int) -> dict[int, np.ndarray]:
    """Landmarks by position of the frame after frame `first`."""
    return {
        face.frame_index - first: face.landmarks for track in person.tracks for face in track.faces
    }
