"""Writes videos in closed segments, so that a run that was stopped can be resumed.

Every few hundred frames all videos of the run are closed, and the state that the next frames
depend on is stored beside them. Each segment is encoded by itself and depends only on its own
frames; in the end the packets of all segments are joined, with the sound, without encoding them
again. A run that was killed and started again therefore writes the same files as one that was
never stopped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import av
import numpy as np
from absl import logging

from data_prep.errors import InputError
from data_prep.media.audio import Sound
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.segments import Segment, SegmentJoiner
from data_prep.media.video_reader import VideoInfo
from data_prep.media.video_writer import VideoWriter
from data_prep.runtime.files import Seal, write_atomically

# A multiple of the batches that are rendered at once, and about as far as x264 lets key frames lie
# apart by itself (250).
SEGMENT_FRAMES = 240


@dataclasses.dataclass(frozen=True)
class OutputVideo:
    """One of the videos that a run writes.

    Attributes:
      path: file, or folder of images, to be written.
      width: width of a frame, pixels.
      height: height of a frame, pixels.
      seal: completes the file before it gets its name, see `write_atomically`.
      transparent: whether its frames have an alpha channel.
    """

    path: pathlib.Path
    width: int
    height: int
    seal: Seal | None = None
    transparent: bool = False


class SegmentFolder:
    """Folder of the closed segments of a run, from which the run can be resumed.

    A segment is complete once its JSON file exists, which is the last one to be written.

    Attributes:
      folder: path of the folder, `<output>.segments`.
      segments: the closed segments.

    Args:
      output: path of the first video of the run.
      key: hash of everything that the frames depend on; segments with another key belong to
        another run.
      overwrite: whether segments of another run are deleted.

    Raises:
      InputError: if there are segments of another run and `overwrite` is false.
    """

    def __init__(self, output: pathlib.Path, key: str, overwrite: bool = False):
        self.folder = output.with_name(f"{output.name}.segments")
        self._key = key
        self.segments = list(self._read())
        if self.segments and (self.folder / "key").read_text() != key:
            if not overwrite:
                raise InputError(
                    f"{self.folder}: holds an unfinished conversion of another video or with "
                    "other settings; repeat that one, or allow this one to discard it",
                    setting="overwrite",
                )
            self.clear()

    @property
    def faces(self) -> pathlib.Path:
        """Path at which the caller may keep its analysis of the source; `clear` leaves it."""
        return self.folder / "faces.npz"

    @property
    def frames(self) -> int:
        """Number of frames in the closed segments."""
        return sum(len(segment.timestamps) for segment in self.segments)

    @property
    def state(self) -> Any:
        """State after the last closed segment; None if there is no segment."""
        return self.segments[-1].state if self.segments else None

    @property
    def last_us(self) -> int:
        """Timestamp of the last frame, microseconds; -1 if there is no segment."""
        return self.segments[-1].timestamps[-1] if self.segments else -1

    def file(self, index: int, ending: str) -> pathlib.Path:
        """Returns the path of a file of segment `index`, whose name ends so."""
        return self.folder / f"{index:05d}{ending}"

    def add(self, segment: Segment) -> None:
        """Marks the segment after the last one as complete."""
        with write_atomically(self.file(len(self.segments), ".json")) as aside:
            aside.write_text(json.dumps(dataclasses.asdict(segment)))
        self.segments.append(segment)

    def create(self) -> None:
        """Makes the folder, if there is none, and stores the key."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "key").write_text(self._key)

    def clear(self) -> None:
        """Deletes the segments, and the folder if nothing else is in it."""
        for path in self.folder.glob("*"):
            if path != self.faces:
                path.unlink()
        self.segments = []
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def delete(self) -> None:
        """Deletes the folder with everything in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> Iterator[Segment]:
        # A partial file that a crash left begins with a dot.
        for index in range(len(list(self.folder.glob("[0-9]*.json")))):
            yield Segment(**json.loads(self.file(index, ".json").read_text()))


class SegmentedWriter:
    """Writes the videos of a run segment by segment; a context manager.

    The videos get their names when they are complete. If the block fails or is interrupted,
    the closed segments stay so that the run can be resumed, and can be watched as
    `<stem>.unfinished<suffix>`, or one by one if the disk has no room for that file.

    Attributes:
      unfinished: folder of the closed segments.

    Args:
      unfinished: folder of the closed segments, with those of an earlier run if there was one.
      outputs: the videos.
      like: video whose frame rate, pixel aspect ratio and colour description are kept.
      encoding: codec of all videos, and its settings.
      sound: sound of all videos, None for none.
      start_us: timestamp of frames and sound that becomes 0, microseconds.
      end_us: time of the source before which the sound ends, microseconds; None for the end.
      metadata: tags of the files.
      length: number of frames in a segment.

    Raises:
      InputError: if an output cannot hold the codec.
    """

    def __init__(
        self,
        unfinished: SegmentFolder,
        outputs: Sequence[OutputVideo],
        *,
        like: VideoInfo,
        encoding: Encoding = Encoding(),
        sound: Sound | None = None,
        start_us: int = 0,
        end_us: int | None = None,
        metadata: Mapping[str, str] | None = None,
        length: int = SEGMENT_FRAMES,
    ):
        # A name that cannot hold the codec is refused before any work is done.
        for output in outputs:
            encoding.check(output.path, output.transparent)
        self.unfinished, self._outputs, self._length = unfinished, outputs, length
        self._like, self._encoding, self._metadata = like, encoding, dict(metadata or {})
        self._start_us = start_us
        sound_path = sound.path if sound and sound.path else like.path
        self._joiner = SegmentJoiner(
            like.fps, sound, sound_path, start_us, end_us, dict(metadata or {})
        )
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
          images: frame of each video, in the order of the outputs; see `VideoWriter.write`.
          timestamp_us: time of the frame, microseconds; later than that of the frame before.
          state: whatever the next frames depend on, as JSON values.

        Raises:
          InputError: if the frame cannot be written, for example because the disk is full.
        """
        with self._write_errors_as_input_errors():
            if not self._writers:
                self._open_segment()
            last_us = self._timestamps[-1] if self._timestamps else self.unfinished.last_us
            self._timestamps.append(max(timestamp_us - self._start_us, last_us + 1))
            # The clock of each segment starts at 0, as if it were a video by itself.
            for writer, image in zip(self._writers, images, strict=True):
                writer.write(image, self._timestamps[-1] - self._timestamps[0])
            self._state = state
            if len(self._timestamps) == self._length:
                self._close_segment()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._files.__exit__(kind, error, trace)
            self._keep_unfinished()
            return
        try:
            with self._write_errors_as_input_errors():
                self._close_segment()
                self._join([output.path for output in self._outputs])
        except InputError:
            self._keep_unfinished()
            raise
        for path in self._unfinished_paths():
            _delete(path)
        self.unfinished.delete()

    def _open_segment(self) -> None:
        self.unfinished.create()
        index = len(self.unfinished.segments)
        for number, output in enumerate(self._outputs):
            writer = VideoWriter(
                self._segment_path(index, number),
                width=output.width,
                height=output.height,
                like=self._like,
                encoding=self._encoding,
                transparent=output.transparent,
                metadata=self._metadata,
            )
            self._writers.append(self._files.enter_context(writer))

    def _close_segment(self) -> None:
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
            raise InputError(
                f"{paths[0]}: no frame to write; choose a part within the video", setting="span"
            )
        for number, (output, path) in enumerate(zip(self._outputs, paths, strict=True)):
            files = [self._segment_path(index, number) for index in range(len(segments))]
            with write_atomically(path, output.seal) as aside:
                if self._encoding.codec is Codec.PNG:
                    self._joiner.to_folder(files, segments, aside)
                else:
                    self._joiner.to_file(files, segments, aside)

    def _segment_path(self, index: int, number: int) -> pathlib.Path:
        """Returns the file of segment `index` of output `number`."""
        # Images are kept in a MOV until they are unpacked to their folder.
        suffix = self._outputs[number].path.suffix or ".mov"
        return self.unfinished.file(index, f"_{number}{suffix}")

    @contextlib.contextmanager
    def _write_errors_as_input_errors(self) -> Iterator[None]:
        """Turns errors of encoder and disk into an `InputError` that names the frame."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            done = self.unfinished.frames + len(self._timestamps)
            raise InputError(
                f"{self._outputs[0].path}: cannot be written beyond frame {done} "
                f"({error.strerror or error})"
            ) from error

    def _keep_unfinished(self) -> None:
        """Joins the closed segments to videos that can be watched, and logs where they are."""
        if not self.unfinished.segments:
            self.unfinished.clear()
            return
        paths = self._unfinished_paths()
        try:
            self._join(paths)
            where = f"can be watched in {paths[0]}"
        except (InputError, av.FFmpegError, OSError):
            # A full disk has no room for a copy; the segments can be watched as well.
            where = f"lie in segments in {self.unfinished.folder}"
        logging.error(
            "%s: stopped; the first %d frames (%.1f s) %s. Repeat the run to go on from there.",
            self._outputs[0].path,
            self.unfinished.frames,
            self.unfinished.last_us * 1e-6,
            where,
        )

    def _unfinished_paths(self) -> list[pathlib.Path]:
        return [
            output.path.with_name(f"{output.path.stem}.unfinished{output.path.suffix}")
            for output in self._outputs
        ]


def _delete(path: pathlib.Path) -> None:
    """Deletes a file or folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
