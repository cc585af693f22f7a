"""A target video to a swapped video."""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
import time
from collections.abc import Mapping

from absl import logging

from data_prep import weights
from data_prep.media import segmented_writer, segments, video_reader
from data_prep.media.video_writer import pixel_format_for
from data_prep.pipeline import analysis_cache, faces
from data_prep.runtime import files
from data_prep.runtime.progress import Progress
from sagan_jax.conversion import sidecar
from sagan_jax.conversion.render_setup import (
    ConvertSettings,
    done_before,
    hash_of,
    key_of,
    set_up,
    with_masks_of,
)
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.views import View, show, write_transforms
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.renderer import BATCH, Renderer
from sagan_jax.rendering.swapper import Swapper


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
    target = {"name": source.name, "sha256": files.sha256_of(source)}
    key = key_of(swapper, target, outputs, marks, settings)
    whole = hash_of(key, settings.said())
    if (done := done_before(outputs, whole, force)) is not None:
        return done
    unfinished = segments.Unfinished(first, key, force)
    started = time.monotonic()
    analysis = _find_faces(unfinished, target, info, settings)
    searched = time.monotonic()
    pixel_format = pixel_format_for(
        info, settings.encoding, any(view.transparent for view in outputs)
    )
    read = functools.partial(
        video_reader.read_coded_frames, source, settings.span, pixel_format=pixel_format
    )
    selection, renderer = set_up(swapper, analysis, lambda wanted: read(wanted=wanted), settings)
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
                kept[selection.why_kept(target_picture.index)] += 1
            state = {"watermark": watermark, "kept": dict(kept), "renderer": steadied}
            mark(result, alpha)
            views = [show(view, target_picture, result, alpha) for view in outputs]
            writer.write(views, target_picture.timestamp_us, state)
            bar.advance(1, f"{count - kept.total()} swapped, {kept.total()} kept")
    if View.FACE in outputs:
        face = outputs[View.FACE]
        write_transforms(face.with_name(f"{face.stem}.transforms.json"), selection.tracks)
    seconds = {"faces": searched - started, "swap": time.monotonic() - searched}
    rate = (count - before) / seconds["swap"]
    conversion = Conversion(count, count - kept.total(), dict(kept), selection.found, seconds, rate)
    sidecar.write(first, whole, origin, swapper, marks, conversion)
    return conversion


def _find_faces(
    unfinished: segments.Unfinished,
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
    unfinished: segments.Unfinished, renderer: Renderer, marks: Marks
) -> tuple[int | None, collections.Counter[str]]:
    """Payload of the watermark, and frames kept by reason, of a stopped conversion or a new one."""
    if not unfinished.segments:
        return manifest.new_identifier() if marks.signer else None, collections.Counter()
    logging.info("%s: going on after frame %d.", unfinished.folder, unfinished.frames)
    renderer.restore(unfinished.state["renderer"])
    return unfinished.state["watermark"], collections.Counter(unfinished.state["kept"])


def _writer(
    unfinished: segments.Unfinished,
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
            segments.Output(
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
