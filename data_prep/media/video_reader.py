"""Reads videos as frames.

Frames are upright, as the rotation metadata of the file demands. RGB frames are converted with
the colour matrix and range of the stream.
"""

from __future__ import annotations

import dataclasses
import fractions
import pathlib
from collections.abc import Callable, Iterator

import av
import numpy as np
from absl import logging
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from data_prep.media.coded_frame import CodedFrame, plane_arrays
from data_prep.media.container import (
    MICROSECONDS,
    decode,
    first_frame,
    microseconds,
    open_video,
    time_base,
    video_streams,
)
from data_prep.media.pixel_coding import PixelCoding
from data_prep.records import Frame

_HD_HEIGHT = 720
# A Matroska file with a variable rate may claim its clock, 1000 to 30000, as frames a second.
_FASTEST_CAMERA = 240
# Longest time between frames of an undamaged video; phones with a variable rate reach 560 ms.
_LONGEST_GAP_US = 750_000
# SMPTE 170M has the coefficients of BT.601 under a number of its own.
_MATRICES = {int(matrix): matrix for matrix in Colorspace} | {6: Colorspace.ITU601}
# Rounded and with full chroma, a decoded frame survives YUV -> RGB -> YUV best.
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
# A twelfth of the time at 720p (0.45 ms instead of 5.7) and 1.4 levels off in the mean.
_QUICK_SCALING = Interpolation.BILINEAR


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a video.

    Attributes:
      start_s: time of the first frame to read, seconds.
      end_s: time before which reading stops, seconds; None for the end.
      every: reads only each n-th frame.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1


