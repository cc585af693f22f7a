"""Speed and memory of preparing a video as a data set, against only decoding it."""

from __future__ import annotations

import collections
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

from data_prep.media import video_reader
from data_prep.preparation import prepare
from launch.benchmarks import long_clip, program
from launch.benchmarks.harness import Cost, Table, alternate, cost_of

_ROUNDS = 2
_EXACT = "decoding alone, colours exact"
_QUICK = "decoding alone, colours quick"


def tables(clip: pathlib.Path, seconds: float) -> Iterator[Table]:
    """Measures on a clip that is enlarged to 720p and repeated.

    Args:
      clip: video of one person, 16:9.
      seconds: length of the repeated clip.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = long_clip.write_silent(clip, folder / "long.mp4", seconds)
        yield _speed(path, folder)


def _speed(path: pathlib.Path, folder: pathlib.Path) -> Table:
    # Frames are counted by decoding: containers may state a wrong number.
    frames = sum(1 for _ in video_reader.read_frames(path))
    costs = alternate(
        {
            _EXACT: lambda: _decode(path, True, frames),
            _QUICK: lambda: _decode(path, False, frames),
            "preparing": lambda: _prepare(path, folder / "set", frames),
        },
        _ROUNDS,
    )
    # The whole program is measured once: its start is the same every time.
    wall_ms, memory_gib = _as_program(path, folder / "other", frames)
    walls = {name: least.wall_ms for name, (least, _) in costs.items()}
    walls["preparing, with the start of the program"] = wall_ms
    cpus = {name: least.cpu_ms for name, (least, _) in costs.items()}
    width, height = long_clip.SIZE
    return Table(
        f"Preparation of {frames} frames of {width}x{height} H.264, one video",
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


def _decode(path: pathlib.Path, exact: bool, frames: int) -> Cost:
    read = video_reader.read_frames(path, exact=exact)
    return cost_of(lambda: collections.deque(read, maxlen=0), frames)


def _prepare(path: pathlib.Path, out: pathlib.Path, frames: int) -> Cost:
    # A data set that is already there would be kept.
    shutil.rmtree(out, ignore_errors=True)
    return cost_of(lambda: prepare.prepare([path], "benchmark", "sample footage", out), frames)


def _as_program(path: pathlib.Path, out: pathlib.Path, frames: int) -> tuple[float, float]:
    """Milliseconds a frame and peak memory in GiB of `launch.prep`."""
    usage = program.run(
        "-m",
        "launch.prep",
        f"--video={path}",
        f"--out={out}",
        "--identity=benchmark",
        "--consent=sample footage",
    )
    assert usage.exit_code == 0
    return 1000 * usage.seconds / frames, usage.memory_gib
