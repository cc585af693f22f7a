"""Videos to frames.

Frames are upright RGB: rotation metadata is applied, the stream's colour matrix and range
are honoured.
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

from data_prep.media.coded_frame import CodedFrame, planes_of
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
# Between frames of an undamaged video; phones with a variable rate reach 560 ms.
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
      start_s: first second that is read.
      end_s: second before which reading stops, None for the end.
      every: only each n-th frame is read.
    """

    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1


WHOLE = Span()


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself.

    Attributes:
      path: the file.
      width: upright, pixels.
      height: upright, pixels.
      fps: average frames per second.
      frames: their number, estimated from the duration where the container does not say.
      duration_us: microseconds.
      rotation: degrees counter-clockwise that the frames are turned to stand upright.
      sample_aspect_ratio: width of a pixel over its height.
      has_audio: whether there is an audio stream.
      codec: of the video stream.
      pixel_format: as FFmpeg calls it, such as "yuv420p".
      bits: of each colour component, 8 or more.
      matrix: colour matrix, as `av.video.reformatter.Colorspace`.
      full_range: whether luma spans 0..255 and not 16..235.
      primaries: of colour, the number of ITU-T H.273; 2 is unspecified.
      transfer: characteristics, the number of ITU-T H.273; 2 is unspecified.
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
        """About how many frames `read_frames` will give."""
        end_s = self.duration_us * 1e-6 if span.end_s is None else span.end_s
        count = min(self.frames, round(max(end_s - span.start_s, 0) * float(self.fps)))
        return -(-count // span.every)


def probe(path: str | pathlib.Path) -> VideoInfo:
    """Reads what a video says about itself.

    Raises:
      InputError: if the file is missing or is not a video.
    """
    with open_video(path) as container:
        stream = video_streams(container)[0]
        first = first_frame(container, path)
        rotation = round(first.rotation) % 360
        turned = rotation in (90, 270)
        duration_us = _duration_us(container, stream, first)
        fps = _frame_rate(stream)
        return VideoInfo(
            path=pathlib.Path(path),
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=fps,
            frames=stream.frames or round(duration_us * 1e-6 * float(fps)),
            duration_us=duration_us,
            rotation=rotation,
            sample_aspect_ratio=_upright_aspect(stream.sample_aspect_ratio, turned),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
            pixel_format=first.format.name,
            bits=max(component.bits for component in first.format.components),
            matrix=_matrix(first),
            full_range=first.color_range == ColorRange.JPEG,
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )


def read_frames(
    path: str | pathlib.Path, span: Span = WHOLE, *, exact: bool = True
) -> Iterator[Frame]:
    """Decodes a video to RGB.

    Frames are numbered from the start of the file whatever part of it is read. Where the
    file is damaged, what decodes is read and a warning says how much that was.

    Args:
      path: the video.
      span: which part.
      exact: whether colours are rounded and have full chroma, as what is stored or shown
        needs; to find something in the pictures they need not.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info, scaling = probe(path), SCALING if exact else _QUICK_SCALING
    convert = VideoReformatter()
    for index, timestamp_us, frame in _decoded(path, info, span):
        yield Frame(index, timestamp_us, _to_rgb(frame, info, convert, scaling))


def read_coded_frames(
    path: str | pathlib.Path,
    span: Span = WHOLE,
    *,
    pixel_format: str | None = None,
    first: int = 0,
    wanted: Callable[[int], bool] = lambda index: True,
) -> Iterator[CodedFrame]:
    """Decodes a video to pictures as they are coded.

    Args:
      path: as of `read_frames`.
      span: likewise.
      pixel_format: of the pictures, see `PixelCoding`; default: that of the video, in which
        nothing is lost, or 8-bit RGB where that is no planar YUV.
      first: index of the first picture that is given.
      wanted: which pictures are given, by index.

    Raises:
      InputError: as `read_frames`.
    """
    info, convert = probe(path), VideoReformatter()
    name = pixel_format or (info.pixel_format if _is_planar_yuv(info) else "rgb24")
    coding = PixelCoding(name, info.matrix, info.full_range)
    for index, timestamp_us, frame in _decoded(path, info, span):
        if index < first or not wanted(index):
            continue
        if coding.is_rgb:
            image = _to_rgb(frame, info, convert, SCALING, name)
            yield CodedFrame(index, timestamp_us, coding, [image])
        else:
            planes = planes_of(_to_planes(frame, info, convert, name))
            turned = [np.rot90(plane, info.rotation // 90).copy() for plane in planes]
            yield CodedFrame(index, timestamp_us, coding, turned)


def _decoded(
    path: str | pathlib.Path, info: VideoInfo, span: Span
) -> Iterator[tuple[int, int, av.VideoFrame]]:
    """Index, timestamp and frame of those in a span."""
    count, first_pts, end_us, dark_us, damage = 0, None, 0, 0, list[str]()
    with open_video(path) as container:
        video_streams(container)[0].thread_type = "AUTO"
        for frame in decode(container, damage):
            first_pts = (frame.pts or 0) if first_pts is None else first_pts
            timestamp_us = microseconds((frame.pts or 0) - first_pts, frame)
            dark_us = max(dark_us, timestamp_us - end_us)
            if span.end_s is not None and timestamp_us >= span.end_s * 1e6:
                break
            if timestamp_us >= span.start_s * 1e6 and count % span.every == 0:
                yield count, timestamp_us, frame
            count += 1
            end_us = timestamp_us + microseconds(frame.duration or 0, frame)
        else:
            dark_us = max(dark_us, info.duration_us - end_us)
    # Frames are not counted to judge this: an edit list hides some, a variable rate has fewer.
    if damage or dark_us > _LONGEST_GAP_US:
        logging.warning(
            "%s: damaged or truncated; read %d of about %d frames, up to %.1f of %.1f s, "
            "%d damaged parts, up to %.1f s without a picture.",
            path, count, info.expected_frames(Span(end_s=span.end_s)),
            end_us * 1e-6, info.duration_us * 1e-6, len(damage), dark_us * 1e-6,
        )  # fmt: skip


def spread_frames(path: str | pathlib.Path, count: int, span: Span = WHOLE) -> Iterator[Frame]:
    """Frames evenly spread over a video, to look at; found by seeking, in order of time.

    Their index is their number among those that are given.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info, convert = probe(path), VideoReformatter()
    end_s = info.duration_us * 1e-6 if span.end_s is None else span.end_s
    times = np.linspace(span.start_s, end_s, 2 * count + 1)[1::2]
    last_pts = -1
    with open_video(path) as container:
        stream = video_streams(container)[0]
        stream.thread_type = "AUTO"
        first = first_frame(container, path)
        first_pts, index = first.pts or 0, 0
        for time_s in times.tolist():
            wanted = first_pts + round(time_s / time_base(first))
            container.seek(max(wanted, first_pts), stream=stream)
            frame = _first_from(decode(container, []), wanted)
            if frame is None or (frame.pts or 0) <= last_pts:
                continue
            last_pts = frame.pts or 0
            timestamp_us = microseconds(last_pts - first_pts, frame)
            yield Frame(index, timestamp_us, _to_rgb(frame, info, convert, SCALING))
            index += 1


def _first_from(frames: Iterator[av.VideoFrame], pts: int) -> av.VideoFrame | None:
    """The frame that is shown at a time: the last that is not later, or the first there is."""
    shown = None
    for frame in frames:
        if shown is not None and (frame.pts or 0) > pts:
            break
        shown = frame
    return shown


def _frame_rate(stream: av.VideoStream) -> fractions.Fraction:
    """The average, or FFmpeg's guess where no camera is that fast."""
    average = stream.average_rate or fractions.Fraction(25)
    return average if average <= _FASTEST_CAMERA else stream.guessed_rate or average


def _duration_us(
    container: av.container.InputContainer, stream: av.VideoStream, first: av.VideoFrame
) -> int:
    """Of the picture; of the rest of the file from its first frame, where no stream has one."""
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base / MICROSECONDS)
    late_us = microseconds(first.pts or 0, first) - (container.start_time or 0)
    return max((container.duration or 0) - late_us, 0)


def _upright_aspect(aspect: fractions.Fraction | None, turned: bool) -> fractions.Fraction:
    aspect = aspect or fractions.Fraction(1)
    return 1 / aspect if turned else aspect


def _matrix(frame: av.VideoFrame) -> Colorspace:
    """The stream's matrix; where it does not say, what its size implies."""
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
    """As it is, or with the chroma, bits or colours of another format."""
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
    """Whether planes can be used as they are, also when they are turned."""
    pixels = av.VideoFormat(info.pixel_format)
    coding = PixelCoding(info.pixel_format)
    planar = pixels.is_planar and not pixels.is_rgb and len(pixels.components) == 3
    return planar and (coding.steps[0] == coding.steps[1] or not info.rotation % 180)


def _range(info: VideoInfo) -> ColorRange:
    return ColorRange.JPEG if info.full_range else ColorRange.MPEG
