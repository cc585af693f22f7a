"""Composes the strip of the documentation from a finished demo: target, swapped, mask.

`python -m launch.docs_images --demo=runs/demo` reads `swapped.mp4` and `side_by_side.mp4`, whose
frames carry the watermark, and writes a small JPEG with a visible caption and a signed manifest.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from absl import flags

from data_prep.errors import InputError
from launch import cli

DEMO = flags.DEFINE_string(
    "demo", "runs/demo", "Read this finished folder of launch.demo (its --out)."
)
STRIP = flags.DEFINE_string("strip", "docs/images/demo.jpg", "Write this JPEG, and replace it.")
FRAMES = flags.DEFINE_integer(
    "frames", 5, "Set the number of columns.", lower_bound=1, upper_bound=12
)
TILE_HEIGHT = flags.DEFINE_integer(
    "tile_height", 180, "Set the height of a tile, pixels.", lower_bound=64
)

_ROWS = ("target", "swapped: synthetic", "mask")
# Largest finished file, with room for the manifest.
_MOST_BYTES, _MANIFEST_BYTES = 200_000, 60_000
_QUALITIES = (90, 85, 80, 75, 70, 60, 50, 40)


def main(argv: Sequence[str]) -> None:
    del argv
    demo, out = pathlib.Path(DEMO.value), pathlib.Path(STRIP.value)
    cli.require_writable_folder(out.parent)
    write(demo, out, FRAMES.value, TILE_HEIGHT.value)
    print(f"{out}: {FRAMES.value} frames, {out.stat().st_size / 1000:.0f} kB")


def write(demo: pathlib.Path, out: pathlib.Path, frames: int, tile_height: int) -> None:
    """Writes the strip of a demo.

    Args:
      demo: finished folder of the demo.
      out: the JPEG.
      frames: number of columns, evenly spread over the clip.
      tile_height: height of a tile, pixels.

    Raises:
      InputError: if the demo is not finished, or the strip would be too large.
    """
    from launch import demo_report

    record = demo / "swapped.json"
    if not record.is_file():
        raise InputError(f"{record}: no such file; run the demo to its end first")
    images = strip(demo, frames, tile_height)
    out.write_bytes(_jpeg(images))
    demo_report.seal(out, json.loads(record.read_text()))


def strip(demo: pathlib.Path, frames: int, tile_height: int) -> np.ndarray:
    """Three rows of frames with captions, `[H, W, 3]` uint8 RGB."""
    beside, swapped = demo / "side_by_side.mp4", demo / "swapped.mp4"
    columns = []
    for wide, result in zip(_frames(beside, frames), _frames(swapped, frames), strict=True):
        target, _, mask = np.array_split(wide, 3, axis=1)
        columns.append((target, result, mask))
    rows = [
        _captioned(np.hstack([_tile(column[row], tile_height) for column in columns]), caption)
        for row, caption in enumerate(_ROWS)
    ]
    return np.vstack(rows)


def _frames(path: pathlib.Path, count: int) -> list[np.ndarray]:
    """Frames evenly spread over a video."""
    from data_prep.media import video_reader

    found = [frame.image for frame in video_reader.evenly_spaced_frames(path, count)]
    if len(found) < count:
        raise InputError(f"{path}: has fewer than {count} frames; ask for fewer")
    return found


def _tile(image: np.ndarray, height: int) -> np.ndarray:
    width = round(image.shape[1] * height / image.shape[0])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _captioned(row: np.ndarray, caption: str) -> np.ndarray:
    """The row with a caption in its lower left corner, readable on any ground."""
    labelled, corner = row.copy(), (8, row.shape[0] - 10)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(
            labelled, caption, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness,
            cv2.LINE_AA,
        )  # fmt: skip
    return labelled


def _jpeg(image: np.ndarray) -> bytes:
    """The best JPEG that is small enough."""
    for quality in _QUALITIES:
        coded = cv2.imencode(
            ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1].tobytes()
        if len(coded) <= _MOST_BYTES - _MANIFEST_BYTES:
            return coded
    raise InputError("the strip is too large for the documentation; take fewer or smaller tiles")


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
