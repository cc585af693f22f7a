"""Writes frames to one silent video; `segmented_writer` joins such videos and adds the sound."""

from __future__ import annotations

import contextlib
import os
import pathlib
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter

from data_prep.errors import InputError
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.coded_frame import CodedFrame, plane_arrays
from data_prep.media.container import MICROSECONDS, muxer_options
from data_prep.media.pixel_coding import PixelCoding
from data_prep.media.video_reader import SCALING, VideoInfo
from data_prep.runtime.files import Seal, write_atomically

# SVT-AV1 otherwise describes itself on stderr.
os.environ.setdefault("SVT_LOG", "1")
# FFmpeg's pixel format of an array, by its type and number of channels.
_INPUT_FORMATS = {
    ("uint8", 3): "rgb24",
    ("uint16", 3): "rgb48le",
    ("uint8", 4): "rgba",
    ("uint16", 4): "rgba64le",
}


class VideoWriter:
    """Encodes frames into a video, which appears under its name once it is complete.

    A context manager. If the block fails, nothing is left and an existing file stays as it
    was. The clock of MP4 and MOV ticks in microseconds, that of Matroska in milliseconds.

    Attributes:
      timestamps: times of the frames written so far, microseconds.
      reordering: greatest number of places by which a frame was encoded before its turn; known
        once the block has ended.

    Args:
      path: path of the file; with `Codec.PNG` it is a MOV whose frames are PNG images.
      width: width of a frame, pixels.
      height: height of a frame, pixels.
      like: video whose frame rate, pixel aspect ratio and colour description are kept.
      encoding: codec and its settings.
      transparent: whether frames have an alpha channel.
      metadata: tags of the file.
      seal: completes the file before it gets its name, see `write_atomically`.

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
        encoding: Encoding = Encoding(),
        transparent: bool = False,
        metadata: dict[str, str] | None = None,
        seal: Seal | None = None,
    ):
        # A MOV of PNG images is an intermediate file, which `Encoding.check` does not know.
        if encoding.codec is not Codec.PNG:
            encoding.check(pathlib.Path(path), transparent)
        if encoding.encoder not in av.codecs_available:
            raise InputError(
                f"{path}: this FFmpeg has no {encoding.encoder}; give another codec",
                setting="codec",
            )
        self.timestamps: list[int] = []
        self.reordering = 0
        self._path, self._like = pathlib.Path(path), like
        self._shape = (height, width, 4 if transparent else 3)
        self._range = ColorRange.JPEG if like.full_range else ColorRange.MPEG
        self._encoding, self._convert = encoding, VideoReformatter()
        # Times of the packets in the order in which they are encoded.
        self._packet_times: list[int] = []
        self._files = contextlib.ExitStack()
        aside = self._files.enter_context(write_atomically(self._path, seal))
        self._container = av.open(str(aside), "w", options=muxer_options(aside))
        self._container.metadata.update(metadata or {})
        self._video = self._add_video()

    def __enter__(self) -> VideoWriter:
        return self

    def write(self, image: np.ndarray | CodedFrame, timestamp_us: int) -> None:
        """Appends a frame.

        Args:
          image: `[height, width, 3]` RGB, or `[height, width, 4]` with straight alpha, uint8 or
            uint16; or a coded frame in RGB or the format that `pixel_format_for` returns.
          timestamp_us: time of the frame, microseconds; later than that of the frame before.

        Raises:
          InputError: if the frame is not of the video's size.
        """
        frame = self._to_video_frame(image, timestamp_us)
        last = self.timestamps[-1] if self.timestamps else -1
        frame.pts, frame.time_base = max(timestamp_us, last + 1), MICROSECONDS
        self.timestamps.append(frame.pts)
        self._mux(self._video.encode(frame))

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
            else:
                with contextlib.suppress(av.FFmpegError):
                    self._container.close()
        except BaseException as failure:
            # The exit stack deletes the incomplete file if it hears of the failure.
            self._files.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._files.__exit__(kind, error, trace)

    def _finish(self) -> None:
        if not self.timestamps:
            raise InputError(
                f"{self._path}: no frame to write; choose a part within the video", setting="span"
            )
        packets = self._video.encode(None)
        if len(self.timestamps) <= 2:
            # x265 leaves the decoding times undefined where there is nothing to reorder.
            for packet in packets:
                packet.dts = packet.pts
        self._mux(packets)
        # How far encoding order runs ahead of presentation order.
        place = {pts: i for i, pts in enumerate(sorted(self._packet_times))}
        self.reordering = max(i - place[pts] for i, pts in enumerate(self._packet_times))

    def _mux(self, packets: list[av.Packet]) -> None:
        self._packet_times += [packet.pts for packet in packets if packet.pts is not None]
        self._container.mux(packets)

    def _to_video_frame(self, image: np.ndarray | CodedFrame, timestamp_us: int) -> av.VideoFrame:
        if isinstance(image, CodedFrame) and image.coding.is_rgb:
            image = image.planes[0]
        shape = image.shape
        if shape != self._shape:
            raise InputError(
                f"{self._path}: frame at {timestamp_us * 1e-6:.3f} s is {_size(shape)}, "
                f"the video is {_size(self._shape)}; use a video whose size does not change"
            )

        # Luma and chroma have the format of the encoder already and are only copied.
        if isinstance(image, CodedFrame):
            frame = av.VideoFrame(shape[1], shape[0], image.coding.name)
            for plane, values in zip(plane_arrays(frame), image.planes, strict=True):
                plane[...] = values
            return frame

        # RGB is converted by FFmpeg with the matrix and range that the output will state.
        input_format = _INPUT_FORMATS[image.dtype.name, image.shape[2]]
        return self._convert.reformat(
            av.VideoFrame.from_ndarray(image, format=input_format),
            format=self._video.pix_fmt,
            src_colorspace=self._like.matrix,
            dst_colorspace=self._like.matrix,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.JPEG if self._encoding.is_rgb else self._range,
            interpolation=SCALING,
        )

    def _add_video(self) -> av.VideoStream:
        stream = self._container.add_stream(
            self._encoding.encoder,
            rate=self._like.fps,
            options=self._encoding.options(),
            time_base=MICROSECONDS,
        )
        assert isinstance(stream, av.VideoStream)
        height, width, channels = self._shape
        stream.width, stream.height = width, height
        stream.pix_fmt = self._encoding.pixel_format(width, height, channels == 4)
        context = stream.codec_context
        context.time_base = MICROSECONDS
        # PyAV's own choice, slices, lets x264's output vary from run to run, and codes worse.
        context.thread_type = "AUTO"
        # Players show the video as they showed the one it is made from.
        context.sample_aspect_ratio = self._like.sample_aspect_ratio
        context.color_primaries = self._like.primaries
        context.color_trc = self._like.transfer
        if not self._encoding.is_rgb:
            context.colorspace, context.color_range = self._like.matrix, self._range
        # Matroska has no such tags.
        if self._encoding.tag and self._path.suffix != ".mkv":
            context.codec_tag = self._encoding.tag
        return stream


def pixel_format_for(info: VideoInfo, encoding: Encoding, transparent: bool = False) -> str:
    """Returns the pixel format to read a video in if its frames are changed and encoded again.

    This is the format of the encoder, so that nothing is converted on writing. It is RGB where
    the encoder takes RGB, where the output has an alpha channel, and where chroma planes do not
    fit because the frame is turned or has an odd size.

    Args:
      info: video to read.
      encoding: settings of the output.
      transparent: whether the output has an alpha channel.
    """
    name = encoding.pixel_format(info.width, info.height)
    coding = PixelCoding(name)
    steps = coding.chroma_steps
    cut_chroma = (info.width % 2 or info.height % 2) and steps != (1, 1)
    turned_chroma = info.rotation % 180 and steps[0] != steps[1]
    if coding.is_rgb or transparent or cut_chroma or turned_chroma:
        return "rgb48le" if min(info.bits, encoding.depth) > 8 else "rgb24"
    return name


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
