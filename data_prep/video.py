"""Videos to frames and frames to videos; the only module that knows PyAV.

Frames are upright RGB: rotation metadata is applied, the stream's colour matrix and range
are honoured. What is written keeps the timestamps it is given and copies audio untouched.
"""

from __future__ import annotations

import dataclasses
import fractions
import pathlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import av
import numpy as np
from absl import logging
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from data_prep.errors import InputError
from data_prep.records import Frame

_MICROSECONDS = fractions.Fraction(1, 1_000_000)
_HD_HEIGHT = 720
# A Matroska file with a variable rate may claim its clock, 1000 to 30000, as frames a second.
_FASTEST_CAMERA = 240
# Between frames of an undamaged video; phones with a variable rate reach 560 ms.
_LONGEST_GAP_US = 750_000
# SMPTE 170M has the coefficients of BT.601 under a number of its own.
_MATRICES = {int(matrix): matrix for matrix in Colorspace} | {6: Colorspace.ITU601}
# Rounded and with full chroma, a decoded frame survives YUV -> RGB -> YUV best.
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
# A twelfth of the time at 720p (0.45 ms instead of 5.7) and 1.4 levels off in the mean.
_QUICK_SCALING = Interpolation.BILINEAR
_MP4_AUDIO = {"aac", "mp2", "mp3", "ac3", "eac3", "opus", "flac", "alac"}
# Names for what a raw stream only counts.
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


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
    with _open_video(path) as container:
        stream = _picture(container)
        first = _first_frame(container, path)
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
            matrix=_matrix(first),
            full_range=first.color_range == ColorRange.JPEG,
            primaries=int(first.color_primaries),
            transfer=int(first.color_trc),
        )


