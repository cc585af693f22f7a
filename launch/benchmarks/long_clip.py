"""Clips made large and long enough to measure speed on."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

from data_prep.media import video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Encoding
from data_prep.media.segmented_writer import OutputVideo, SegmentedWriter, SegmentFolder
from data_prep.media.video_writer import VideoWriter

SIZE = (1280, 720)
_ENCODING = Encoding(crf=20)


def write_silent(clip: pathlib.Path, path: pathlib.Path, seconds: float) -> pathlib.Path:
    """Writes `seconds` of a clip at 720p, forwards and backwards, without sound; returns `path`."""
    width, height = SIZE
    info = video_reader.probe(clip)
    with VideoWriter(path, width=width, height=height, like=info, encoding=_ENCODING) as writer:
        for image, time_us in _forwards_and_backwards(clip, seconds):
            writer.write(image, time_us)
    return path


def write_with_sound(clip: pathlib.Path, path: pathlib.Path, seconds: float) -> pathlib.Path:
    """Like `write_silent`, but with the sound of the clip for as long as it lasts."""
    output = OutputVideo(path, *SIZE)
    with SegmentedWriter(
        SegmentFolder(path, ""),
        [output],
        like=video_reader.probe(clip),
        encoding=_ENCODING,
        sound=Sound(),
        length=1 << 30,
    ) as writer:
        for image, time_us in _forwards_and_backwards(clip, seconds):
            writer.write([image], time_us)
    return path


def _forwards_and_backwards(clip: pathlib.Path, seconds: float) -> Iterator[tuple[np.ndarray, int]]:
    """Yields frames at 720p with their times in microseconds; the clip turns around at its ends.

    If it started again instead, every repetition would be a scene cut.
    """
    images = [
        cv2.resize(frame.image, SIZE, interpolation=cv2.INTER_CUBIC)
        for frame in video_reader.read_frames(clip)
    ]
    fps = float(video_reader.probe(clip).fps)
    endless = itertools.cycle([*images, *images[-2:0:-1]])
    for index, image in zip(range(round(seconds * fps)), endless, strict=False):
        yield image, round(index * 1_000_000 / fps)
