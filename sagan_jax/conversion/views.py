"""What a converted video shows: the result, its mask, both beside the target, or the new face."""

from __future__ import annotations

import enum
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.records import CROP_SIZE, Track


class View(enum.StrEnum):
    """What is seen.

    RESULT is the swapped video. SIDE_BY_SIDE shows target, result and mask. MASK shows where
    the target is replaced, white where it is wholly. FACE is for compositors: the new face
    alone, transparent around it; laid over the target it gives the result.
    """

    RESULT = "result"
    SIDE_BY_SIDE = "side_by_side"
    MASK = "mask"
    FACE = "face"

    @property
    def transparent(self) -> bool:
        """Whether it has an alpha channel."""
        return self is View.FACE

    @property
    def columns(self) -> int:
        """How many frames it is wide."""
        return 3 if self is View.SIDE_BY_SIDE else 1


def show(
    view: View, target: CodedFrame, result: CodedFrame, alpha: np.ndarray
) -> CodedFrame | np.ndarray:
    """A picture of a view.

    Args:
      view: which.
      target: as it was.
      result: what it became; both RGB for `View.FACE`.
      alpha: `[H, W]` float32 in 0..1, where the new face is.

    Returns:
      A picture, `columns` as wide, or for `View.FACE` `[H, W, 4]` RGB with straight alpha,
      uint8 or uint16.
    """
    if view is View.RESULT:
        return result
    if view is View.FACE:
        (before,), (after,), (share,) = target.planes, result.planes, target.grey(alpha).planes
        return np.dstack([_alone(before, after, share), share[..., :1]])
    mask = target.grey(alpha)
    return mask if view is View.MASK else target.beside(result, mask)


def write_transforms(path: pathlib.Path, tracks: Sequence[Track]) -> None:
    """Where the face lies in each frame, for those who lay it there themselves.

    A JSON file: `crop_size`, and for each face its `frame`, `timestamp_us`, `track` and
    `transform`, the `[2, 3]` similarity from pixels of the frame to those of the upright crop.
    """
    placed = [
        {"frame": face.frame_index, "timestamp_us": face.timestamp_us, "track": track.track_id,
         "transform": transform.tolist()}
        for track in tracks
        for face, transform in zip(track.faces, track.transforms, strict=True)
    ]  # fmt: skip
    aside = path.with_suffix(".partial")
    aside.write_text(json.dumps({"crop_size": CROP_SIZE, "faces": placed}))
    aside.replace(path)


def _alone(target: np.ndarray, result: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What laid over the target by that mask gives the result; black where nothing is laid."""
    most = np.iinfo(mask.dtype).max
    change = (result.astype(np.float32) - target) * most / np.maximum(mask, 1)
    return np.where(mask > 0, np.clip(np.round(target + change), 0, most), 0).astype(mask.dtype)
