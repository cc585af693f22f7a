"""The closed segments of an unfinished conversion, on disk."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from data_prep.errors import InputError
from data_prep.media.container import Seal

# 15 batches of 16 frames, about as far as x264 lets key frames lie apart by itself (250).
SEGMENT_FRAMES = 240


@dataclasses.dataclass(frozen=True)
class Output:
    """One video of a conversion.

    Attributes:
      path: file, or folder of pictures, to be.
      width: pixels.
      height: pixels.
      seal: what is done to it, whole, before it gets its name.
      transparent: whether its frames have an alpha channel.
    """

    path: pathlib.Path
    width: int
    height: int
    seal: Seal | None = None
    transparent: bool = False


@dataclasses.dataclass(frozen=True)
class Segment:
    """What is known of a closed segment.

    Attributes:
      timestamps: of its frames, microseconds.
      reordering: see `VideoWriter`, the most of all outputs.
      state: what the frames after it need to know, as JSON has it.
    """

    timestamps: list[int]
    reordering: int
    state: Any


class Unfinished:
    """The folder of what an interrupted conversion has done.

    Attributes:
      folder: where that is.
      segments: the closed ones.

    Args:
      output: the first video of the conversion; the folder is `<output>.segments`.
      key: what the frames depend on; segments with another key are of another conversion.
      discard: whether such segments are deleted.

    Raises:
      InputError: if there are segments of another conversion that are not to be deleted.
    """

    def __init__(self, output: pathlib.Path, key: str, discard: bool = False):
        self.folder = output.with_name(f"{output.name}.segments")
        self._key = key
        self.segments = list(self._read())
        if self.segments and (self.folder / "key").read_text() != key:
            if not discard:
                raise InputError(
                    f"{self.folder}: holds an unfinished conversion of another video or with "
                    "other settings; repeat that one, or give --force to discard it"
                )
            self.clear()

    @property
    def faces(self) -> pathlib.Path:
        """Where the faces that were found can be kept (see `analysis_file`)."""
        return self.folder / "faces.npz"

    @property
    def frames(self) -> int:
        """How many are done."""
        return sum(len(segment.timestamps) for segment in self.segments)

    @property
    def state(self) -> Any:
        """After the last of them; None where there is none."""
        return self.segments[-1].state if self.segments else None

    @property
    def last_us(self) -> int:
        """Timestamp of the last of them, -1 where there is none."""
        return self.segments[-1].timestamps[-1] if self.segments else -1

    def file(self, index: int, name: str) -> pathlib.Path:
        """Of a segment."""
        return self.folder / f"{index:05d}{name}"

    def add(self, segment: Segment) -> None:
        """A segment counts when this, the last of its files, is there."""
        path = self.file(len(self.segments), ".json")
        aside = path.with_suffix(".partial")
        aside.write_text(json.dumps(dataclasses.asdict(segment)))
        aside.replace(path)
        self.segments.append(segment)

    def make(self) -> None:
        """Makes the folder."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "key").write_text(self._key)

    def clear(self) -> None:
        """Deletes the segments, and the folder if there is nothing else in it."""
        for path in self.folder.glob("*"):
            if path != self.faces:
                path.unlink()
        self.segments = []
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def remove(self) -> None:
        """Deletes the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self) -> Iterator[Segment]:
        for index in range(len(list(self.folder.glob("*.json")))):
            yield Segment(**json.loads(self.file(index, ".json").read_text()))