WHOLE = Span()


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """Properties of a video, from its metadata and its first frame.

    Attributes:
      path: path of the file.
      width: width of an upright frame, pixels.
      height: height of an upright frame, pixels.
      fps: average frames per second.
      frames: number of frames, estimated from the duration where the container has none.
      duration_us: duration, microseconds.
      rotation: degrees counter-clockwise that the frames are turned to stand upright.
      sample_aspect_ratio: width of a pixel over its height.
      has_audio: whether the file has an audio stream.
      codec: FFmpeg's name of the decoder.
      pixel_format: FFmpeg's name of the pixel format, such as "yuv420p".
      bits: bits of each colour component, 8 or more.
      matrix: colour matrix.
      full_range: whether luma spans 0..255 and not 16..235.
      primaries: colour primaries, the number of ITU-T H.273; 2 is unspecified.
      transfer: transfer characteristics, the number of ITU-T H.273; 2 is unspecified.
    """

    path: pathlib.Path
    width: int
    height: int
    fps: fractions.Fraction
    frames: int
    duration_us: int
    rotation: int
    sample_aspect_ratio: fractions.Fraction
    has_audio: bool
    codec: str
    pixel_format: str
    bits: int
    matrix: Colorspace
    full_range: bool
    primaries: int
    transfer: int

    def expected_frames(self, span: Span = WHOLE) -> int:
        """Estimates how many frames `read_frames` will yield for a part of the video."""
        end_s = self.duration_us * 1e-6 if span.end_s is None else span.end_s
        count = min(self.frames, round(max(end_s - span.start_s, 0) * float(self.fps)))
        return -(-count // span.every)


# A video by its path or, where its properties are known already, by these.
Video = str | pathlib.Path | VideoInfo


def info_of(video: Video) -> VideoInfo:
    """Returns the properties of a video; probes it only if they are not given.

    Raises:
      InputError: if the file is missing or is not a video.
    """
    return video if isinstance(video, VideoInfo) else probe(video)


def probe(path: str | pathlib.Path) -> VideoInfo:
    """Reads the properties of a video; decodes its first frame.

    Raises:
      InputError: if the file is missing or is not a video.
    """
    with open_video(path) as container:
        stream = video_streams(container)[0]
        first = first_frame(container, path)
        # The first frame knows its rotation, format and colours; a container may omit them.
        rotation = round(first.rotation) % 360
        sideways = rotation in (90, 270)
        duration_us = _duration_us(container, stream, first)
        fps = _frame_rate(stream)
        # Sizes are those of the upright frame, as everything after this sees it.
        return VideoInfo(
            path=pathlib.Path(path),
            width=first.height if sideways else first.width,
            height=first.width if sideways else first.height,
            fps=fps,
            frames=stream.frames or round(duration_us * 1e-6 * float(fps)),
            duration_us=duration_us,
            rotation=rotation,
            sample_aspect_ratio=_upright_aspect(stream.sample_aspect_ratio, sideways),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            bits=max(component.bits for component in first.format.components),
            matrix=_matrix(first),
            full_range=first.color_range == ColorRange.JPEG,
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )


def read_frames(video: Video, span: Span = WHOLE, *, exact: bool = True) -> Iterator[Frame]:
    """Decodes a video to RGB.

    Frames are numbered from the start of the file, whichever part of it is read. Where the
    file is damaged, all frames that can be decoded are read, and a warning says how many.

    Args:
      video: path of the video, or its properties.
      span: part of the video to read.
      exact: whether colours are rounded and have full chroma, which frames to be stored or
        shown need; frames in which something is only searched do without and are read faster.

    Yields:
      Frames in order of time.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info, convert = info_of(video), VideoReformatter()
    scaling = SCALING if exact else _QUICK_SCALING
    for index, timestamp_us, frame in _decode_span(info, span):
        yield Frame(index, timestamp_us, _to_rgb(frame, info, convert, scaling))


def read_coded_frames(
    video: Video,
    span: Span = WHOLE,
    *,
    pixel_format: str | None = None,
    first: int = 0,
    wanted: Callable[[int], bool] = lambda index: True,
) -> Iterator[CodedFrame]:
    """Decodes a video to frames that stay luma and chroma.

    Frames are numbered as by `read_frames`.

    Args:
      video: path of the video, or its properties.
      span: part of the video to read.
      pixel_format: format of the frames, see `PixelCoding`. Default: that of the video, in
        which nothing is lost, or 8-bit RGB where that is no planar YUV.
      first: index of the first frame to yield.
      wanted: tells by its index whether a frame is to be yielded.

    Yields:
      Frames in order of time.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info, convert = info_of(video), VideoReformatter()
    name = pixel_format or (info.pixel_format if _is_planar_yuv(info) else "rgb24")
    coding = PixelCoding(name, info.matrix, info.full_range)
    for index, timestamp_us, frame in _decode_span(info, span):
        if index < first or not wanted(index):
            continue
        if coding.is_rgb:
            image = _to_rgb(frame, info, convert, SCALING, name)
            yield CodedFrame(index, timestamp_us, coding, [image])
        else:
            planes = plane_arrays(_to_planes(frame, info, convert, name))
            turned = [np.rot90(plane, info.rotation // 90).copy() for plane in planes]
            yield CodedFrame(index, timestamp_us, coding, turned)


def _decode_span(info: VideoInfo, span: Span) -> Iterator[tuple[int, int, av.VideoFrame]]:
    """Yields index, timestamp and frame of those in a span; warns if the file is damaged."""
    count, first_pts, end_us, gap_us, damage = 0, None, 0, 0, list[str]()
    with open_video(info.path) as container:
        video_streams(container)[0].thread_type = "AUTO"
        for frame in decode(container, damage):
            # The clock of a file may start anywhere; ours starts with the first frame.
            first_pts = (frame.pts or 0) if first_pts is None else first_pts
            timestamp_us = microseconds((frame.pts or 0) - first_pts, frame)
            gap_us = max(gap_us, timestamp_us - end_us)
            if span.end_s is not None and timestamp_us >= span.end_s * 1e6:
                break
            if timestamp_us >= span.start_s * 1e6 and count % span.every == 0:
                yield count, timestamp_us, frame
            count += 1
            end_us = timestamp_us + microseconds(frame.duration or 0, frame)
        else:
            gap_us = max(gap_us, info.duration_us - end_us)
    # The number of frames does not tell: an edit list hides some, a variable rate has fewer.
    if damage or gap_us > _LONGEST_GAP_US:
        expected = info.expected_frames(Span(end_s=span.end_s))
        logging.warning(
            "%s: damaged or truncated; read %d of about %d frames, up to %.1f of %.1f s, "
            "%d damaged parts, up to %.1f s without a frame.",
            info.path,
            count,
            expected,
            end_us * 1e-6,
            info.duration_us * 1e-6,
            len(damage),
            gap_us * 1e-6,
        )


def evenly_spaced_frames(video: Video, count: int, span: Span = WHOLE) -> Iterator[Frame]:
    """Finds frames evenly spaced over a video by seeking, for example for a contact sheet.

    Args:
      video: path of the video, or its properties.
      count: number of frames; a short video yields fewer, since no frame comes twice.
      span: part of the video; `every` is ignored.

    Yields:
      Frames in order of time, RGB, numbered from 0 by their place among those yielded.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info, convert = info_of(video), VideoReformatter()
    end_s = info.duration_us * 1e-6 if span.end_s is None else span.end_s
    # The middles of `count` equal parts.
    times = np.linspace(span.start_s, end_s, 2 * count + 1)[1::2]
    last_pts = -1
    with open_video(info.path) as container:
        stream = video_streams(container)[0]
        stream.thread_type = "AUTO"
        first = first_frame(container, info.path)
        first_pts, index = first.pts or 0, 0
        for time_s in times.tolist():
            pts = first_pts + round(time_s / time_base(first))
            # Seeking ends at the key frame before; the frames from there on are decoded.
            container.seek(max(pts, first_pts), stream=stream)
            frame = _frame_at(decode(container, []), pts)
            if frame is None or (frame.pts or 0) <= last_pts:
                continue
            last_pts = frame.pts or 0
            timestamp_us = microseconds(last_pts - first_pts, frame)
            yield Frame(index, timestamp_us, _to_rgb(frame, info, convert, SCALING))
            index += 1


def _frame_at(frames: Iterator[av.VideoFrame], pts: int) -> av.VideoFrame | None:
    """Returns the last frame that is not later than `pts`, or the first if all are later."""
    current = None
    for frame in frames:
        if current is not None and (frame.pts or 0) > pts:
            break
        current = frame
    return current


def _frame_rate(stream: av.VideoStream) -> fractions.Fraction:
    """Returns the average rate, or FFmpeg's guess where no camera is as fast as the average."""
    average = stream.average_rate or fractions.Fraction(25)
    return average if average <= _FASTEST_CAMERA else stream.guessed_rate or average


def _duration_us(
    container: av.container.InputContainer, stream: av.VideoStream, first: av.VideoFrame
) -> int:
    """Returns the duration of the video stream.

    Matroska states only that of the file, from which the time before the first frame is taken.
    """
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base / MICROSECONDS)
    late_us = microseconds(first.pts or 0, first) - (container.start_time or 0)
    return max((container.duration or 0) - late_us, 0)


def _upright_aspect(aspect: fractions.Fraction | None, sideways: bool) -> fractions.Fraction:
    aspect = aspect or fractions.Fraction(1)
    return 1 / aspect if sideways else aspect


def _matrix(frame: av.VideoFrame) -> Colorspace:
    """Returns the colour matrix of the stream, or the usual one for its size if it has none."""
    if int(frame.colorspace) in _MATRICES:
        return _MATRICES[int(frame.colorspace)]
    return Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601


def _to_rgb(
    frame: av.VideoFrame,
    info: VideoInfo,
    convert: VideoReformatter,
    scaling: int,
    pixel_format: str = "rgb24",
) -> np.ndarray:
    """Converts a frame to an upright RGB image, uint8 or uint16 by its pixel format."""
    rgb = convert.reformat(
        frame,
        format=pixel_format,
        src_colorspace=info.matrix,
        dst_colorspace=info.matrix,
        src_color_range=_range(info),
        dst_color_range=ColorRange.JPEG,
        interpolation=scaling,
    )
    image = rgb.to_ndarray()
    return np.ascontiguousarray(np.rot90(image, info.rotation // 90)) if info.rotation else image


def _to_planes(
    frame: av.VideoFrame, info: VideoInfo, convert: VideoReformatter, pixel_format: str
) -> av.VideoFrame:
    """Converts a frame to another planar format, if it has not got that format already."""
    if frame.format.name == pixel_format:
        return frame
    return convert.reformat(
        frame,
        format=pixel_format,
        src_colorspace=info.matrix,
        dst_colorspace=info.matrix,
        src_color_range=ColorRange.JPEG if frame.format.is_rgb else _range(info),
        dst_color_range=_range(info),
        interpolation=SCALING,
    )


def _is_planar_yuv(info: VideoInfo) -> bool:
    """Whether a frame is luma and two chroma planes that stay so when they are turned upright."""
    pixels = av.VideoFormat(info.pixel_format)
    coding = PixelCoding(info.pixel_format)
    is_yuv = pixels.is_planar and not pixels.is_rgb and len(pixels.components) == 3
    # Turned by 90 degrees, 4:2:2 would become 4:4:0, which few encoders have.
    rows, columns = coding.chroma_steps
    return is_yuv and (rows == columns or not info.rotation % 180)


def _range(info: VideoInfo) -> ColorRange:
    return ColorRange.JPEG if info.full_range else ColorRange.MPEG
