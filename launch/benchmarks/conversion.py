"""Speed and memory of converting a video, against only transcoding it.

A trained model is needed; the cost of a frame does not depend on how well it is trained.
"""

from __future__ import annotations

import collections
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import av

from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Span, VideoInfo
from data_prep.media.video_writer import VideoWriter, pixel_format_for
from data_prep.pipeline import faces
from launch.benchmarks import long_clip, program
from launch.benchmarks.harness import Cost, Table, Value, alternate, cost_of
from sagan_jax.conversion import convert_video, render_setup
from sagan_jax.conversion.convert_settings import (
    ConvertSettings,
    PeopleToReplace,
    PersonChoice,
    View,
)
from sagan_jax.provenance import signing
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.renderer import RenderedFrame, Renderer
from sagan_jax.rendering.swapper import BATCH, Swapper

_ROUNDS = 3
_STAGED_FRAMES = 12 * BATCH
_SETTINGS = ConvertSettings(wanted=PeopleToReplace(PersonChoice.LARGEST))
_TRANSCODE = "transcoding (PyAV)"
_CONVERT = "converting"

Result = TypeVar("Result")


def tables(
    checkpoint: pathlib.Path, to: int, clip: pathlib.Path, seconds: float
) -> Iterator[Table]:
    """Measures speed, stages and memory on a clip that is enlarged to 720p and repeated.

    Args:
      checkpoint: a training folder.
      to: person to render, 0 for A, 1 for B.
      clip: video of one person, 16:9.
      seconds: length of the repeated clip.
    """
    swapper, marks = Swapper(checkpoint, to), Marks(signing.signing_identity())
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = long_clip.write_with_sound(clip, folder / "long.mp4", seconds)
        yield _speed(swapper, path, folder, marks)
        yield _stages(swapper, path, folder, marks)
        yield _memory(checkpoint, to, clip, folder, seconds)


def frame_reader(
    path: pathlib.Path, info: VideoInfo, span: Span, settings: ConvertSettings
) -> Callable[..., Iterator[CodedFrame]]:
    """Makes the function that a conversion reads the frames of a video with."""
    pixel_format = pixel_format_for(info, settings.encoding)

    def read(wanted: Callable[[int], bool] = lambda index: True) -> Iterator[CodedFrame]:
        return video_reader.read_coded_frames(path, span, pixel_format=pixel_format, wanted=wanted)

    return read


def _speed(swapper: Swapper, path: pathlib.Path, folder: pathlib.Path, marks: Marks) -> Table:
    # A conversion reports the wall time of its stages itself.
    frames, out = video_reader.probe(path).frames, folder / "out.mp4"
    stages: dict[str, list[float]] = collections.defaultdict(list)

    def convert() -> None:
        done = convert_video.convert(
            swapper, path, {View.RESULT: out}, marks, _SETTINGS, force=True
        )
        for stage, seconds in done.seconds.items():
            stages[stage].append(1000 * seconds / frames)

    # Transcoding is the least that any conversion has to do.
    costs = alternate(
        {
            _TRANSCODE: lambda: cost_of(lambda: _transcode(path, out), frames),
            _CONVERT: lambda: cost_of(convert, frames),
        },
        _ROUNDS,
    )
    cpus = {name: least.cpu_ms for name, (least, _) in costs.items()}
    walls = {name: least.wall_ms for name, (least, _) in costs.items()}
    # The first round compiles, so it does not count for the stages either.
    walls |= {f"of that, {stage}": min(times[1:]) for stage, times in stages.items()}
    width, height = long_clip.SIZE
    return Table(
        f"Conversion of {frames} frames of {width}x{height} H.264 with sound, one face",
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
            "encodes with the same encoder and settings and copies the sound; converting finds the "
            "faces, swaps, marks, joins and signs."
        ],
    )


def _stages(swapper: Swapper, path: pathlib.Path, folder: pathlib.Path, marks: Marks) -> Table:
    """Measures every stage by itself, over the same frames."""
    info, settings = video_reader.probe(path), render_setup.with_masks_of(swapper, _SETTINGS)
    # All frames of a stage are held in memory, so a long video is cut; the end lies between frames.
    frames = min(info.frames, _STAGED_FRAMES)
    span = Span(end_s=(frames - 0.5) / float(info.fps))
    read = frame_reader(path, info, span, settings)
    stopwatch = _Stopwatch(frames)

    # Analysing a second of the video first compiles the detector.
    faces.analyse(path, span=Span(end_s=1.0))
    analysis = stopwatch.time("finding faces (first pass)", lambda: faces.analyse(path, span=span))
    _, renderer = stopwatch.time(
        "measuring face colours (64 faces)",
        lambda: render_setup.set_up(swapper, analysis, read, settings),
    )
    coded = stopwatch.time("decoding", lambda: list(read()))
    rendered = _time_rendering(stopwatch, renderer, coded)

    # The watermark changes the results in place, so they are encoded before and after it.
    mark = FrameMarker(marks, info.height, info.width, 0)
    results, alphas = [one.result for one in rendered], [one.alpha for one in rendered]
    out = folder / "stage.mp4"
    stopwatch.time("(coding without the watermark)", lambda: _encode(results, out, info))
    stopwatch.time("watermark", lambda: list(map(mark, results, alphas)))
    stopwatch.time("coding", lambda: _encode(results, out, info))
    stopwatch.time("(coding what was not changed)", lambda: _encode(coded, out, info))
    return Table(
        f"Stages of converting {frames} frames, each alone",
        [
            {"stage": name, "CPU-ms/frame": cost.cpu_ms, "ms/frame": cost.wall_ms}
            for name, cost in stopwatch.costs.items()
        ],
        [
            "Once each, after the table above, so that all is compiled. Cropping, compositing and "
            "the watermark run in one thread here, in several when a video is converted."
        ],
    )


