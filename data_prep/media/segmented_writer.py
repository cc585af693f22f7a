"""Videos written in closed segments, so that a conversion that was stopped can go on.

Every few hundred frames all outputs of a conversion are closed, and what is needed to go on
is stored beside them. Each segment is coded for itself, so that it depends only on its own
frames; in the end the packets of all segments are joined, with the sound, without coding
them again. A run that was killed and started again therefore gives what an uninterrupted
one gives.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import av
import numpy as np
from absl import logging

from data_prep.errors import InputError
from data_prep.media.audio import AudioTrack, Sound, has_sound
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.container import MICROSECONDS, microseconds, muxer_options, written_aside
from data_prep.media.segments import SEGMENT_FRAMES, Output, Segment, Unfinished
from data_prep.media.video_reader import VideoInfo
from data_prep.media.video_writer import VideoWriter

_PICTURES = "%06d.png"


class SegmentedWriter:
    """Writes the videos of a conversion; a context manager.

    They get their names when they are whole. If the block fails or is interrupted, what is
    done stays to go on from, and can be watched as `<stem>.unfinished<suffix>`, or segment by
    segment where the disk has no room for that.

    Attributes:
      unfinished: what is done.

    Args:
      unfinished: what was done before.
      outputs: the videos.
      like: video whose frame rate, pixel shape and colour description are kept.
      encoding: of all of them.
      sound: that all of them get, None for none.
      start_us: timestamp, of pictures and sound alike, that becomes 0.
      end_us: where the sound ends, None for the end.
      metadata: tags of the files.
      length: frames a segment.

    Raises:
      InputError: if an output cannot be written.
    """

    def __init__(
        self,
        unfinished: Unfinished,
        outputs: Sequence[Output],
        *,
        like: VideoInfo,
        encoding: Encoding = Encoding(),
        sound: Sound | None = None,
        start_us: int = 0,
        end_us: int | None = None,
        metadata: Mapping[str, str] | None = None,
        length: int = SEGMENT_FRAMES,
    ):
        for output in outputs:
            encoding.check(output.path, output.transparent)
        self.unfinished, self._outputs, self._length = unfinished, outputs, length
        self._like, self._encoding, self._metadata = like, encoding, dict(metadata or {})
        self._sound, self._start_us, self._end_us = sound, start_us, end_us
        self._writers: list[VideoWriter] = []
        self._files = contextlib.ExitStack()
        self._timestamps: list[int] = []
        self._state: Any = None

    def __enter__(self) -> SegmentedWriter:
        return self

    def write(
        self, images: Sequence[np.ndarray | CodedFrame], timestamp_us: int, state: Any = None
    ) -> None:
        """Appends a frame to every video.

        Args:
          images: as of `VideoWriter.write`, in the order of the outputs.
          timestamp_us: later than the frame before; see `start_us`.
          state: what the frames after it need to know, as JSON has it.

        Raises:
          InputError: if it cannot be written, such as on a full disk.
        """
        with self._explained():
            if not self._writers:
                self._open()
            last_us = self._timestamps[-1] if self._timestamps else self.unfinished.last_us
            self._timestamps.append(max(timestamp_us - self._start_us, last_us + 1))
            for writer, image in zip(self._writers, images, strict=True):
                writer.write(image, self._timestamps[-1] - self._timestamps[0])
            self._state = state
            if len(self._timestamps) == self._length:
                self._close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._files.__exit__(kind, error, trace)
            self._leave(error)
            return
        try:
            with self._explained():
                self._close()
                self._join([output.path for output in self._outputs])
        except InputError as failure:
            self._leave(failure)
            raise
        for path in self._unfinished_paths():
            _delete(path)
        self.unfinished.remove()

    def _open(self) -> None:
        self.unfinished.make()
        index = len(self.unfinished.segments)
        for number, output in enumerate(self._outputs):
            writer = VideoWriter(
                self._segment(index, number), width=output.width, height=output.height,
                like=self._like, encoding=self._encoding, transparent=output.transparent,
                metadata=self._metadata,
            )  # fmt: skip
            self._writers.append(self._files.enter_context(writer))

    def _close(self) -> None:
        if not self._writers:
            return
        writers, self._writers = self._writers, []
        self._files.close()
        reordering = max(writer.reordering for writer in writers)
        self.unfinished.add(Segment(self._timestamps, reordering, self._state))
        self._timestamps = []

    def _join(self, paths: Sequence[pathlib.Path]) -> None:
        segments = self.unfinished.segments
        if not segments:
            raise InputError(f"{paths[0]}: no frame to write; choose a part within the video")
        for number, (output, path) in enumerate(zip(self._outputs, paths, strict=True)):
            files = [self._segment(index, number) for index in range(len(segments))]
            with written_aside(path, output.seal) as aside:
                if self._encoding.codec is Codec.PNG:
                    self._unpack(files, aside)
                else:
                    self._mux(files, aside)

    def _mux(self, files: Sequence[pathlib.Path], path: pathlib.Path) -> None:
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(av.open(str(path), "w", options=muxer_options(path)))
            output.metadata.update(self._metadata)
            first = stack.enter_context(av.open(str(files[0]))).streams.video[0]
            stream = output.add_stream_from_template(first, opaque=True)
            stream.time_base = MICROSECONDS
            if path.suffix != ".mkv":
                stream.codec_context.codec_tag = first.codec_context.codec_tag
            track = self._track(stack, output)
            for packet in self._packets(files):
                packet.stream, time_us = stream, packet.pts or 0
                output.mux(packet)
                if track:
                    # Not all at the end: a player wants sound beside its picture.
                    track.write_until(time_us)
            if track:
                track.finish()

    def _unpack(self, files: Sequence[pathlib.Path], folder: pathlib.Path) -> None:
        """PNG pictures, their times in milliseconds as mkvmerge reads them, and the sound."""
        folder.mkdir()
        lines = ["# timestamp format v2"]
        for number, packet in enumerate(self._packets(files)):
            (folder / (_PICTURES % number)).write_bytes(bytes(packet))
            lines.append(f"{(packet.pts or 0) / 1000:.3f}")
        (folder / "timestamps.txt").write_text("\n".join(lines) + "\n")
        if self._sound and has_sound(self._sound.path or self._like.path):
            with contextlib.ExitStack() as stack:
                output = stack.enter_context(av.open(str(folder / "sound.mka"), "w"))
                track = self._track(stack, output)
                assert track
                track.finish()

    def _track(
        self, stack: contextlib.ExitStack, output: av.container.OutputContainer
    ) -> AudioTrack | None:
        if not self._sound:
            return None
        path = self._sound.path or self._like.path
        return stack.enter_context(
            AudioTrack(output, path, self._sound, self._start_us, self._end_us)
        )

    def _packets(self, files: Sequence[pathlib.Path]) -> Iterator[av.Packet]:
        """Of the pictures of all segments, on one clock of microseconds.

        When each is decoded is told anew: a decoder that gives frames in order holds as many
        back as the segment with the most reordering needs.
        """
        segments = self.unfinished.segments
        times = [time_us for segment in segments for time_us in segment.timestamps]
        held = max(segment.reordering for segment in segments)
        step = round(1 / (self._like.fps * MICROSECONDS))
        early = [times[0] - step * (held - i) for i in range(held)]
        decoded = iter(early + times)
        lasting = dict(zip(times, np.diff([*times, times[-1] + step]).tolist(), strict=True))
        for file, segment in zip(files, segments, strict=True):
            exact = np.array(segment.timestamps)
            with av.open(str(file)) as container:
                for packet in container.demux(video=0):
                    if not packet.size:
                        continue
                    # Matroska has rounded them.
                    near_us = microseconds(packet.pts or 0, packet) + exact[0]
                    time_us = int(exact[np.abs(exact - near_us).argmin()])
                    packet.pts, packet.dts = time_us, next(decoded)
                    packet.duration = lasting[time_us]
                    packet.time_base = MICROSECONDS
                    yield packet

    def _segment(self, index: int, number: int) -> pathlib.Path:
        suffix = self._outputs[number].path.suffix or ".mov"
        return self.unfinished.file(index, f"_{number}{suffix}")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors of encoder and disk as such of people."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            done = self.unfinished.frames + len(self._timestamps)
            raise InputError(
                f"{self._outputs[0].path}: cannot be written beyond frame {done} "
                f"({error.strerror or error})"
            ) from error

    def _leave(self, error: BaseException | None) -> None:
        """Makes what is done watchable, and says where."""
        if not self.unfinished.segments:
            self.unfinished.clear()
            return
        paths = self._unfinished_paths()
        try:
            self._join(paths)
            where = f"can be watched in {paths[0]}"
        except (InputError, av.FFmpegError, OSError):
            where = f"lie in segments in {self.unfinished.folder}"
        logging.error(
            "%s: stopped; the first %d frames (%.1f s) %s. The same command goes on from there.",
            self._outputs[0].path, self.unfinished.frames, self.unfinished.last_us * 1e-6, where,
        )  # fmt: skip

    def _unfinished_paths(self) -> list[pathlib.Path]:
        return [
            output.path.with_name(f"{output.path.stem}.unfinished{output.path.suffix}")
            for output in self._outputs
        ]


def _delete(path: pathlib.Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
