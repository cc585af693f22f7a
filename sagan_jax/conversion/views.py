"""Frames of each view: the result, its mask, both beside the target, or only the new face."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.records import CROP_SIZE, Track
from data_prep.runtime.files import write_atomically
from sagan_jax.conversion.convert_settings import View


def compose(
    view: View, target: CodedFrame, result: CodedFrame, alpha: np.ndarray
) -> CodedFrame | np.ndarray:
    """Makes a frame of a view.

    Args:
      view: view to make.
      target: frame before the swap.
      result: frame after the swap; both are RGB for `View.FACE`.
      alpha: `[H, W]` float32 in 0..1, opacity of the new faces.

    Returns:
      A frame, `view.columns` times as wide, or for `View.FACE` `[H, W, 4]` RGB with straight
      alpha, uint8 or uint16.
    """
    if view is View.RESULT:
        return result
    mask = target.grey(alpha)
    if view is View.FACE:
        levels = mask.planes[0]
        face = _unblend(target.planes[0], result.planes[0], levels)
        return np.dstack([face, levels[..., :1]])
    return mask if view is View.MASK else target.beside(result, mask)


def write_transforms(path: pathlib.Path, tracks: Sequence[Track]) -> None:
    """Writes where the face is in each frame, for those who composite it themselves.

    The JSON file has `crop_size`, and for each face its `frame`, `timestamp_us`, `track` and
    `transform`, the `[2, 3]` similarity from frame pixels to pixels of the upright crop.
    """
    transforms = [
        {
            "frame": face.frame_index,
            "timestamp_us": face.timestamp_us,
            "track": track.track_id,
            "transform": transform.tolist(),
        }
        for track in tracks
        for face, transform in zip(track.faces, track.transforms, strict=True)
    ]
    with write_atomically(path) as aside:
        aside.write_text(json.dumps({"crop_size": CROP_SIZE, "faces": transforms}))


def _unblend(target: np.ndarray, result: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns the layer that gives `result` when it is blended over `target` by `mask`.

    The layer is black where the mask is 0. All arrays are `[H, W, 3]`, uint8 or uint16.
    """
    # Straight alpha: result = target + mask * (layer - target), solved for the layer.
    highest = np.iinfo(mask.dtype).max
    change = (result.astype(np.float32) - target) * highest / np.maximum(mask, 1)
    layer = np.clip(np.round(target + change), 0, highest)
    return np.where(mask > 0, layer, 0).astype(mask.dtype)
