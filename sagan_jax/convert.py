"""A target video to a swapped video."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import logging

from data_prep import faces, fingerprint, people, segments, video, weights
from data_prep.audio import Sound
from data_prep.encoding import Encoding
from data_prep.errors import InputError
from data_prep.masks import Masker, MaskSource
from data_prep.progress import Progress
from sagan_jax import blend, colour, provenance
from sagan_jax.marking import FrameMarker, Marks
from sagan_jax.provenance import Origin
from sagan_jax.renderer import BATCH, Renderer, lights_of
from sagan_jax.swap import Swapper
from sagan_jax.views import View, show, write_transforms


@dataclasses.dataclass(frozen=True)
class ConvertSettings:
    """What is converted and how.

    Attributes:
      span: which part of the video.
      face: how faces are found; as in preparation.
      colour: how the face gets the colours of the scene.
      blend: how its edge is hidden.
      sharpen: whether the swapped face is made as crisp as the scene.
      encoding: how the videos are coded.
      sound: what they sound like; None for silence.
      segment: frames from one point where a stopped conversion can go on to the next,
        rounded up to whole batches.
    """

    span: video.Span = video.WHOLE
    face: faces.FaceSettings = faces.FaceSettings()
    colour: colour.Method = colour.Method.MEAN_STD
    blend: blend.Blend = blend.Blend.ALPHA
    sharpen: bool = True
    encoding: Encoding = Encoding()
    sound: Sound | None = Sound()
    segment: int = segments.SEGMENT_FRAMES

    def of_pictures(self) -> dict[str, Any]:
        """Those that frames depend on, as JSON has it."""
        return {name: value for name, value in self.said().items() if name != "sound"}

    def said(self) -> dict[str, Any]:
        """All, as JSON has it; files by their name."""
        text = json.dumps(dataclasses.asdict(self), default=lambda path: path.name)
        return dict(json.loads(text))


@dataclasses.dataclass(frozen=True)
class Conversion:
    """What came of it, as written to `<output>.json`.

    Attributes:
      frames: frames written.
      swapped: frames in which a face was replaced.
      kept: frames left as they were, because no face of the person was found.
    """

    frames: int
    swapped: int
    kept: int


def convert(
    swapper: Swapper,
    source: pathlib.Path,
    outputs: Mapping[View, pathlib.Path],
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
    discard: bool = False,
) -> Conversion:
    """Replaces the most-seen person of a video.

    Frame count, size and timestamps are those of the input. Files appear under their names
    only when they are complete; a conversion that was stopped goes on where it was.

    Args:
      swapper: the trained generator.
      source: the video to be changed; it is only read.
      outputs: the videos to be written, and what each shows.
      marks: how they are marked as synthetic.
      settings: what and how.
      discard: whether an unfinished conversion of something else may be deleted.

    Raises:
      InputError: if the video cannot be read, shows no face, or cannot be written.
    """
    info, first = video.probe(source), next(iter(outputs.values()))
    settings = _with_masks_of(swapper, settings)
    masker, span = Masker(settings.face.masks), settings.span
    target = {"name": source.name, "sha256": fingerprint.of_file(source)}
    unfinished = segments.Unfinished(
        first, _key(swapper, target, list(outputs), marks, settings), discard
    )
    with Progress("finding faces", total=info.expected_frames(span), unit="frames") as bar:
        analysis = faces.analyse(source, settings.face, span, bar.advance)
    person = people.choose(analysis.people)
    tracks = person.tracks
    lights = lights_of(video.read_frames(source, span), [person], masker)
    renderer = Renderer(
        swapper, tracks, lights, masker,
        method=settings.colour, edge=settings.blend, sharpen=settings.sharpen,
    )  # fmt: skip
    watermark, swapped = provenance.new_identifier() if marks.signer else None, 0
    if unfinished.segments:
        logging.info("%s: going on after frame %d.", first, unfinished.frames)
        watermark, swapped = unfinished.state["watermark"], unfinished.state["swapped"]
        renderer.restore(unfinished.state["renderer"])
    origin = _origin(swapper, target, settings, watermark)
    mark = FrameMarker(marks, info.height, info.width, watermark or 0)
    frames = video.read_frames(
        source, span, deep=min(info.bits, settings.encoding.depth) > 8,
        first=analysis.first_frame + unfinished.frames,
    )  # fmt: skip

    progress = Progress("swapping", total=analysis.frames, unit="frames", done=unfinished.frames)
    with _writer(unfinished, outputs, info, settings, marks, origin) as writer, progress as bar:
        for frame, image, alpha in renderer(frames):
            swapped += bool(alpha.any())
            state = {"watermark": watermark, "swapped": swapped, "renderer": renderer.state()}
            marked = mark(image, alpha)
            views = [show(view, frame, marked, alpha) for view in outputs]
            writer.write(views, frame.timestamp_us, state)
            bar.advance(1)
    conversion = Conversion(analysis.frames, swapped, analysis.frames - swapped)
    if View.FACE in outputs:
        face = outputs[View.FACE]
        write_transforms(face.with_name(f"{face.stem}.transforms.json"), tracks)
    _write_record(first, origin, swapper, marks, conversion)
    return conversion


def _key(
    swapper: Swapper,
    target: Mapping[str, str],
    views: list[View],
    marks: Marks,
    settings: ConvertSettings,
) -> str:
    """SHA-256 of all that the frames depend on, but for the machine."""
    facts = [
        target["sha256"], swapper.fingerprint, swapper.to, views, marks.record(), marks.label,
        hashlib.sha256(marks.watermark_key.encode()).hexdigest(), settings.of_pictures(),
        [importlib.metadata.version(package) for package in ("sagan-jax", "av", "jax")],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _writer(
    unfinished: segments.Unfinished,
    outputs: Mapping[View, pathlib.Path],
    info: video.VideoInfo,
    settings: ConvertSettings,
    marks: Marks,
    origin: Origin,
) -> segments.SegmentedWriter:
    span = settings.span
    limited = weights.non_commercial(origin.weights)
    notice = f"{provenance.NOTICE}. {weights.NON_COMMERCIAL}" if limited else provenance.NOTICE
    return segments.SegmentedWriter(
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


def _origin(
    swapper: Swapper, target: dict[str, str], settings: ConvertSettings, watermark: int | None
) -> Origin:
    people = swapper.facts["identities"]
    return Origin(
        target=target,
        identities=tuple(
            {key: one[key] for key in ("identity", "consent", "fingerprint")} for one in people
        ),
        rendered=people[swapper.to]["identity"],
        weights=_models(people, settings.face),
        model={"sha256": swapper.fingerprint, "step": swapper.step},
        settings=settings.said(),
        watermark=watermark,
    )


def _with_masks_of(swapper: Swapper, settings: ConvertSettings) -> ConvertSettings:
    """The masks of the target are made as those were that the model learned its own from."""
    target = swapper.facts["identities"][1 - swapper.to]
    made_with = MaskSource(target["settings"]["face"]["masks"])
    return dataclasses.replace(settings, face=dataclasses.replace(settings.face, masks=made_with))


def _models(people: list[dict[str, Any]], face: faces.FaceSettings) -> tuple[dict[str, Any], ...]:
    """Of both data sets and of this conversion, each once."""
    used = [*(model for one in people for model in one["models"]), *weights.licences(face.models)]
    return tuple({model["sha256"]: model for model in used}.values())


def _write_record(
    output: pathlib.Path, origin: Origin, swapper: Swapper, marks: Marks, conversion: Conversion
) -> None:
    """`<output>.json`: what was made, of what, by which model, with whose consent."""
    said = dataclasses.asdict(origin)
    record = {
        "notice": provenance.NOTICE,
        "synthetic": True,
        **said,
        "identities": swapper.facts["identities"],
        "non_commercial_weights": weights.non_commercial(origin.weights),
        "watermark": None if origin.watermark is None else f"{origin.watermark:016x}",
        "marking": marks.record(),
        **dataclasses.asdict(conversion),
    }
    path = output.with_suffix(".json")
    aside = path.with_suffix(".json.partial")
    aside.write_text(json.dumps(record, indent=2))
    aside.rename(path)


def check_outputs(
    outputs: Mapping[View, pathlib.Path], source: pathlib.Path, encoding: Encoding, force: bool
) -> None:
    """Checks outputs before any work is done.

    Raises:
      InputError: if an output is the input, has a name that does not fit the encoding, or
        exists and `force` is not given.
    """
    for view, path in outputs.items():
        encoding.check(path, view.transparent)
        if path.exists() and path.samefile(source):
            raise InputError(f"{path}: is the input itself; give another --out")
        if path.exists() and not force:
            raise InputError(f"{path}: exists; give another --out, or --force to replace it")
