"""A target video to a swapped video."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging

from data_prep import weights
from data_prep.json_records import JsonObject
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.segmented_writer import OutputVideo, SegmentedWriter, SegmentFolder
from data_prep.media.video_reader import VideoInfo
from data_prep.media.video_writer import pixel_format_for
from data_prep.pipeline import analysis_cache, faces
from data_prep.runtime import files
from data_prep.runtime.progress import Progress
from sagan_jax.conversion import render_setup, sidecar, views
from sagan_jax.conversion.convert_settings import ConvertSettings, View
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.target_faces import FaceSelection
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import NamedFile, Origin
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.renderer import RenderedFrame, Renderer
from sagan_jax.rendering.swapper import BATCH, Swapper


def convert(
    swapper: Swapper,
    source: pathlib.Path,
    outputs: Mapping[View, pathlib.Path],
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    force: bool = False,
) -> Conversion:
    """Replaces faces of a video.

    Frame count, size and timestamps are those of the input. Files get their names only when they
    are complete; a conversion that was stopped is resumed, and one that is finished is left as it
    is.

    Args:
      swapper: the trained generator.
      source: video to convert; it is only read.
      outputs: videos to write, by what they show.
      marks: how the videos are marked as synthetic.
      settings: settings of the conversion.
      force: whether other outputs of these names, and an unfinished conversion of something
        else, are replaced.

    Raises:
      InputError: if the video cannot be read, does not show the person, or cannot be written.
    """
    info, first_output = video_reader.probe(source), next(iter(outputs.values()))
    settings = render_setup.with_masks_of(swapper, settings)
    target = NamedFile(source.name, files.sha256_of(source))
    # Segments hold only frames, so they can be used again when only the sound is another one.
    frames_key = render_setup.key_of(swapper, target, outputs, marks, settings)
    key = render_setup.hash_of(frames_key, settings.to_json())
    if (finished := render_setup.finished_conversion(outputs, key, force)) is not None:
        return finished

    # A stopped run has left its segments, and the faces it found, in this folder.
    unfinished = SegmentFolder(first_output, frames_key, force)
    run = _Run(info, target, outputs, marks, settings, unfinished)
    clock = _Clock()
    analysis = run.find_faces()
    clock.end("faces")
    # The colours of the faces are measured in some frames, which are read for that alone.
    selection, renderer = render_setup.set_up(
        swapper, analysis, lambda wanted: run.read(wanted=wanted), settings
    )
    tally = run.resume(renderer, selection)
    resumed_at = tally.frames
    origin = sidecar.origin_of(swapper, target, settings.to_json(), settings.face, tally.watermark)
    run.write(renderer, analysis, tally, origin)
    clock.end("swap")

    conversion = tally.conversion(clock.seconds, resumed_at)
    sidecar.write(first_output, key, origin, swapper, marks, conversion)
    return conversion


class _Clock:
    """Measures how long the stages of a conversion take.

    Attributes:
      seconds: duration of each stage that has ended, by name.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()

    def end(self, stage: str) -> None:
        """Ends a stage; the next one begins."""
        now = time.monotonic()
        self.seconds[stage] = now - self._started
        self._started = now


@dataclasses.dataclass
class _Tally:
    """Counts of the frames that have been rendered, and what they have in common.

    Attributes:
      selection: faces that are replaced.
      watermark: payload of the invisible mark, None for none.
      frames: number of frames, with those of an earlier run.
      kept: number of frames without a swapped face, by reason.
    """

    selection: FaceSelection
    watermark: int | None
    frames: int
    kept: collections.Counter[str]

    @property
    def swapped(self) -> int:
        """Number of frames in which a face was replaced."""
        return self.frames - self.kept.total()

    def add(self, rendered: RenderedFrame) -> None:
        """Counts a frame."""
        self.frames += 1
        if not rendered.alpha.any():
            self.kept[self.selection.reason_kept(rendered.target.index)] += 1

    def state(self, rendered: RenderedFrame) -> JsonObject:
        """Returns what the frames after this one depend on, as `_Run.resume` reads it."""
        return {
            "watermark": self.watermark,
            "kept": dict(self.kept),
            "renderer": rendered.state,
        }

    def conversion(self, seconds: dict[str, float], resumed_at: int) -> Conversion:
        """Returns the result, with the speed of the frames after frame `resumed_at`."""
        return Conversion(
            frames=self.frames,
            swapped=self.swapped,
            reasons=dict(self.kept),
            people=self.selection.found,
            seconds=seconds,
            frames_per_second=(self.frames - resumed_at) / seconds["swap"],
        )


