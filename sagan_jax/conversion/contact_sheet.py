"""Images that give a glimpse of a conversion: frames above their swaps, or a face in each look."""

from __future__ import annotations

import itertools
import pathlib
from dataclasses import replace

import cv2
import numpy as np

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.pipeline import faces
from data_prep.runtime import files
from sagan_jax.conversion import convert_still, render_setup, sidecar
from sagan_jax.conversion.convert_settings import ConvertSettings
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.provenance import manifest
from sagan_jax.provenance.manifest import NamedFile
from sagan_jax.provenance.marking import FrameMarker, Marks
from sagan_jax.rendering.render_settings import Blend, ColourMethod, InnerMouth, RenderSettings
from sagan_jax.rendering.renderer import RenderedFrame
from sagan_jax.rendering.swapper import Swapper

# Most columns of a sheet, and pixels between two cells.
_COLUMNS, _GAP = 4, 8
# Greatest width of a frame and its swap, pixels.
_FRAME_WIDTH = 480
# Side of a face and height of its caption, pixels.
_FACE_SIZE, _CAPTION_HEIGHT = 360, 28


def write_contact_sheet(
    swapper: Swapper,
    source: pathlib.Path,
    path: pathlib.Path,
    count: int,
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
) -> Conversion:
    """Writes a grid of frames, spread over a video, with their swaps below them.

    Only these frames are analysed, each by itself; in a converted video the face is also smoothed
    over time.

    Args:
      swapper: the trained generator.
      source: the video; it is only read.
      path: image to write; an existing one is replaced.
      count: greatest number of frames.
      marks: how the image is marked as synthetic.
      settings: settings of the conversion.

    Returns:
      Counts of these frames.

    Raises:
      InputError: if the video cannot be read, none of these frames shows the person, or the image
        cannot be written.
    """
    settings = render_setup.with_masks_of(swapper, settings)
    target = NamedFile(source.name, files.sha256_of(source))
    frames = list(video_reader.evenly_spaced_frames(source, count, settings.span))
    analysis = faces.analyse(source, settings.face, stills=frames)
    coded = [CodedFrame.from_rgb(f.index, f.timestamp_us, f.image) for f in frames]
    selection, renderer = render_setup.set_up(
        swapper, analysis, lambda wanted: [one for one in coded if wanted(one.index)], settings
    )
    rendered = list(renderer(coded))
    _publish(path, _grid([_frame_cell(one) for one in rendered]), swapper, target, marks, settings)
    kept = [selection.reason_kept(one.target.index) for one in rendered if not one.alpha.any()]
    reasons = {reason: kept.count(reason) for reason in kept}
    return Conversion(len(frames), len(frames) - len(kept), reasons, selection.found)


def look_variants() -> dict[str, RenderSettings]:
    """Returns the default look, and variants of it that differ in one setting, by caption."""
    usual = RenderSettings()
    return {
        "usual": usual,
        **{f"colour {m}": replace(usual, colour=m) for m in ColourMethod if m is not usual.colour},
        **{f"blend {b}": replace(usual, blend=b) for b in Blend if b is not usual.blend},
        "not exaggerated": replace(usual, exaggeration=0.0),
        "mouth generated": replace(usual, mouth=InnerMouth.GENERATED),
        "not sharpened": replace(usual, sharpen=False),
        "no grain": replace(usual, grain=False),
        "not grown": replace(usual, edge=replace(usual.edge, grow=0.0)),
        "not dissolved": replace(usual, edge=replace(usual.edge, dissolve=0.0)),
        "unsharp 1": replace(usual, unsharp=1.0),
    }


def write_look_sheet(
    swapper: Swapper,
    source: pathlib.Path,
    path: pathlib.Path,
    marks: Marks,
    settings: ConvertSettings = ConvertSettings(),
) -> None:
    """Writes a grid of the face in the middle frame of a video, in each of `look_variants`.

    Args:
      swapper: the trained generator.
      source: the video; it is only read.
      path: image to write; an existing one is replaced.
      marks: how the image is marked as synthetic.
      settings: settings of the conversion; their `look` is not used.

    Raises:
      InputError: if the video cannot be read, the frame does not show the person, or the image
        cannot be written.
    """
    settings = render_setup.with_masks_of(swapper, settings)
    (frame,) = video_reader.evenly_spaced_frames(source, 1, settings.span)
    # Faces are found once; only what follows depends on the look.
    analysis = faces.analyse(source, settings.face, stills=[frame])
    coded = CodedFrame.from_rgb(frame.index, frame.timestamp_us, frame.image)
    cells: list[np.ndarray] = []
    for caption, look in look_variants().items():
        _, renderer = render_setup.set_up(
            swapper, analysis, lambda wanted: [coded], replace(settings, look=look)
        )
        (rendered,) = renderer([coded])
        if not rendered.alpha.any():
            raise InputError(
                f"{source}: its middle frame does not show the person; choose another part",
                setting="span",
            )
        # The target comes first, cut out where the face is; only a rendered frame tells where.
        if not cells:
            cells.append(_face_cell(rendered.target, rendered, "the target"))
        cells.append(_face_cell(rendered.result, rendered, caption))
    target = NamedFile(source.name, files.sha256_of(source))
    _publish(path, _grid(cells), swapper, target, marks, settings)


