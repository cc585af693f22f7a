"""A clip made large and long enough to measure with."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

from data_prep.media import video_reader

SIZE = (1280, 720)


def to_and_fro(clip: pathlib.Path, seconds: float) -> Iterator[tuple[np.ndarray, int]]:
    """Frames of a clip at 720p, forwards and backwards, with their times in microseconds.

    To and fro, so that nothing is cut.
    """
    images = [
        cv2.resize(frame.image, SIZE, interpolation=cv2.INTER_CUBIC)
        for frame in video_reader.read_frames(clip)
    ]
    fps = float(video_reader.probe(clip).fps)
    endless = itertools.cycle([*images, *images[-2:0:-1]])
    for index, image in zip(range(round(seconds * fps)), endless, strict=False):
        yield image, round(index * 1_000_000 / fps)
