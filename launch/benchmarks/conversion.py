"""How fast a video is converted, against only coding it anew, and what makes it steady.

A trained model is needed. What a frame costs does not depend on what it has learned; what
comes of it does.
"""

from __future__ import annotations

import collections
import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import av
import cv2
import numpy as np

from data_prep.identity import people
from data_prep.media import video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.segmented_writer import SegmentedWriter
from data_prep.media.segments import Output, Unfinished
from data_prep.media.video_writer import VideoWriter, pixel_format_for
from data_prep.pipeline import faces
from launch.benchmarks import program
from launch.benchmarks.harness import Cost, Table, Value, alternate, cost_of
from launch.benchmarks.long_clip import SIZE, to_and_fro
from sagan_jax.conversion import convert_video, look_sheet, render_setup
from sagan_jax.conversion.render_setup import ConvertSettings
from sagan_jax.conversion.target_faces import Wanted, Who
from sagan_jax.conversion.views import View
from sagan_jax.provenance import signing
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering import colour_transfer
from sagan_jax.rendering.harmonisation import RenderSettings
from sagan_jax.rendering.renderer import BATCH, Rendered
from sagan_jax.rendering.swapper import Swapper

_ROUNDS = 3
_STAGED_FRAMES = 12 * BATCH
_SETTINGS = ConvertSettings(wanted=Wanted(Who.LARGEST))
_TRANSCODE = "transcoding (PyAV)"
_CONVERT = "converting"

Result = TypeVar("Result")


def speed_tables(
    checkpoint: pathlib.Path, to: int, clip: pathlib.Path, seconds: float
) -> Iterator[Table]:
    """Speed, memory and stages, of a clip brought to 720p and run to and fro.

    Args:
      checkpoint: a training folder.
      to: whom to render, 0 for A, 1 for B.
      clip: of one person, 16:9.
      seconds: length of what is measured on.
    """
    swapper, marks = Swapper(checkpoint, to), Marks(signing.signing_identity())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = _long_video(clip, folder / "long.mp4", seconds)
        yield _speed(swapper, path, folder, marks)
        yield _stages(swapper, path, folder, marks)
        yield _memory(checkpoint, to, clip, folder, seconds)


def look_tables(
    checkpoint: pathlib.Path, to: int, clips: Sequence[pathlib.Path], start_s: float, seconds: float
) -> Iterator[Table]:
    """What each remedy does to a clip: the usual look, and it without each.

    Args:
      checkpoint: a training folder.
      to: whom to render, 0 for A, 1 for B.
      clips: never trained on.
      start_s: where to begin in each.
      seconds: how much of each.
    """
    swapper = Swapper(checkpoint, to)
    for clip in clips:
        span = video_reader.Span(start_s, start_s + seconds)
        analysis = faces.analyse(clip, span=span)
        with tempfile.TemporaryDirectory() as name:
            path = pathlib.Path(name) / "swapped.mp4"
            records: list[dict[str, Value]] = [
                {"look": said, **_figures(swapper, clip, span, analysis, look, path)}
                for said, look in _looks().items()
            ]
        yield Table(
            f"{clip.name}, {analysis.frames} frames from {span.start_s:.0f} s",
            records,
            [
                "Jitter and flicker: second differences over time of the landmarks, and of the "
                "mean luma of the face, of the result over those of the target. Colour: distance "
                "of the mean colours of the face, CIE76. Sharpness: mean absolute Laplacian in "
                "the face, likewise a ratio. Before the watermark, and but for jitter before "
                "coding."
            ],
        )


def write_sheet(checkpoint: pathlib.Path, to: int, clip: pathlib.Path, path: pathlib.Path) -> None:
    """A picture of one face in every look, marked as synthetic."""
    marks = Marks(signing.signing_identity())
    look_sheet.write_look_sheet(Swapper(checkpoint, to), clip, path, marks, _SETTINGS)


def _looks() -> dict[str, RenderSettings]:
    return look_sheet.every_way() | {
        "not steadied": dataclasses.replace(RenderSettings(), steady_s=0.0)
    }


