"""One frame finished in every way, in one picture, to choose between them."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import cv2
import numpy as np

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.pipeline import faces
from data_prep.runtime import files
from sagan_jax.conversion import contact_sheet, render_setup
from sagan_jax.conversion.render_setup import ConvertSettings
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.blending import Blend
from sagan_jax.rendering.colour_transfer import Method
from sagan_jax.rendering.harmonisation import RenderSettings
from sagan_jax.rendering.inner_mouth import InnerMouth
from sagan_jax.rendering.renderer import Rendered
from sagan_jax.rendering.swapper import Swapper

_TILE, _CAPTION = 360, 28


def every_way() -> dict[str, RenderSettings]:
    """The usual look, and it with each other colour, blend and remedy."""
    usual = RenderSettings()
    return {
        "usual": usual,
        **{f"colour {m}": replace(usual, colour=m) for m in Method if m is not usual.colour},
        **{f"blend {b}": replace(usual, blend=b) for b in Blend if b is not usual.blend},
        "not exaggerated": replace(usual, exaggeration=0.0),
        "mouth drawn": replace(usual, mouth=InnerMouth.DRAWN),
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
    """Writes a grid of the face of the middle frame of a video, finished in every way.

    Args:
      swapper: the trained generator.
      source: the video; it is only read.
      path: the picture to be written; one that is there is replaced.
      marks: how it is marked as synthetic.
      settings: what is converted; the look is not used.

    Raises:
      InputError: if the video cannot be read, the frame does not show the person, or the
        picture cannot be written.
    """
    settings = render_setup.with_masks_of(swapper, settings)
    (frame,) = video_reader.spread_frames(source, 1, settings.span)
    analysis = faces.analyse(source, settings.face, stills=[frame])
    picture = CodedFrame.of_rgb(frame.index, frame.timestamp_us, frame.image)
    cells = list[np.ndarray]()
    for name, look in every_way().items():
        of_look = replace(settings, look=look)
        _, renderer = render_setup.set_up(swapper, analysis, lambda wanted: [picture], of_look)
        (rendered,) = renderer([picture])
        if not rendered.alpha.any():
            raise InputError(f"{source}: its middle frame does not show the person; give --start")
        before = [_cell(rendered.target, rendered, "the target")] if not cells else []
        cells += [*before, _cell(rendered.result, rendered, name)]
    target = {"name": source.name, "sha256": files.sha256_of(source)}
    contact_sheet.publish(path, contact_sheet.grid_of(cells), swapper, target, marks, settings)


def _cell(picture: CodedFrame, rendered: Rendered, name: str) -> np.ndarray:
    """The face and some of its surroundings, with a caption; `[H, W, 4]` uint8."""
    rows, columns = (np.flatnonzero(rendered.alpha.any(axis)) for axis in (1, 0))
    centre = [(along[0] + along[-1]) / 2 for along in (rows, columns)]
    side = 1.4 * max(np.ptp(rows), np.ptp(columns)) + 1
    scale = _TILE / side
    to_cell = np.array([[scale, 0, 0], [0, scale, 0]])
    to_cell[:, 2] = _TILE / 2 - scale * np.array(centre[::-1])
    levels = np.round(255 * rendered.alpha).astype(np.uint8)
    cell = cv2.warpAffine(
        np.dstack([picture.rgb(), levels]), to_cell, (_TILE, _TILE), flags=cv2.INTER_CUBIC
    )
    caption = np.zeros((_CAPTION, _TILE, 4), np.uint8)
    cv2.putText(
        caption, name, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255, 0), 1, cv2.LINE_AA
    )
    return np.vstack([caption, cell])
