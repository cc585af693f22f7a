"""A target video to a swapped video."""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import json
import pathlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from absl import logging

from data_prep import weights
from data_prep.errors import InputError
from data_prep.media import segmented_writer, video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Encoding
from data_prep.media.video_writer import picture_format
from data_prep.pipeline import analysis_cache, faces
from data_prep.records import EMBEDDING_SIZE
from data_prep.runtime import files
from data_prep.runtime.progress import Progress
from data_prep.segmentation.face_masks import Masker, MaskSource
from sagan_jax.conversion import sidecar
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.target_faces import Casting, Wanted, cast
from sagan_jax.conversion.views import View, show, write_transforms
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.harmonisation import Look
from sagan_jax.rendering.renderer import BATCH, Read, Renderer, lights_of
from sagan_jax.rendering.swapper import Swapper


@dataclasses.dataclass(frozen=True)
class ConvertSettings:
    """What is converted and how.

    Attributes:
      span: which part of the video.
      wanted: whose faces are replaced.
      face: how faces are found; as in preparation.
      look: how a swapped face is made part of its scene.
      encoding: how the videos are coded.
      sound: what they sound like; None for silence.
      segment: frames from one point where a stopped conversion can go on to the next,
        rounded up to whole batches.
    """

    span: video_reader.Span = video_reader.WHOLE
    wanted: Wanted = Wanted()
    face: faces.FaceSettings = faces.FaceSettings()
    look: Look = Look()
    encoding: Encoding = Encoding()
    sound: Sound | None = Sound()
    segment: int = segmented_writer.SEGMENT_FRAMES

    def of_pictures(self) -> dict[str, Any]:
        """Those that frames depend on, as JSON has it."""
        return {name: value for name, value in self.said().items() if name != "sound"}

    def said(self) -> dict[str, Any]:
        """All, as JSON has it; files by their name."""
        text = json.dumps(dataclasses.asdict(self), default=lambda path: path.name)
        return dict(json.loads(text))


def convert(
    swapper: Swapper,
    source: pathlib.Path,
    outputs: Mapping[View, pathlib.Path],
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    force: bool = False,
) -> Conversion:
    """Replaces faces of a video.

    Frame count, size and timestamps are those of the input. Files appear under their names
    only when they are complete; a conversion that was stopped goes on where it was, and one
    that is done is left as it is.

    Args:
      swapper: the trained generator.
      source: the video to be changed; it is only read.
      outputs: the videos to be written, and what each shows.
      marks: how they are marked as synthetic.
      settings: what and how.
      force: whether other outputs of these names, and an unfinished conversion of something
        else, are replaced.

    Raises:
      InputError: if the video cannot be read, does not show the person, or cannot be written.
    """
    info, first = video_reader.probe(source), next(iter(outputs.values()))
    settings = with_masks_of(swapper, settings)
    target = {"name": source.name, "sha256": files.of_file(source)}
    key = key_of(swapper, target, outputs, marks, settings)
    whole = hash_of(key, settings.said())
    if (done := done_before(outputs, whole, force)) is not None:
        return done
    unfinished = segmented_writer.Unfinished(first, key, force)
    started = time.monotonic()
    analysis = _find_faces(unfinished, target, info, settings)
    searched = time.monotonic()
    pixel_format = picture_format(
        info, settings.encoding, any(view.transparent for view in outputs)
    )
    read = functools.partial(
        video_reader.read_pictures, source, settings.span, pixel_format=pixel_format
    )
    casting, renderer = stage(swapper, analysis, lambda wanted: read(wanted=wanted), settings)
    watermark, kept = _go_on(unfinished, renderer, marks)
    origin = sidecar.origin(swapper, target, settings.said(), settings.face, watermark)
    mark = FrameMarker(marks, info.height, info.width, watermark or 0)
    pictures = read(first=analysis.first_frame + unfinished.frames)
    before = count = unfinished.frames
    progress = Progress("swapping", total=analysis.frames, unit="frames", done=count)
    with _writer(unfinished, outputs, info, settings, marks, origin) as writer, progress as bar:
        for target_picture, result, alpha, steadied in renderer(pictures):
            count += 1
            if not alpha.any():
                kept[casting.why_kept(target_picture.index)] += 1
            state = {"watermark": watermark, "kept": dict(kept), "renderer": steadied}
            mark(result, alpha)
            views = [show(view, target_picture, result, alpha) for view in outputs]
            writer.write(views, target_picture.timestamp_us, state)
            bar.advance(1, f"{count - kept.total()} swapped, {kept.total()} kept")
    if View.FACE in outputs:
        face = outputs[View.FACE]
        write_transforms(face.with_name(f"{face.stem}.transforms.json"), casting.tracks)
    seconds = {"faces": searched - started, "swap": time.monotonic() - searched}
    rate = (count - before) / seconds["swap"]
    conversion = Conversion(count, count - kept.total(), dict(kept), casting.found, seconds, rate)
    sidecar.write(first, whole, origin, swapper, marks, conversion)
    return conversion


