"""A glimpse of a conversion in one picture: a few frames, each above what becomes of it."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Mapping

import cv2
import numpy as np

from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.pipeline import faces
from data_prep.runtime import files
from sagan_jax.conversion import convert_still, render_setup, sidecar
from sagan_jax.conversion.render_setup import ConvertSettings
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.provenance import manifest
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.swapper import Swapper

_COLUMNS, _TILE_WIDTH, _GAP = 4, 480, 8


def write_sheet(
    swapper: Swapper,
    source: pathlib.Path,
    path: pathlib.Path,
    count: int,
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
) -> Conversion:
    """Writes a grid of frames, spread over a video, with their swaps below them.

    Only these frames are looked at, each by itself: in the video the face is steadied over time.

    Args:
      swapper: the trained generator.
      source: the video; it is only read.
      path: the picture to be written; one that is there is replaced.
      count: frames at most.
      marks: how it is marked as synthetic.
      settings: what and how.

    Raises:
      InputError: if the video cannot be read, none of these frames shows the person, or the
        picture cannot be written.
    """
    settings = render_setup.with_masks_of(swapper, settings)
    target = {"name": source.name, "sha256": files.sha256_of(source)}
    frames = list(video_reader.spread_frames(source, count, settings.span))
    analysis = faces.analyse(source, settings.face, stills=frames)
    pictures = [CodedFrame.of_rgb(f.index, f.timestamp_us, f.image) for f in frames]
    selection, renderer = render_setup.set_up(
        swapper, analysis, lambda wanted: [p for p in pictures if wanted(p.index)], settings
    )
    rendered = list(renderer(pictures))
    cells = [_cell(one.target.rgb(), one.result.rgb(), one.alpha) for one in rendered]
    publish(path, grid_of(cells), swapper, target, marks, settings)
    kept = [selection.why_kept(one.target.index) for one in rendered if not one.alpha.any()]
    reasons = {reason: kept.count(reason) for reason in kept}
    return Conversion(len(frames), len(frames) - len(kept), reasons, selection.found)


def publish(
    path: pathlib.Path,
    grid: np.ndarray,
    swapper: Swapper,
    target: Mapping[str, str],
    marks: Marks,
    settings: ConvertSettings,
) -> None:
    """Marks a grid of what was rendered as synthetic, and writes it.

    Args:
      path: of the picture.
      grid: `[H, W, 4]` uint8, the fourth channel says where the new faces are.
      swapper: what drew them.
      target: name and hash of the video.
      marks: how it is marked.
      settings: what was done, and how.

    Raises:
      InputError: if it cannot be written.
    """
    watermark = manifest.new_identifier() if marks.signer else None
    picture = CodedFrame.of_rgb(0, 0, np.ascontiguousarray(grid[..., :3]))
    mark = FrameMarker(marks, *picture.shape[:2], watermark or 0)
    mark(picture, np.ascontiguousarray(grid[..., 3].astype(np.float32) / 255))
    origin = sidecar.origin(swapper, target, settings.said(), settings.face, watermark)
    convert_still.write(path, picture, marks, origin)


def _cell(target: np.ndarray, result: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Target above result, small; the fourth channel says where the new face is."""
    untouched = np.dstack([target, np.zeros(target.shape[:2], np.uint8)])
    changed = np.dstack([result, np.round(alpha * 255).astype(np.uint8)])
    both = np.vstack([untouched, changed])
    width = min(_TILE_WIDTH, both.shape[1])
    size = width, round(both.shape[0] * width / both.shape[1])
    return cv2.resize(both, size, interpolation=cv2.INTER_AREA)


def grid_of(cells: list[np.ndarray]) -> np.ndarray:
    """Cells in rows, with gaps between them."""
    height, width = (side + _GAP for side in cells[0].shape[:2])
    rows = -(-len(cells) // _COLUMNS)
    columns = -(-len(cells) // rows)
    grid = np.full((rows * height - _GAP, columns * width - _GAP, 4), 255, np.uint8)
    grid[..., 3] = 0
    for cell, (row, column) in zip(
        cells, itertools.product(range(rows), range(columns)), strict=False
    ):
        top, left = row * height, column * width
        grid[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return grid
