"""All tables by name, and the options they are measured with."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator

from data_prep.errors import InputError
from launch.benchmarks.harness import Table


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the tables; each table reads a few of them.

    Attributes:
      videos: videos to measure on.
      samples: folder of the sample files.
      rounds: number of rounds to measure.
      seconds: length of the part of each video to measure on.
      start: start of this part, seconds.
      checkpoint: training folder of the model to measure.
      to: person to render, 0 for A, 1 for B.
      sheet: image file to write with a face in every look, None for none.
      steps: training steps of one measurement, None for the default of the table.
      data_sets: data sets of two people, or none.
      peer_command: commands that time other programs and print `s/iter X images/s Y`.
    """

    videos: tuple[pathlib.Path, ...] = ()
    samples: pathlib.Path = pathlib.Path(".samples")
    rounds: int = 5
    seconds: float = 10.0
    start: float = 0.0
    checkpoint: pathlib.Path | None = None
    to: int = 0
    sheet: pathlib.Path | None = None
    steps: int | None = None
    data_sets: tuple[pathlib.Path, ...] = ()
    peer_command: tuple[str, ...] = ()


def measure(name: str, options: Options) -> Iterator[Table]:
    """Measures the tables of a benchmark; yields each as soon as it is measured.

    Args:
      name: one of `NAMES`.
      options: how to measure.

    Raises:
      InputError: if an option that the benchmark needs is missing or does not fit.
    """
    return _BENCHMARKS[name](options)


# Each function imports its module itself, once the options are checked: a missing option should be
# reported at once, and some benchmarks need packages that others do not.


def _conversion(options: Options) -> Iterator[Table]:
    video, checkpoint = _only_video("conversion", options), _checkpoint(options)
    from launch.benchmarks import conversion

    yield from conversion.tables(checkpoint, options.to, video, options.seconds)


def _detector(options: Options) -> Iterator[Table]:
    from launch.benchmarks import detector

    yield from detector.tables(options.samples, options.rounds)


def _faceswap_gan(options: Options) -> Iterator[Table]:
    if not options.peer_command:
        raise InputError(
            "the table `faceswap_gan` compares with another program: give its command",
            setting="peer_command",
        )
    from launch.benchmarks import training_step

    yield training_step.peer_table(options.peer_command, options.steps or 4, options.rounds)


def _looks(options: Options) -> Iterator[Table]:
    checkpoint, videos = _checkpoint(options), _videos(options)
    from launch.benchmarks import looks

    yield from looks.tables(checkpoint, options.to, videos, options.start, options.seconds)
    if options.sheet:
        looks.write_sheet(checkpoint, options.to, videos[0], options.sheet)


def _masks(options: Options) -> Iterator[Table]:
    from launch.benchmarks import masks

    yield from masks.tables(options.samples)


def _networks(options: Options) -> Iterator[Table]:
    del options
    from launch.benchmarks import networks

    yield networks.table()


def _preparation(options: Options) -> Iterator[Table]:
    video = _only_video("prep", options)
    from launch.benchmarks import preparation

    yield from preparation.tables(video, options.seconds)


def _roofline(options: Options) -> Iterator[Table]:
    del options
    from launch.benchmarks import training_step

    yield training_step.roofline_table()


def _step(options: Options) -> Iterator[Table]:
    if len(options.data_sets) not in (0, 2):
        raise InputError("give the data sets of two people", setting="data_sets")
    pair = (options.data_sets[0], options.data_sets[1]) if options.data_sets else None
    from launch.benchmarks import training_step

    yield from training_step.tables(pair, options.steps or 40, options.rounds)


def _tracking(options: Options) -> Iterator[Table]:
    videos = _videos(options)
    from launch.benchmarks import tracking

    yield from tracking.tables(videos, options.seconds)


def _watermark(options: Options) -> Iterator[Table]:
    videos = _videos(options)
    from launch.benchmarks import watermark

    for path in videos:
        yield watermark.table(path, options.seconds)


def _checkpoint(options: Options) -> pathlib.Path:
    if options.checkpoint is None:
        raise InputError("this table needs a trained model", setting="checkpoint")
    return options.checkpoint


def _videos(options: Options) -> tuple[pathlib.Path, ...]:
    if not options.videos:
        raise InputError("this table is measured on videos: give some", setting="videos")
    return options.videos


def _only_video(table: str, options: Options) -> pathlib.Path:
    if len(_videos(options)) != 1:
        raise InputError(
            f"the table `{table}` is measured on one clip, repeated to the length in seconds",
            setting="videos",
        )
    return options.videos[0]


_BENCHMARKS: dict[str, Callable[[Options], Iterator[Table]]] = {
    "conversion": _conversion,
    "detector": _detector,
    "faceswap_gan": _faceswap_gan,
    "looks": _looks,
    "masks": _masks,
    "networks": _networks,
    "prep": _preparation,
    "roofline": _roofline,
    "step": _step,
    "tracking": _tracking,
    "watermark": _watermark,
}
NAMES = tuple(_BENCHMARKS)