class _Stopwatch:
    """Times stages of work on the same frames.

    Attributes:
      costs: cost of a frame by name of the stage.

    Args:
      frames: number of frames.
    """

    def __init__(self, frames: int):
        self.costs: dict[str, Cost] = {}
        self._frames = frames

    def time(self, name: str, work: Callable[[], Result]) -> Result:
        """Runs one stage and returns its result."""
        results: list[Result] = []
        self.costs[name] = cost_of(lambda: results.append(work()), self._frames)
        return results[0]


def _time_rendering(
    stopwatch: _Stopwatch, renderer: Renderer, coded: Sequence[CodedFrame]
) -> list[RenderedFrame]:
    cropped = stopwatch.time("cropping, masks", lambda: [renderer.crop(frame) for frame in coded])
    # The first batch compiles the generator.
    renderer.generate(cropped[:BATCH])
    batches = [cropped[i : i + BATCH] for i in range(0, len(cropped), BATCH)]
    generated = stopwatch.time(
        "generator", lambda: [one for batch in batches for one in renderer.generate(batch)]
    )
    return stopwatch.time(
        "colour, sharpness, grain, blend", lambda: [renderer.composite(*one) for one in generated]
    )


def _encode(coded: Sequence[CodedFrame], path: pathlib.Path, info: VideoInfo) -> None:
    width, height = long_clip.SIZE
    with VideoWriter(path, width=width, height=height, like=info) as writer:
        for frame in coded:
            writer.write(frame, frame.timestamp_us)


def _memory(
    checkpoint: pathlib.Path, to: int, clip: pathlib.Path, folder: pathlib.Path, seconds: float
) -> Table:
    """Measures the whole program on the clip, and on one four times as long."""
    # Memory should not grow with the length of the video.
    records: list[dict[str, Value]] = []
    for times in (1, 4):
        path = long_clip.write_with_sound(clip, folder / f"{times}.mp4", times * seconds)
        usage = program.run(
            "-m",
            "launch.convert",
            f"--video={path}",
            f"--out={folder / f'{times}_out.mp4'}",
            f"--checkpoint={checkpoint}",
            f"--to={'ab'[to]}",
            "--who=largest",
        )
        assert usage.exit_code == 0
        frames = video_reader.probe(path).frames
        record: dict[str, Value] = {
            "frames": frames,
            "peak memory, GiB": usage.memory_gib,
            "frames/s": frames / usage.seconds,
        }
        records.append(record)
    return Table(
        "Peak memory of `launch.convert`, by length",
        records,
        ["The whole program, once each, with imports and compilation."],
    )


def _transcode(path: pathlib.Path, out: pathlib.Path) -> None:
    """Does the same as `ffmpeg -i path -c:v libx264 -preset fast -crf 12 -c:a copy out`."""
    encoding = Encoding()
    with av.open(str(path)) as source, av.open(str(out), "w") as output:
        video = source.streams.video[0]
        # A conversion decodes and encodes in several threads, too.
        video.thread_type = "AUTO"
        encoded = output.add_stream(
            encoding.encoder, rate=video.average_rate, options=encoding.options()
        )
        assert isinstance(encoded, av.VideoStream)
        encoded.width, encoded.height, encoded.pix_fmt = video.width, video.height, "yuv420p"
        encoded.codec_context.thread_type = "AUTO"
        copies = {sound: output.add_stream_from_template(sound) for sound in source.streams.audio}
        # Sound packets are copied; empty ones only mark the end of a stream.
        for packet in source.demux():
            if packet.stream is video:
                for frame in video.decode(packet):
                    output.mux(encoded.encode(frame))
            elif packet.size and packet.stream in copies:
                packet.stream = copies[packet.stream]
                output.mux(packet)
        # Encoding None flushes the encoder.
        output.mux(encoded.encode(None))
