"""Opens media files and takes packets and frames out of them, damaged or not."""

from __future__ import annotations

import fractions
import pathlib
from collections.abc import Iterator, Sequence

import av

from data_prep.errors import InputError

MICROSECONDS = fractions.Fraction(1, 1_000_000)


def open_media(path: str | pathlib.Path) -> av.container.InputContainer:
    """Opens a file with audio or video.

    Raises:
      InputError: if there is no such file, or it is not a media file.
    """
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video that can be read ({error.strerror})") from error


def open_video(path: str | pathlib.Path) -> av.container.InputContainer:
    """Opens a file with at least one video stream that is not cover art.

    Raises:
      InputError: if there is no such file, or it has no such stream.
    """
    container = open_media(path)
    if not video_streams(container):
        container.close()
        raise InputError(f"{path}: has no video stream; give a video")
    return container


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Returns the video streams that are not cover art."""
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream], damage: list[str]
) -> Iterator[av.Packet]:
    """Yields packets up to the end, or up to where a damaged file can no longer be parsed.

    The last packet of each stream is empty: it makes the decoder return the frames it holds.

    Args:
      container: the file.
      streams: streams whose packets are read.
      damage: gets a description of the damage.
    """
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        damage.append(error.strerror or str(error))


def decode(container: av.container.InputContainer, damage: list[str]) -> Iterator[av.VideoFrame]:
    """Yields all frames of the first video stream in order of presentation.

    Args:
      container: the file.
      damage: gets one entry per packet that cannot be decoded and per damaged frame.
    """
    stream = video_streams(container)[0]
    for packet in packets(container, [stream], damage):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            # The next key frame may decode again.
            damage.append(error.strerror or str(error))
            continue
        damage += ["damaged frame" for frame in frames if frame.is_corrupt]
        yield from frames


def first_frame(container: av.container.InputContainer, path: str | pathlib.Path) -> av.VideoFrame:
    """Returns the first frame that can be decoded.

    Raises:
      InputError: if no frame can be decoded.
    """
    first = next(decode(container, []), None)
    if first is None:
        raise InputError(f"{path}: not one frame can be decoded; is the file damaged?")
    return first


def origin_us(path: str | pathlib.Path) -> int:
    """Returns the time of the first frame on the file's own clock; 0 without a video stream.

    Raises:
      InputError: if the file cannot be read.
    """
    with open_media(path) as container:
        if not video_streams(container):
            return 0
        first = first_frame(container, path)
        return microseconds(first.pts or 0, first)


def microseconds(ticks: int, timed: av.Packet | av.VideoFrame) -> int:
    """Converts ticks of the time base of a packet or frame to microseconds."""
    return round(ticks * time_base(timed) / MICROSECONDS)


def time_base(timed: av.Packet | av.VideoFrame | av.AudioFrame) -> fractions.Fraction:
    """Returns the seconds in one tick of a packet's or frame's clock."""
    return timed.time_base or MICROSECONDS


def muxer_options(path: pathlib.Path) -> dict[str, str]:
    """Returns FFmpeg's options for a file to be written, by its suffix.

    MP4 and MOV get their index at the start, so that a player need not load all of the file.
    Matroska is written without random numbers, so that equal videos are equal files.
    """
    if path.suffix in (".mp4", ".mov"):
        return {"movflags": "+faststart"}
    return {"fflags": "+bitexact"}