def _figures(
    swapper: Swapper,
    clip: pathlib.Path,
    span: video_reader.Span,
    analysis: faces.Analysis,
    look: RenderSettings,
    path: pathlib.Path,
) -> dict[str, Value]:
    settings = render_setup.with_masks_of(
        swapper, dataclasses.replace(_SETTINGS, span=span, look=look)
    )
    info = video_reader.probe(clip)

    def read(wanted: Callable[[int], bool] = lambda index: True) -> Iterator[CodedFrame]:
        name = pixel_format_for(info, settings.encoding)
        return video_reader.read_coded_frames(clip, span, pixel_format=name, wanted=wanted)

    _, renderer = render_setup.set_up(swapper, analysis, read, settings)
    seen = []
    with VideoWriter(path, width=info.width, height=info.height, like=info) as writer:
        for rendered in renderer(read()):
            seen.append(_glance(rendered))
            writer.write(rendered.result, rendered.target.timestamp_us)
    before, after, sharp_before, sharp_after = map(np.array, zip(*seen, strict=True))
    flicker = [np.abs(np.diff(one[:, 0], 2)).mean() for one in (after, before)]
    distance = np.linalg.norm(after - before, axis=-1).mean()
    meshes = [_meshes(people.choose(faces.analyse(path).people), 0)]
    meshes.append(_meshes(people.choose(analysis.people), analysis.first_frame))
    common = sorted(set(meshes[0]) & set(meshes[1]))
    jitter = [
        np.linalg.norm(np.diff([one[i] for i in common], 2, axis=0), axis=-1).mean()
        for one in meshes
    ]
    return {
        "jitter": float(jitter[0] / jitter[1]),
        "flicker": float(flicker[0] / flicker[1]),
        "colour, dE": float(distance),
        "sharpness": float(np.mean(sharp_after) / np.mean(sharp_before)),
    }