def read_frames(
    path: str | pathlib.Path, span: Span = WHOLE, *, exact: bool = True
) -> Iterator[Frame]:
    """Decodes a video.

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
    info, scaling = probe(path), _SCALING if exact else _QUICK_SCALING
    convert, damage = VideoReformatter(), list[str]()
    count, first_pts, end_us, dark_us = 0, None, 0, 0
    with _open_video(path) as container:
        _picture(container).thread_type = "AUTO"
        for frame in _decode(container, damage):
            first_pts = (frame.pts or 0) if first_pts is None else first_pts
            timestamp_us = _microseconds((frame.pts or 0) - first_pts, frame)
            dark_us = max(dark_us, timestamp_us - end_us)
            if span.end_s is not None and timestamp_us >= span.end_s * 1e6:
                break
            if count % span.every == 0 and timestamp_us >= span.start_s * 1e6:
                yield Frame(count, timestamp_us, _to_rgb(frame, info, convert, scaling))
            count += 1
            end_us = timestamp_us + _microseconds(frame.duration or 0, frame)
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


class VideoWriter:
    """Writes H.264 in MP4 aside, and gives it its name when it is whole.

    A context manager. If the block fails, nothing is left and an existing file stays as it
    was. Odd sizes are coded as 4:4:4, since 4:2:0 has no odd sizes.

    Args:
      path: the file to be.
      width: pixels.
      height: pixels.
      like: video whose frame rate, pixel shape and colour description are kept.
      audio_from: file whose audio is copied, packet by packet; None for none. What MP4
        cannot hold is coded as AAC.
      audio_start_us: timestamp, of pictures and sound alike, that becomes 0.
      audio_end_us: where the sound ends, None for the end.
      crf: H.264 quality, 0 (lossless) to 51; 12 leaves untouched pixels above 44 dB.
      preset: H.264 speed.
      metadata: tags of the file.
      seal: what is done to the whole file before it gets its name, such as signing it.

    Raises:
      InputError: if the file cannot be written, or `audio_from` cannot be read.
    """

    def __init__(
        self,
        path: str | pathlib.Path,
        *,
        width: int,
        height: int,
        like: VideoInfo,
        audio_from: str | pathlib.Path | None = None,
        audio_start_us: int = 0,
        audio_end_us: int | None = None,
        crf: int = 12,
        preset: str = "fast",
        metadata: dict[str, str] | None = None,
        seal: Callable[[pathlib.Path], None] | None = None,
    ):
        self._path = pathlib.Path(path)
        self._aside = self._path.with_name(f".{self._path.name}.partial.mp4")
        self._size, self._like = (height, width), like
        self._start_us, self._last_pts, self._seal = audio_start_us, -1, seal
        self._convert = VideoReformatter()
        _check_writable(self._path, self._aside)
        self._container = av.open(str(self._aside), "w", options={"movflags": "+faststart"})
        self._container.metadata.update(metadata or {})
        self._video = self._add_video(width, height, {"crf": str(crf), "preset": preset})
        self._audio = (
            _AudioCopier(self._container, audio_from, audio_start_us, audio_end_us)
            if audio_from
            else None
        )

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: np.ndarray, timestamp_us: int) -> None:
        """Appends a frame.

        Args:
          image: `[height, width, 3]` uint8 RGB.
          timestamp_us: later than the frame before; see `audio_start_us`.

        Raises:
          InputError: if the frame is not of the video's size.
        """
        if image.shape != (*self._size, 3):
            raise InputError(
                f"{self._path}: frame at {timestamp_us * 1e-6:.3f} s is {_size(image.shape)}, "
                f"the video is {_size(self._size)}; use a video whose size does not change"
            )
        frame = self._convert.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format=self._video.pix_fmt,
            src_colorspace=self._like.matrix,
            dst_colorspace=self._like.matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range(),
            interpolation=_SCALING,
        )
        frame.pts = max(timestamp_us - self._start_us, self._last_pts + 1)
        frame.time_base, self._last_pts = _MICROSECONDS, frame.pts
        self._container.mux(self._video.encode(frame))
        if self._audio:
            # Not all at the end: a player wants sound beside its picture.
            self._audio.copy_until(timestamp_us)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
            self._container.close()
            if kind is None:
                if self._seal:
                    self._seal(self._aside)
                self._aside.replace(self._path)
        finally:
            if self._audio:
                self._audio.close()
            self._aside.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._last_pts < 0:
            raise InputError(f"{self._path}: no frame to write; choose a part within the video")
        self._container.mux(self._video.encode(None))
        if self._audio:
            self._audio.finish()

    def _add_video(self, width: int, height: int, options: dict[str, str]) -> av.VideoStream:
        odd = width % 2 or height % 2
        stream = self._container.add_stream(
            "libx264", rate=self._like.fps, options=options, time_base=_MICROSECONDS
        )
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = stream.codec_context
        context.time_base = _MICROSECONDS
        context.sample_aspect_ratio = self._like.sample_aspect_ratio
        context.colorspace = self._like.matrix
        context.color_range = self._range()
        context.color_primaries = self._like.primaries
        context.color_trc = self._like.transfer
        return stream

    def _range(self) -> ColorRange:
        return ColorRange.JPEG if self._like.full_range else ColorRange.MPEG


class _AudioCopier:
    """Every audio stream of one file into another, packet by packet where MP4 allows.

    Args:
      output: where to.
      path: where from.
      start_us: time from the first picture of that file that becomes 0.
      end_us: time before which the sound ends, None for the end.
    """

    def __init__(
        self,
        output: av.container.OutputContainer,
        path: str | pathlib.Path,
        start_us: int,
        end_us: int | None,
    ):
        self._output, self._path = output, path
        self._start_us, self._end_us = start_us, end_us
        self._origin_us = _origin_us(path)
        self._source = _open(path)
        self._streams = {s.index: self._add(s) for s in self._source.streams.audio}
        self._damage: list[str] = []
        self._packets = _packets(self._source, self._source.streams.audio, self._damage)
        self._next = next(self._packets, None) if self._streams else None

    def copy_until(self, time_us: float) -> None:
        """Copies what lies before a time of the source."""
        while self._next is not None and self._time_us(self._next) < time_us:
            self._copy(self._next)
            self._next = next(self._packets, None)

    def finish(self) -> None:
        """Copies the rest."""
        self.copy_until(float("inf"))
        for stream in self._streams.values():
            if stream.codec_context.is_encoder:
                self._output.mux(stream.encode(None))
        if self._damage:
            logging.warning("%s: sound is damaged (%s).", self._path, self._damage[0])

    def close(self) -> None:
        """Closes the source."""
        self._source.close()

    def _add(self, stream: av.AudioStream) -> av.AudioStream:
        codec = stream.codec_context.name
        if codec.removesuffix("float") in _MP4_AUDIO:
            return self._output.add_stream_from_template(stream)
        logging.warning("%s: MP4 cannot hold %s audio; coded as AAC.", self._path, codec)
        rates = av.Codec("aac", "w").audio_rates or []
        rate = stream.rate if stream.rate in rates else 48_000
        layout = _LAYOUTS.get(stream.channels, stream.layout.name)
        return self._output.add_stream("aac", rate=rate, layout=layout)

    def _time_us(self, packet: av.Packet) -> float:
        """From the first picture; a packet without a time follows the one before."""
        if packet.pts is None:
            return -float("inf")
        return _microseconds(packet.pts, packet) - self._origin_us

    def _copy(self, packet: av.Packet) -> None:
        stream, time_us = self._streams[packet.stream.index], self._time_us(packet)
        # What lies before 0 primes the decoder and belongs to a whole copy.
        too_early = self._start_us > 0 and time_us < self._start_us
        if packet.size and (too_early or (self._end_us is not None and time_us >= self._end_us)):
            return
        if stream.codec_context.is_encoder:
            self._code(packet, stream)
        elif packet.pts is not None:
            shift = self._shift(packet)
            packet.dts = (packet.pts if packet.dts is None else packet.dts) - shift
            packet.pts -= shift
            packet.stream = stream
            self._output.mux(packet)

    def _code(self, packet: av.Packet, stream: av.AudioStream) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            self._damage.append(error.strerror or str(error))
            return
        for frame in frames:
            assert isinstance(frame, av.AudioFrame)
            frame.pts = (frame.pts or 0) - self._shift(frame)
            self._output.mux(stream.encode(frame))

    def _shift(self, timed: av.Packet | av.AudioFrame) -> int:
        """What becomes 0, in the time base of a packet or frame."""
        return round((self._start_us + self._origin_us) * _MICROSECONDS / _base(timed))


def _microseconds(ticks: int, timed: av.Packet | av.VideoFrame) -> int:
    """Ticks of a packet's or frame's time base as microseconds."""
    return round(ticks * _base(timed) / _MICROSECONDS)


def _base(timed: av.Packet | av.VideoFrame | av.AudioFrame) -> fractions.Fraction:
    return timed.time_base or _MICROSECONDS


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _check_writable(path: pathlib.Path, aside: pathlib.Path) -> None:
    """FFmpeg creates the file only with its first packet, which is too late to complain."""
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def _open(path: str | pathlib.Path) -> av.container.InputContainer:
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        return av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video that can be read ({error.strerror})") from error


def _open_video(path: str | pathlib.Path) -> av.container.InputContainer:
    container = _open(path)
    if not _pictures(container):
        container.close()
        raise InputError(f"{path}: has no moving picture; give a video")
    return container


def _pictures(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams that are not cover art."""
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def _picture(container: av.container.InputContainer) -> av.VideoStream:
    return _pictures(container)[0]


