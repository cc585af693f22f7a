"""How fast a video becomes a data set, against only decoding it, and in how much memory."""

from __future__ import annotations

import collections
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.video_writer import VideoWriter
from data_prep.preparation import prepare
from launch.benchmarks import program
from launch.benchmarks.harness import Cost, Table, alternate, cost_of
from launch.benchmarks.long_clip import SIZE, to_and_fro

_ROUNDS = 2
_EXACT = "decoding alone, colours exact"
_QUICK = "decoding alone, colours quick"


def tables(clip: pathlib.Path, seconds: float) -> Iterator[Table]:
    """Measures on a clip that is brought to 720p and run to and fro until it is long enough.

    Args:
      clip: of one person, 16:9.
      seconds: length of what is measured on.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = _long_video(clip, folder / "long.mp4", seconds)
        yield _speed(path, folder)


def _speed(path: pathlib.Path, folder: pathlib.Path) -> Table:
    frames = sum(1 for _ in video_reader.read_frames(path))

    def prepared() -> Cost:
        shutil.rmtree(folder / "set", ignore_errors=True)
        return cost_of(
            lambda: prepare.prepare([path], "benchmark", "sample footage", folder / "set"), frames
        )

    def decoded(exact: bool) -> Cost:
        read = video_reader.read_frames(path, exact=exact)
        return cost_of(lambda: collections.deque(read, maxlen=0), frames)

    costs = alternate(
        {
            _EXACT: lambda: decoded(True),
            _QUICK: lambda: decoded(False),
            "preparing": prepared,
        },
        _ROUNDS,
    )
    wall_ms, memory_gib = _as_program(path, folder / "other", frames)
    walls = {name: least.wall_ms for name, (least, _) in costs.items()}
    walls["preparing, with the start of the program"] = wall_ms
    cpus = {name: least.cpu_ms for name, (least, _) in costs.items()}
    return Table(
        f"Preparation of {frames} frames of {SIZE[0]}x{SIZE[1]} H.264, one video",
        [
            {
                "what": name,
                "frames/s": 1000 / wall,
                "share of decoding": walls[_EXACT] / wall,
                "of quick decoding": walls[_QUICK] / wall,
                "CPU-ms/frame": cpus.get(name),
                "peak memory, GiB": memory_gib if name not in cpus else None,
            }
            for name, wall in walls.items()
        ],
        [
            f"Least of {_ROUNDS} alternating rounds; the program once, with imports and "
            "compilation. Preparing decodes the video twice, quickly to find faces and exactly to "
            "crop them."
        ],
    )


def _as_program(path: pathlib.Path, out: pathlib.Path, frames: int) -> tuple[float, float]:
    """Milliseconds a frame and peak memory, GiB, of `launch.prep`."""
    used = program.run(
        "-m", "launch.prep", f"--video={path}", f"--out={out}",
        "--identity=benchmark", "--consent=sample footage",
    )  # fmt: skip
    assert used.exit_code == 0
    return 1000 * used.seconds / frames, used.memory_gib


def _long_video(clip: pathlib.Path, path: pathlib.Path, seconds: float) -> pathlib.Path:
    width, height = SIZE
    with VideoWriter(
        path, width=width, height=height, like=video_reader.probe(clip), encoding=Encoding(crf=20)
    ) as writer:
        for image, time_us in to_and_fro(clip, seconds):
            writer.write(image, time_us)
    return path
