"""Media files opened, and packets and pictures taken out of them, damaged or not."""

from __future__ import annotations

import contextlib
import fractions
import pathlib
import shutil
from collections.abc import Callable, Iterator, Sequence

import av

from data_prep.errors import InputError

MICROSECONDS = fractions.Fraction(1, 1_000_000)

# What is done to a file that is whole before it gets its name, such as signing it: where it
# is, and the name it will have.
Seal = Callable[[pathlib.Path, str], None]


def open_media(path: str | pathlib.Path) -> av.container.InputContainer:
    """Opens a file with sound or pictures.

    Raises:
      InputError: if there is none, or it is something else.
    """
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video that can be read ({error.strerror})") from error


def open_video(path: str | pathlib.Path) -> av.container.InputContainer:
    """Opens a file with moving pictures; raises likewise."""
    container = open_media(path)
    if not video_streams(container):
        container.close()
        raise InputError(f"{path}: has no moving picture; give a video")
    return container


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams that are not cover art."""
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream], damage: list[str]
) -> Iterator[av.Packet]:
    """Packets up to the end or to where the file cannot be followed, noted in `damage`.

    The last of each stream is empty: it makes the decoder give what it holds.
    """
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        damage.append(error.strerror or str(error))


def decode(container: av.container.InputContainer, damage: list[str]) -> Iterator[av.VideoFrame]:
    """All frames in order of presentation; what cannot be decoded is noted in `damage`."""
    stream = video_streams(container)[0]
    for packet in packets(container, [stream], damage):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            damage.append(error.strerror or str(error))
            continue
        damage += ["damaged picture" for frame in frames if frame.is_corrupt]
        yield from frames


def first_frame(container: av.container.InputContainer, path: str | pathlib.Path) -> av.VideoFrame:
    """The first that can be decoded.

    Raises:
      InputError: if there is none.
    """
    first = next(decode(container, []), None)
    if first is None:
        raise InputError(f"{path}: not one frame can be decoded; is the file damaged?")
    return first


def origin_us(path: str | pathlib.Path) -> int:
    """Where on a file's own clock its first picture lies."""
    with open_media(path) as container:
        if not video_streams(container):
            return 0
        first = first_frame(container, path)
        return microseconds(first.pts or 0, first)


def microseconds(ticks: int, timed: av.Packet | av.VideoFrame) -> int:
    """Ticks of a packet's or frame's time base as microseconds."""
    return round(ticks * time_base(timed) / MICROSECONDS)


def time_base(timed: av.Packet | av.VideoFrame | av.AudioFrame) -> fractions.Fraction:
    """Seconds a tick."""
    return timed.time_base or MICROSECONDS


def muxer_options(path: pathlib.Path) -> dict[str, str]:
    """For a file to be written: MP4 that starts at once, Matroska without random numbers."""
    if path.suffix in (".mp4", ".mov"):
        return {"movflags": "+faststart"}
    return {"fflags": "+bitexact"}


@contextlib.contextmanager
def written_aside(path: pathlib.Path, seal: Seal | None = None) -> Iterator[pathlib.Path]:
    """Where to write a file or folder that gets its name when it is whole.

    If the block fails, nothing is left and what had the name stays as it was.

    Args:
      path: the name.
      seal: what is done to the file, or to each file of a folder, before.

    Raises:
      InputError: if it cannot be written.
    """
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    _check_writable(path, aside)
    try:
        yield aside
        if seal and aside.is_dir():
            for file in sorted(aside.glob("*.png")):
                seal(file, file.name)
        elif seal:
            seal(aside, path.name)
        if path.is_dir():
            shutil.rmtree(path)
        aside.replace(path)
    finally:
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.unlink(missing_ok=True)


def _check_writable(path: pathlib.Path, aside: pathlib.Path) -> None:
    """FFmpeg creates the file only with its first packet, which is too late to complain."""
    try:
        if path.is_dir() and path.suffix:
            raise IsADirectoryError(None, "it is a folder")
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
