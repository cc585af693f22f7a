"""Composes the strip of the documentation from a finished demo: target, swapped, mask.

`python -m launch.docs_images --demo=runs/demo` reads `swapped.mp4` and `side_by_side.mp4` and
writes a small JPEG with a visible caption, the watermark of the video and a signed manifest.
"""

from __future__ import annotations

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
TILE = flags.DEFINE_integer("tile", 208, "Set the side of a tile, pixels.", lower_bound=64)

_ROWS = ("target", "swapped: synthetic", "mask")
# Largest finished file, with room for the manifest.
_MOST_BYTES, _MANIFEST_BYTES = 200_000, 60_000
# Height of a tile, in heights of the mask.
_SURROUNDINGS = 2.0
_QUALITIES = (90, 85, 80, 75, 70, 60, 50, 40)


def main(argv: Sequence[str]) -> None:
    del argv
    demo, out = pathlib.Path(DEMO.value), pathlib.Path(STRIP.value)
    cli.require_writable_folder(out.parent)
    write(demo, out, FRAMES.value, TILE.value)
    print(f"{out}: {FRAMES.value} frames, {out.stat().st_size / 1000:.0f} kB")


def write(demo: pathlib.Path, out: pathlib.Path, frames: int, tile: int) -> None:
    """Writes the strip of a demo.

    Args:
      demo: finished folder of the demo.
      out: the JPEG.
      frames: number of columns, evenly spread over the clip.
      tile: side of a tile, pixels.

    Raises:
      InputError: if the demo is not finished, or the strip would be too large.
    """
    from launch import demo_report

    video = demo / "swapped.mp4"
    if not video.with_suffix(".json").is_file():
        raise InputError(f"{video}: has no record; run the demo to its end first")
    out.write_bytes(_jpeg(_watermarked(strip(demo, frames, tile), video)))
    demo_report.seal(out, video)


def strip(demo: pathlib.Path, frames: int, tile: int) -> np.ndarray:
    """Three rows of frames, cut out around the face, with captions: `[H, W, 3]` uint8 RGB."""
    beside, swapped = demo / "side_by_side.mp4", demo / "swapped.mp4"
    columns = []
    for wide, result in zip(_frames(beside, frames), _frames(swapped, frames), strict=True):
        target, _, mask = np.array_split(wide, 3, axis=1)
        place = _around_face(mask)
        size = (tile, tile)
        columns.append([cv2.resize(image[place], size) for image in (target, result, mask)])
    rows = zip(*columns, strict=True)
    captioned = zip(rows, _ROWS, strict=True)
    return np.vstack([_captioned(np.hstack(row), caption) for row, caption in captioned])


def _frames(path: pathlib.Path, count: int) -> list[np.ndarray]:
    """Frames evenly spread over a video."""
    from data_prep.media import video_reader

    found = [frame.image for frame in video_reader.evenly_spaced_frames(path, count)]
    if len(found) < count:
        raise InputError(f"{path}: has fewer than {count} frames; ask for fewer")
    return found


def _around_face(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a square around the face of a mask, within the frame."""
    left, top, width, height = cv2.boundingRect((mask[..., 0] > 127).astype(np.uint8))
    # A frame without a face is shown as a whole, as far as it is square.
    side = min(round(_SURROUNDINGS * height) or mask.shape[0], *mask.shape[:2])
    middles = top + height // 2, left + width // 2
    starts = [
        min(max(middle - side // 2, 0), length - side)
        for middle, length in zip(middles, mask.shape, strict=False)
    ]
    return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)


def _watermarked(image: np.ndarray, video: pathlib.Path) -> np.ndarray:
    """The image with the watermark that the manifest of the video names."""
    from data_prep.media.coded_frame import CodedFrame
    from sagan_jax.conversion import sidecar
    from sagan_jax.provenance import marking, signing

    marks = marking.Marks(signing.signing_identity())
    payload = sidecar.read(video).origin.watermark or 0
    frame = CodedFrame.from_rgb(0, 0, image).copy()
    height, width = image.shape[:2]
    marker = marking.FrameMarker(marks, height, width, payload)
    marker(frame, np.ones((height, width), np.float32))
    return frame.rgb()


def _captioned(row: np.ndarray, caption: str) -> np.ndarray:
    """The row with a caption in its lower left corner, readable on any ground."""
    labelled, corner = row.copy(), (8, row.shape[0] - 10)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        font, line = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
        cv2.putText(labelled, caption, corner, font, 0.6, colour, thickness, line)
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