def _packets(
    container: av.container.InputContainer, streams: Sequence[av.stream.Stream], damage: list[str]
) -> Iterator[av.Packet]:
    """Packets up to the end or to where the file cannot be followed, noted in `damage`.

    The last of each stream is empty: it makes the decoder give what it holds.
    """
    try:
        yield from container.demux(*streams)
    except av.FFmpegError as error:
        damage.append(error.strerror or str(error))


def _decode(container: av.container.InputContainer, damage: list[str]) -> Iterator[av.VideoFrame]:
    """All frames in order of presentation; what cannot be decoded is noted in `damage`."""
    stream = _picture(container)
    for packet in _packets(container, [stream], damage):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError as error:
            damage.append(error.strerror or str(error))
            continue
        damage += ["damaged picture" for frame in frames if frame.is_corrupt]
        yield from frames


def _first_frame(container: av.container.InputContainer, path: str | pathlib.Path) -> av.VideoFrame:
    first = next(_decode(container, []), None)
    if first is None:
        raise InputError(f"{path}: not one frame can be decoded; is the file damaged?")
    return first


def _origin_us(path: str | pathlib.Path) -> int:
    """Where on a file's own clock its first picture lies."""
    with _open(path) as container:
        if not _pictures(container):
            return 0
        first = _first_frame(container, path)
        return _microseconds(first.pts or 0, first)


def _frame_rate(stream: av.VideoStream) -> fractions.Fraction:
    """The average, or FFmpeg's guess where no camera is that fast."""
    average = stream.average_rate or fractions.Fraction(25)
    return average if average <= _FASTEST_CAMERA else stream.guessed_rate or average


def _duration_us(
    container: av.container.InputContainer, stream: av.VideoStream, first: av.VideoFrame
) -> int:
    """Of the picture; of the rest of the file from its first frame, where no stream has one."""
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base / _MICROSECONDS)
    late_us = _microseconds(first.pts or 0, first) - (container.start_time or 0)
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
    frame: av.VideoFrame, info: VideoInfo, convert: VideoReformatter, scaling: int
) -> np.ndarray:
    rgb = convert.reformat(
        frame,
        format="rgb24",
        src_colorspace=info.matrix,
        dst_colorspace=info.matrix,
        src_color_range=ColorRange.JPEG if info.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=scaling,
    )
    image = rgb.to_ndarray()
    return np.ascontiguousarray(np.rot90(image, info.rotation // 90)) if info.rotation else image