def stage(
    swapper: Swapper, analysis: faces.Analysis, read: Read, settings: ConvertSettings
) -> tuple[Casting, Renderer]:
    """Settles who is replaced, and gets everything ready to render.

    Args:
      swapper: the trained generator.
      analysis: of the target.
      read: gives pictures of the target, to see the light in.
      settings: what and how.

    Raises:
      InputError: if the target does not show the person.
    """
    masker = Masker(settings.face.masks)
    casting = cast(analysis, settings.wanted, _trained_on(swapper), settings.face)
    lights = lights_of(read, casting.people, masker)
    shots = {analysis.first_frame, *analysis.cuts, analysis.first_frame + analysis.frames}
    renderer = Renderer(
        swapper, casting.tracks, lights, masker, shots, settings.look, casting.nearer
    )
    return casting, renderer


def key_of(
    swapper: Swapper,
    target: Mapping[str, str],
    outputs: Iterable[View],
    marks: Marks,
    settings: ConvertSettings,
) -> str:
    """SHA-256 of all that the pictures depend on, but for the machine."""
    reference = settings.wanted.reference
    return hash_of(
        target["sha256"], swapper.fingerprint, swapper.to, list(outputs), marks.record(),
        marks.label, hashlib.sha256(marks.watermark_key.encode()).hexdigest(),
        settings.of_pictures(), reference and files.of_file(reference), sidecar.versions(),
    )  # fmt: skip


def hash_of(*facts: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def done_before(outputs: Mapping[View, pathlib.Path], key: str, force: bool) -> Conversion | None:
    """What came of this very conversion, if it was done before.

    Raises:
      InputError: if there is something else, and `force` is not given.
    """
    there = [path for path in outputs.values() if path.exists()]
    if force or not there:
        return None
    done = sidecar.made_before(next(iter(outputs.values())), key)
    if done is None or len(there) < len(outputs):
        raise InputError(f"{there[0]}: exists; give another --out, or --force to replace it")
    logging.info("%s: is there, made of this by this model; nothing to do.", there[0])
    return done


def with_masks_of(swapper: Swapper, settings: ConvertSettings) -> ConvertSettings:
    """The masks of the target are made as those were that the model learned its own from."""
    made_with = MaskSource(_replaced(swapper)["settings"]["face"]["masks"])
    return dataclasses.replace(settings, face=dataclasses.replace(settings.face, masks=made_with))


def _replaced(swapper: Swapper) -> dict[str, Any]:
    """What the checkpoint says of the identity that is replaced."""
    identity: dict[str, Any] = swapper.facts["identities"][1 - swapper.to]
    return identity


def _trained_on(swapper: Swapper) -> np.ndarray:
    """Of the identity that is replaced, as seen in each of its videos, `[K, EMBEDDING_SIZE]`."""
    read = [one["embedding"] for one in _replaced(swapper)["videos"] if "embedding" in one]
    return np.array(read, np.float32).reshape(-1, EMBEDDING_SIZE)


def _find_faces(
    unfinished: segmented_writer.Unfinished,
    target: Mapping[str, str],
    info: video_reader.VideoInfo,
    settings: ConvertSettings,
) -> faces.Analysis:
    """The faces of the target; those that a stopped conversion found are not looked for again."""
    models = [model.sha256 for model in settings.face.models]
    asked = [dataclasses.asdict(one) for one in (settings.span, settings.face)]
    key = hash_of(target["sha256"], asked, models, sidecar.versions())

    def find() -> faces.Analysis:
        total = info.expected_frames(settings.span)
        with Progress("finding faces", total=total, unit="frames") as bar:
            return faces.analyse(info.path, settings.face, settings.span, bar.advance)

    return analysis_cache.load_or_make(unfinished.faces, key, find)


def _go_on(
    unfinished: segmented_writer.Unfinished, renderer: Renderer, marks: Marks
) -> tuple[int | None, collections.Counter[str]]:
    """Payload of the watermark, and frames kept by reason, of a stopped conversion or a new one."""
    if not unfinished.segments:
        return manifest.new_identifier() if marks.signer else None, collections.Counter()
    logging.info("%s: going on after frame %d.", unfinished.folder, unfinished.frames)
    renderer.restore(unfinished.state["renderer"])
    return unfinished.state["watermark"], collections.Counter(unfinished.state["kept"])


def _writer(
    unfinished: segmented_writer.Unfinished,
    outputs: Mapping[View, pathlib.Path],
    info: video_reader.VideoInfo,
    settings: ConvertSettings,
    marks: Marks,
    origin: Origin,
) -> segmented_writer.SegmentedWriter:
    span = settings.span
    limited = weights.non_commercial(origin.weights)
    notice = f"{manifest.NOTICE}. {weights.NON_COMMERCIAL}" if limited else manifest.NOTICE
    return segmented_writer.SegmentedWriter(
        unfinished,
        [
            segmented_writer.Output(
                path,
                view.columns * info.width,
                info.height,
                marks.sealing(origin),
                view.transparent,
            )
            for view, path in outputs.items()
        ],
        like=info,
        encoding=settings.encoding,
        sound=settings.sound,
        start_us=round(span.start_s * 1e6),
        end_us=None if span.end_s is None else round(span.end_s * 1e6),
        metadata={"comment": notice, "description": notice},
        length=-(-settings.segment // BATCH) * BATCH,
    )
