"""Videos to frames and frames to videos; the only module that knows PyAV.

Frames are upright RGB: rotation metadata is applied, the stream's colour matrix and range
are honoured. What is written keeps the timestamps it is given and copies audio untouched.
"""

from __future__ import annotations

import dataclasses
import fractions
import hashlib
import pathlib
from collections.abc import Iterator
from types import TracebackType

import av
import numpy as np
from absl import logging
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from data_prep.errors import InputError
from data_prep.records import Frame

_MICROSECONDS = fractions.Fraction(1, 1_000_000)
# MP4 keeps the time scale as 32 bits a second; 90 kHz is what H.264 tools expect.
_TIME_BASE = fractions.Fraction(1, 90_000)
_HD_HEIGHT = 720
# Rounded and with full chroma, a decoded frame survives YUV -> RGB -> YUV best.
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
_MP4_AUDIO = {"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"}


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
      matrix: colour matrix, as `av.video.reformatter.Colorspace`.
      full_range: whether luma spans 0..255 and not 16..235.
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
    matrix: Colorspace
    full_range: bool

    def expected_frames(self, span: Span = WHOLE) -> int:
        """About how many frames `read_frames` will give."""
        end_s = self.duration_us * 1e-6 if span.end_s is None else span.end_s
        count = min(self.frames, round(max(end_s - span.start_s, 0) * float(self.fps)))
        return -(-count // span.every)


def fingerprint(path: str | pathlib.Path) -> str:
    """SHA-256 of a file, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(path: str | pathlib.Path) -> VideoInfo:
    """Reads what a video says about itself.

    Raises:
      InputError: if the file is missing or is not a video.
    """
    with _open(path) as container:
        stream = container.streams.video[0]
        first = _first_frame(container, path)
        rotation = round(first.rotation) % 360
        turned = rotation in (90, 270)
        duration_us = _duration_us(container, stream)
        fps = stream.average_rate or fractions.Fraction(25)
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
            matrix=_matrix(first),
            full_range=first.color_range == ColorRange.JPEG,
        )


def read_frames(path: str | pathlib.Path, span: Span = WHOLE) -> Iterator[Frame]:
    """Decodes a video.

    Frames are numbered from the start of the file whatever part of it is read. Where the
    file is damaged, what decodes is read and a warning says how much that was.

    Args:
      path: the video.
      span: which part.

    Raises:
      InputError: if the file is no video, or not one frame can be decoded.
    """
    info = probe(path)
    count, damage = 0, ""
    with _open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        convert, first_pts = VideoReformatter(), None
        decoder = _decode(container)
        while True:
            try:
                frame = next(decoder)
            except StopIteration:
                break
            except av.FFmpegError as error:
                damage = error.strerror or str(error)
                break
            if first_pts is None:
                first_pts = frame.pts or 0
            timestamp_us = _microseconds(frame, first_pts)
            if span.end_s is not None and timestamp_us >= span.end_s * 1e6:
                return
            if count % span.every == 0 and timestamp_us >= span.start_s * 1e6:
                yield Frame(count, timestamp_us, _to_rgb(frame, info, convert))
            count += 1
    if damage or count < 0.97 * info.frames:
        logging.warning(
            "%s: damaged or truncated; read %d of about %d frames%s.",
            path, count, info.frames, f" ({damage})" if damage else "",
        )  # fmt: skip


class VideoWriter:
    """Writes H.264 in MP4 aside and gives it its name when it is whole.

    A context manager. If the block fails, nothing is left and an existing file stays as it
    was. Odd sizes are coded as 4:4:4, since 4:2:0 has no odd sizes.

    Args:
      path: the file to be.
      width: pixels.
      height: pixels.
      like: video whose pixel shape, colour matrix and range are kept.
      audio_from: file whose audio is copied, packet by packet; None for none. What MP4
        cannot hold is coded as AAC.
      audio_start_us: where in that file the written video begins.
      audio_end_us: where it ends, None for the end.
      crf: H.264 quality, 0 (lossless) to 51; 12 leaves untouched pixels above 44 dB.
      preset: H.264 speed.
      metadata: tags of the file.

    Raises:
      InputError: if the file cannot be written.
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
    ):
        self._path = pathlib.Path(path)
        self._aside = self._path.with_name(f".{self._path.name}.partial.mp4")
        self._size, self._like = (height, width), like
        self._audio = audio_from, audio_start_us, audio_end_us
        self._convert, self._last_pts = VideoReformatter(), -1
        try:
            self._container = av.open(str(self._aside), "w", options={"movflags": "+faststart"})
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror})") from error
        self._container.metadata.update(metadata or {})
        self._video = self._add_video(width, height, {"crf": str(crf), "preset": preset})
        self._copier = _AudioCopier(self._container, audio_from) if audio_from else None

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: np.ndarray, timestamp_us: int) -> None:
        """Appends a frame.

        Args:
          image: `[height, width, 3]` uint8 RGB.
          timestamp_us: later than the frame before.
        """
        if image.shape[:2] != self._size:
            raise ValueError(f"frame is {image.shape[:2]}, the video is {self._size}")
        pts = round(timestamp_us * _MICROSECONDS / _TIME_BASE)
        frame = self._convert.reformat(
            av.VideoFrame.from_ndarray(image, format="rgb24"),
            format=self._video.pix_fmt,
            src_colorspace=self._like.matrix,
            dst_colorspace=self._like.matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=self._range(),
            interpolation=_SCALING,
        )
        frame.pts, frame.time_base = max(pts, self._last_pts + 1), _TIME_BASE
        self._last_pts = frame.pts
        self._container.mux(self._video.encode(frame))

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
                self._aside.replace(self._path)
        finally:
            self._aside.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._container.mux(self._video.encode(None))
        if self._copier:
            _, start_us, end_us = self._audio
            self._copier.copy(start_us, end_us)

    def _add_video(self, width: int, height: int, options: dict[str, str]) -> av.VideoStream:
        odd = width % 2 or height % 2
        stream = self._container.add_stream(
            "libx264", rate=self._like.fps, options=options, time_base=_TIME_BASE
        )
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = stream.codec_context
        context.time_base = _TIME_BASE
        context.sample_aspect_ratio = self._like.sample_aspect_ratio
        context.colorspace = self._like.matrix
        context.color_range = self._range()
        return stream

    def _range(self) -> ColorRange:
        return ColorRange.JPEG if self._like.full_range else ColorRange.MPEG


