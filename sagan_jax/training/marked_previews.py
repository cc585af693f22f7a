"""Pictures and the timelapse that a training writes, marked as synthetic like all the rest."""

from __future__ import annotations

import fractions
import hashlib
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Colorspace, VideoInfo
from data_prep.media.video_writer import VideoWriter
from sagan_jax.checkpoints.checkpoint import Facts, models_behind
from sagan_jax.provenance import manifest, marking, signing
from sagan_jax.provenance.manifest import Origin

_FPS = fractions.Fraction(4)
# The last picture stays for three seconds.
_LAST = 12


class Exhibit:
    """Writes what a run shows of its two people: with watermark and signed manifest.

    All pictures of a run carry the same 64 bits, so that of the timelapse, too, manifest and
    watermark agree.

    Args:
      facts: of the checkpoint.
    """

    def __init__(self, facts: Facts):
        self._facts = facts
        digest = hashlib.sha256(json.dumps(facts["identities"], sort_keys=True).encode())
        self._identifier = int(digest.hexdigest()[:16], 16)
        self._marks = marking.Marks(signing.signing_identity())
        self._marker: marking.FrameMarker | None = None

    def picture(self, path: pathlib.Path, image: np.ndarray, step: int) -> None:
        """Writes a PNG.

        Args:
          path: the file; it appears when it is whole.
          image: `[H, W, 3]` uint8 RGB, the same size each time.
          step: of the generator that drew it.
        """
        height, width = image.shape[:2]
        self._marker = self._marker or marking.FrameMarker(
            self._marks, height, width, self._identifier
        )
        shown = CodedFrame.of_rgb(0, 0, image).copy()
        self._marker(shown, np.ones((height, width), np.float32))
        marked = shown.planes[0]
        aside = path.with_suffix(".partial.png")
        cv2.imwrite(str(aside), cv2.cvtColor(marked, cv2.COLOR_RGB2BGR))
        self._seal(aside, path.name, step)
        aside.replace(path)

    def timelapse(self, path: pathlib.Path, pictures: Sequence[pathlib.Path], step: int) -> None:
        """Makes a video of pictures that `picture` wrote, in their order."""
        height, width = iio.imread(pictures[0]).shape[:2]
        with VideoWriter(
            path, width=width, height=height, like=_like(path, width, height, len(pictures)),
            metadata={"comment": manifest.NOTICE, "description": manifest.NOTICE},
            seal=self._marks.sealing(self._origin(step)),
        ) as writer:  # fmt: skip
            for index, name in enumerate([*pictures, *[pictures[-1]] * _LAST]):
                writer.write(iio.imread(name), round(index * 1_000_000 / _FPS))

    def _seal(self, path: pathlib.Path, title: str, step: int) -> None:
        sealing = self._marks.sealing(self._origin(step))
        assert sealing is not None, "there is always a signer"
        sealing(path, title)

    def _origin(self, step: int) -> Origin:
        people: list[dict[str, Any]] = self._facts["identities"]
        return Origin(
            target={
                "name": "held-out crops",
                "sha256": hashlib.sha256(
                    "".join(one["fingerprint"] for one in people).encode()
                ).hexdigest(),
            },
            identities=tuple(
                {key: one[key] for key in ("identity", "consent", "fingerprint")} for one in people
            ),
            rendered=" and ".join(one["identity"] for one in people),
            weights=tuple(models_behind(self._facts)),
            model={"step": step},
            settings={"what": "preview of a training"},
            watermark=self._identifier,
        )  # fmt: skip


def _like(path: pathlib.Path, width: int, height: int, frames: int) -> VideoInfo:
    """A video of BT.709 colours and square pixels."""
    return VideoInfo(
        path=path, width=width, height=height, fps=_FPS, frames=frames,
        duration_us=round(frames * 1_000_000 / _FPS), rotation=0,
        sample_aspect_ratio=fractions.Fraction(1), has_audio=False, codec="h264",
        pixel_format="yuv420p", bits=8, matrix=Colorspace.ITU709, full_range=False, primaries=1,
        transfer=1,
    )  # fmt: skip