def _publish(
    path: pathlib.Path,
    grid: np.ndarray,
    swapper: Swapper,
    target: NamedFile,
    marks: Marks,
    settings: ConvertSettings,
) -> None:
    """Marks a grid of rendered frames as synthetic, and writes it.

    Args:
      path: image to write.
      grid: `[H, W, 4]` uint8 RGB; the fourth channel is the opacity of the new faces.
      swapper: the generator that rendered them.
      target: name and hash of the video.
      marks: how the image is marked.
      settings: settings of the conversion.

    Raises:
      InputError: if it cannot be written.
    """
    watermark = manifest.new_identifier() if marks.signer else None
    sheet = CodedFrame.from_rgb(0, 0, np.ascontiguousarray(grid[..., :3]))
    height, width, _ = sheet.shape
    mark = FrameMarker(marks, height, width, watermark or 0)
    mark(sheet, np.ascontiguousarray(grid[..., 3].astype(np.float32) / 255))
    origin = sidecar.origin_of(swapper, target, settings.to_json(), settings.face, watermark)
    convert_still.write(path, sheet, marks, origin)


def _grid(cells: list[np.ndarray]) -> np.ndarray:
    """Lays cells `[h, w, 4]` of one size out in rows on white, `[H, W, 4]` uint8."""
    height, width = (side + _GAP for side in cells[0].shape[:2])
    # The fewest rows, and then the fewest columns, so that the rows are about as long.
    rows = -(-len(cells) // _COLUMNS)
    columns = -(-len(cells) // rows)
    grid = np.full((rows * height - _GAP, columns * width - _GAP, 4), 255, np.uint8)
    grid[..., 3] = 0
    places = itertools.product(range(rows), range(columns))
    for cell, (row, column) in zip(cells, places, strict=False):
        top, left = row * height, column * width
        grid[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return grid


def _frame_cell(rendered: RenderedFrame) -> np.ndarray:
    """Scaled target above its result, `[h, w, 4]` uint8 RGB with the opacity of the new faces."""
    target = rendered.target.rgb()
    untouched = np.dstack([target, np.zeros(target.shape[:2], np.uint8)])
    changed = np.dstack([rendered.result.rgb(), _levels(rendered.alpha)])
    both = np.vstack([untouched, changed])
    width = min(_FRAME_WIDTH, both.shape[1])
    size = width, round(both.shape[0] * width / both.shape[1])
    return cv2.resize(both, size, interpolation=cv2.INTER_AREA)


def _face_cell(frame: CodedFrame, rendered: RenderedFrame, caption: str) -> np.ndarray:
    """Face and some of its surroundings below a caption.

    Args:
      frame: target or result of `rendered`.
      rendered: rendered frame, in which the new face is.
      caption: text of the caption.

    Returns:
      `[h, w, 4]` uint8 RGB with the opacity of the new face.
    """
    rows, columns = (np.flatnonzero(rendered.alpha.any(axis)) for axis in (1, 0))
    centre = [(along[0] + along[-1]) / 2 for along in (rows, columns)]
    side = 1.4 * max(np.ptp(rows), np.ptp(columns)) + 1

    # The square of this side around the centre becomes the cell.
    scale = _FACE_SIZE / side
    to_cell = np.array([[scale, 0, 0], [0, scale, 0]])
    to_cell[:, 2] = _FACE_SIZE / 2 - scale * np.array(centre[::-1])
    pixels = np.dstack([frame.rgb(), _levels(rendered.alpha)])
    cell = cv2.warpAffine(pixels, to_cell, (_FACE_SIZE, _FACE_SIZE), flags=cv2.INTER_CUBIC)

    # White text on black, with an opacity of 0: there is no face to be marked more strongly.
    banner = np.zeros((_CAPTION_HEIGHT, _FACE_SIZE, 4), np.uint8)
    white = (255, 255, 255, 0)
    cv2.putText(banner, caption, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, white, 1, cv2.LINE_AA)
    return np.vstack([banner, cell])


def _levels(alpha: np.ndarray) -> np.ndarray:
    """Opacity `[H, W]` as uint8, 0..255."""
    return np.round(alpha * 255).astype(np.uint8)