class _AudioCopier:
    """Every audio stream of one file into another, packet by packet where MP4 allows."""

    def __init__(self, output: av.container.OutputContainer, path: str | pathlib.Path):
        self._output, self._path = output, path
        self._streams: dict[int, av.AudioStream] = {}
        with av.open(str(path)) as source:
            for stream in source.streams.audio:
                self._streams[stream.index] = self._add(stream)

    def _add(self, stream: av.AudioStream) -> av.AudioStream:
        if stream.codec_context.name.removesuffix("float") in _MP4_AUDIO:
            return self._output.add_stream_from_template(stream)
        logging.warning(
            "%s: MP4 cannot hold %s audio; coded as AAC.", self._path, stream.codec_context.name
        )
        return self._output.add_stream("aac", rate=stream.rate, layout=stream.layout.name)

    def copy(self, start_us: int, end_us: int | None) -> None:
        """Copies what lies between two times, moved so that `start_us` becomes 0."""
        if not self._streams:
            return
        with av.open(str(self._path)) as source:
            chosen = [source.streams[index] for index in self._streams]
            for packet in source.demux(chosen):
                at_us = (packet.pts or 0) * packet.time_base / _MICROSECONDS
                # What lies before 0 primes the decoder and belongs to a whole copy.
                too_early = start_us > 0 and at_us < start_us
                if packet.pts is None or too_early or (end_us and at_us >= end_us):
                    continue
                self._write(packet, self._streams[packet.stream.index], start_us)
        for stream in self._streams.values():
            if stream.codec_context.is_encoder:
                self._output.mux(stream.encode(None))

    def _write(self, packet: av.Packet, stream: av.AudioStream, start_us: int) -> None:
        assert packet.pts is not None and packet.time_base is not None
        shift = round(start_us * _MICROSECONDS / packet.time_base)
        if stream.codec_context is not None and stream.codec_context.is_encoder:
            for frame in packet.decode():
                assert isinstance(frame, av.AudioFrame)
                frame.pts = (frame.pts or 0) - shift
                self._output.mux(stream.encode(frame))
            return
        packet.dts = (packet.pts if packet.dts is None else packet.dts) - shift
        packet.pts -= shift
        packet.stream = stream
        self._output.mux(packet)


def _microseconds(frame: av.VideoFrame, first_pts: int) -> int:
    base = frame.time_base or _TIME_BASE
    return round(((frame.pts or 0) - first_pts) * base / _MICROSECONDS)


def _open(path: str | pathlib.Path) -> av.container.InputContainer:
    if not pathlib.Path(path).is_file():
        raise InputError(f"{path}: no such file; give the path of a video")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a video that can be read ({error.strerror})") from error
    if not container.streams.video:
        container.close()
        raise InputError(f"{path}: has no picture; give a video")
    return container


def _decode(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    """All frames in order of presentation."""
    yield from container.decode(video=0)


def _first_frame(container: av.container.InputContainer, path: str | pathlib.Path) -> av.VideoFrame:
    try:
        return next(_decode(container))
    except (StopIteration, av.FFmpegError) as error:
        raise InputError(f"{path}: not one frame can be decoded; is the file damaged?") from error


def _duration_us(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base / _MICROSECONDS)
    return container.duration or 0


def _upright_aspect(aspect: fractions.Fraction | None, turned: bool) -> fractions.Fraction:
    aspect = aspect or fractions.Fraction(1)
    return 1 / aspect if turned else aspect


def _matrix(frame: av.VideoFrame) -> Colorspace:
    """The stream's matrix; where it does not say, what its size implies."""
    known = {int(Colorspace.ITU709), int(Colorspace.ITU601), int(Colorspace.SMPTE170M)}
    if int(frame.colorspace) in known:
        return Colorspace(int(frame.colorspace))
    return Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601


def _to_rgb(frame: av.VideoFrame, info: VideoInfo, convert: VideoReformatter) -> np.ndarray:
    rgb = convert.reformat(
        frame,
        format="rgb24",
        src_colorspace=info.matrix,
        dst_colorspace=info.matrix,
        src_color_range=ColorRange.JPEG if info.full_range else ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALING,
    )
    image = rgb.to_ndarray()
    return np.ascontiguousarray(np.rot90(image, info.rotation // 90)) if info.rotation else image