def _glance(rendered: Rendered) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Mean Lab and sharpness of the face in target and result."""
    inside = (rendered.alpha > 0.5).astype(np.uint8)
    images = [picture.rgb() for picture in (rendered.target, rendered.result)]
    means = [
        np.array(cv2.mean(colour_transfer.to_lab(i.astype(np.float32) / 255), inside)[:3])
        for i in images
    ]
    edges = [
        cv2.mean(np.abs(cv2.Laplacian(picture.luma(), cv2.CV_32F)), inside)[0]
        for picture in (rendered.target, rendered.result)
    ]
    return means[0], means[1], edges[0], edges[1]


def _meshes(person: people.Person, first: int) -> dict[int, np.ndarray]:
    return {f.frame_index - first: f.landmarks for t in person.tracks for f in t.faces}


def _speed(swapper: Swapper, path: pathlib.Path, folder: pathlib.Path, marks: Marks) -> Table:
    frames, out = video_reader.probe(path).frames, folder / "out.mp4"
    stages: dict[str, list[float]] = collections.defaultdict(list)

    def converted() -> None:
        done = convert_video.convert(
            swapper, path, {View.RESULT: out}, marks, _SETTINGS, force=True
        )
        for stage, seconds in done.seconds.items():
            stages[stage].append(1000 * seconds / frames)

    costs = alternate(
        {
            _TRANSCODE: lambda: cost_of(lambda: _transcode(path, out), frames),
            _CONVERT: lambda: cost_of(converted, frames),
        },
        _ROUNDS,
    )
    cpus = {name: least.cpu_ms for name, (least, _) in costs.items()}
    walls = {name: least.wall_ms for name, (least, _) in costs.items()}
    walls |= {f"of that, {stage}": min(took[1:]) for stage, took in stages.items()}
    return Table(
        f"Conversion of {frames} frames of {SIZE[0]}x{SIZE[1]} H.264 with sound, one face",
        [
            {
                "what": name,
                "frames/s": 1000 / wall,
                "share of transcoding": walls[_TRANSCODE] / wall,
                "CPU-ms/frame": cpus.get(name),
            }
            for name, wall in walls.items()
        ],
        [
            f"Least of {_ROUNDS} alternating rounds, after one that compiles. Transcoding decodes, "
            "codes with the same encoder and settings and copies the sound; converting finds the "
            "faces, swaps, marks, joins and signs."
        ],
    )


def _stages(swapper: Swapper, path: pathlib.Path, folder: pathlib.Path, marks: Marks) -> Table:
    """Every stage by itself, over the same pictures."""
    info, settings = video_reader.probe(path), render_setup.with_masks_of(swapper, _SETTINGS)
    frames = min(info.frames, _STAGED_FRAMES)
    span = video_reader.Span(end_s=(frames - 0.5) / float(info.fps))
    costs: dict[str, Cost] = {}

    def stage(name: str, work: Callable[[], Result]) -> Result:
        results: list[Result] = []
        costs[name] = cost_of(lambda: results.append(work()), frames)
        return results[0]

    def read(wanted: Callable[[int], bool] = lambda index: True) -> Iterator[CodedFrame]:
        name = pixel_format_for(info, settings.encoding)
        return video_reader.read_coded_frames(path, span, pixel_format=name, wanted=wanted)

    def encode(pictures: Sequence[CodedFrame]) -> None:
        width, height = SIZE
        with VideoWriter(folder / "stage.mp4", width=width, height=height, like=info) as writer:
            for picture in pictures:
                writer.write(picture, picture.timestamp_us)

    faces.analyse(path, span=video_reader.Span(end_s=1.0))
    analysis = stage("finding faces (first pass)", lambda: faces.analyse(path, span=span))
    _, renderer = stage(
        "seeing the light (64 faces)",
        lambda: render_setup.set_up(swapper, analysis, read, settings),
    )
    pictures = stage("decoding", lambda: list(read()))
    cropped = stage("cropping, masks", lambda: [renderer.crop(picture) for picture in pictures])
    renderer.draw(cropped[:BATCH])
    batches = [cropped[i : i + BATCH] for i in range(0, frames, BATCH)]
    drawn = stage("generator", lambda: [one for some in batches for one in renderer.draw(some)])
    rendered = stage(
        "colour, sharpness, grain, blend", lambda: [renderer.paste(*one) for one in drawn]
    )
    mark = FrameMarker(marks, info.height, info.width, 0)
    results, alphas = [one.result for one in rendered], [one.alpha for one in rendered]
    stage("(coding without the watermark)", lambda: encode(results))
    stage("watermark", lambda: list(map(mark, results, alphas)))
    stage("coding", lambda: encode(results))
    stage("(coding what was not changed)", lambda: encode(pictures))
    return Table(
        f"Stages of converting {frames} frames, each alone",
        [
            {"stage": name, "CPU-ms/frame": cost.cpu_ms, "ms/frame": cost.wall_ms}
            for name, cost in costs.items()
        ],
        ["Once each, after the table above, so that all is compiled. Cropping, finishing and the "
         "watermark run in one thread here, in several when a video is converted."],
    )  # fmt: skip


def _memory(
    checkpoint: pathlib.Path, to: int, clip: pathlib.Path, folder: pathlib.Path, seconds: float
) -> Table:
    records: list[dict[str, Value]] = []
    for times in (1, 4):
        path = _long_video(clip, folder / f"{times}.mp4", times * seconds)
        used = program.run(
            "-m", "launch.convert", f"--video={path}", f"--out={folder / f'{times}_out.mp4'}",
            f"--checkpoint={checkpoint}", f"--to={'ab'[to]}", "--who=largest",
        )  # fmt: skip
        assert used.exit_code == 0
        frames = video_reader.probe(path).frames
        records.append({
            "frames": frames, "peak memory, GiB": used.memory_gib,
            "frames/s": frames / used.seconds,
        })  # fmt: skip
    return Table(
        "Peak memory of `launch.convert`, by length",
        records,
        ["The whole program, once each, with imports and compilation."],
    )


def _transcode(path: pathlib.Path, out: pathlib.Path) -> None:
    """As `ffmpeg -i path -c:v libx264 -preset fast -crf 12 -c:a copy out`."""
    encoding = Encoding()
    with av.open(str(path)) as source, av.open(str(out), "w") as output:
        pictures = source.streams.video[0]
        pictures.thread_type = "AUTO"
        coded = output.add_stream(
            encoding.encoder, rate=pictures.average_rate, options=encoding.options()
        )
        assert isinstance(coded, av.VideoStream)
        coded.width, coded.height, coded.pix_fmt = pictures.width, pictures.height, "yuv420p"
        coded.codec_context.thread_type = "AUTO"
        sound = [(s, output.add_stream_from_template(s)) for s in source.streams.audio]
        copies = dict(sound)
        for packet in source.demux():
            if packet.stream is pictures:
                for frame in pictures.decode(packet):
                    output.mux(coded.encode(frame))
            elif packet.size and packet.stream in copies:
                packet.stream = copies[packet.stream]
                output.mux(packet)
        output.mux(coded.encode(None))


def _long_video(clip: pathlib.Path, path: pathlib.Path, seconds: float) -> pathlib.Path:
    """The clip at 720p, to and fro, with its own sound as long as that lasts."""
    width, height = SIZE
    output = Output(path, width, height)
    with SegmentedWriter(
        Unfinished(path, ""), [output], like=video_reader.probe(clip), encoding=Encoding(crf=20),
        sound=Sound(), length=1 << 30,
    ) as writer:  # fmt: skip
        for image, time_us in to_and_fro(clip, seconds):
            writer.write([image], time_us)
    return path