@dataclasses.dataclass(frozen=True)
class _Run:
    """A conversion that is not finished.

    Attributes:
      info: properties of the target.
      target: name and hash of the target.
      outputs: videos to write, by what they show.
      marks: how the videos are marked as synthetic.
      settings: settings of the conversion.
      unfinished: segments that a stopped run has written.
    """

    info: VideoInfo
    target: NamedFile
    outputs: Mapping[View, pathlib.Path]
    marks: Marks
    settings: ConvertSettings
    unfinished: SegmentFolder

    def find_faces(self) -> faces.Analysis:
        """Finds the faces of the target, or returns those that a stopped run found."""
        span, settings = self.settings.span, self.settings.face
        # Faces do not depend on the look, which may be another one when a run is resumed.
        key = render_setup.hash_of(
            self.target.sha256,
            [dataclasses.asdict(span), dataclasses.asdict(settings)],
            [model.sha256 for model in settings.models],
            sidecar.package_versions(),
        )

        def find() -> faces.Analysis:
            total = self.info.expected_frames(span)
            with Progress("finding faces", total=total, unit="frames") as bar:
                return faces.analyse(self.info, settings, span, bar.advance)

        return analysis_cache.load_or_make(self.unfinished.faces, key, find)

    def read(self, **which: Any) -> Iterator[CodedFrame]:
        """Reads frames of the target, coded like the outputs.

        Args:
          **which: `first` or `wanted` of `video_reader.read_coded_frames`.
        """
        transparent = any(view.transparent for view in self.outputs)
        pixel_format = pixel_format_for(self.info, self.settings.encoding, transparent)
        return video_reader.read_coded_frames(
            self.info, self.settings.span, pixel_format=pixel_format, **which
        )

    def resume(self, renderer: Renderer, selection: FaceSelection) -> _Tally:
        """Brings the renderer to where a stopped run was; returns the tally of its frames."""
        unfinished = self.unfinished
        if not unfinished.segments:
            watermark = manifest.new_identifier() if self.marks.signer else None
            return _Tally(selection, watermark, 0, collections.Counter())
        logging.info("%s: going on after frame %d.", unfinished.folder, unfinished.frames)
        # The frames of the segments carry a payload already, which all others must share.
        state = unfinished.state
        renderer.restore(state["renderer"])
        kept = collections.Counter(state["kept"])
        return _Tally(selection, state["watermark"], unfinished.frames, kept)

    def write(
        self, renderer: Renderer, analysis: faces.Analysis, tally: _Tally, origin: Origin
    ) -> None:
        """Renders, marks and writes the frames that no run has written, and completes the files."""
        mark = FrameMarker(self.marks, self.info.height, self.info.width, tally.watermark or 0)
        frames = self.read(first=analysis.first_frame + tally.frames)
        progress = Progress("swapping", total=analysis.frames, unit="frames", done=tally.frames)
        with self._writer(origin) as writer, progress as bar:
            for rendered in renderer(frames):
                tally.add(rendered)
                # The result is marked in place, before views are made of it.
                mark(rendered.result, rendered.alpha)
                images = [
                    views.compose(view, rendered.target, rendered.result, rendered.alpha)
                    for view in self.outputs
                ]
                # The state is that after this frame: a resumed run begins with the next one.
                writer.write(images, rendered.target.timestamp_us, tally.state(rendered))
                bar.advance(1, f"{tally.swapped} swapped, {tally.kept.total()} kept")
        if View.FACE in self.outputs:
            face = self.outputs[View.FACE]
            path = face.with_name(f"{face.stem}.transforms.json")
            views.write_transforms(path, tally.selection.tracks)

    def _writer(self, origin: Origin) -> SegmentedWriter:
        """Makes the writer of all outputs; each one is signed before it gets its name."""
        info, settings, span = self.info, self.settings, self.settings.span
        notice = manifest.NOTICE
        if weights.non_commercial(origin.weights):
            notice = f"{notice}. {weights.NON_COMMERCIAL}"
        seal = self.marks.sealing(origin)
        return SegmentedWriter(
            self.unfinished,
            [
                OutputVideo(path, view.columns * info.width, info.height, seal, view.transparent)
                for view, path in self.outputs.items()
            ],
            like=info,
            encoding=settings.encoding,
            sound=settings.sound,
            start_us=round(span.start_s * 1e6),
            end_us=None if span.end_s is None else round(span.end_s * 1e6),
            metadata={"comment": notice, "description": notice},
            # No batch is split over two segments, so after a stop batches hold the same frames.
            length=-(-settings.segment // BATCH) * BATCH,
        )
