"""Previews and the timelapse that a training writes, marked as synthetic like all output."""

from __future__ import annotations

import fractions
import hashlib
import json
import pathlib
from collections.abc import Sequence

import cv2
import imageio.v3 as iio
import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_reader import Colorspace, VideoInfo
from data_prep.media.video_writer import VideoWriter
from data_prep.runtime.files import write_atomically
from sagan_jax.checkpoints.facts import CheckpointFacts
from sagan_jax.provenance import manifest, marking, signing
from sagan_jax.provenance.manifest import ConsentedIdentity, ModelReference, NamedFile, Origin

_FPS = fractions.Fraction(4)
# The last preview stays for three seconds more.
_LAST = 12


class MarkedPreviews:
    """Writes previews of a model's two people with watermark and signed manifest.

    All previews of a run carry the same 64 bits, so that manifest and watermark of the timelapse
    agree, too.

    Args:
      facts: facts of the run's checkpoints.
    """

    def __init__(self, facts: CheckpointFacts):
        self._facts = facts
        identities = json.dumps([one.to_json() for one in facts.identities], sort_keys=True)
        # Derived and not random: a run that is continued goes on with the same bits.
        self._identifier = int(hashlib.sha256(identities.encode()).hexdigest()[:16], 16)
        self._marks = marking.Marks(signing.signing_identity())
        self._marker: marking.FrameMarker | None = None

    def write_frame(self, path: pathlib.Path, image: np.ndarray, step: int) -> None:
        """Writes a PNG; it appears when it is whole.

        Args:
          path: new file.
          image: `[H, W, 3]` uint8 RGB, the same size each time.
          step: step of the generator that rendered it.
        """
        height, width = image.shape[:2]
        if self._marker is None:
            self._marker = marking.FrameMarker(self._marks, height, width, self._identifier)
        frame = CodedFrame.from_rgb(0, 0, image).copy()
        # All of the grid is marked, the real crops in it too.
        self._marker(frame, np.ones((height, width), np.float32))
        with write_atomically(path, self._marks.sealing(self._origin(step))) as aside:
            cv2.imwrite(str(aside), cv2.cvtColor(frame.planes[0], cv2.COLOR_RGB2BGR))

    def write_timelapse(
        self, path: pathlib.Path, frames: Sequence[pathlib.Path], step: int
    ) -> None:
        """Writes a video of PNGs that `write_frame` wrote, in their order.

        Args:
          path: new file.
          frames: the PNGs, at least one.
          step: step of the generator that rendered the last of them.
        """
        height, width = iio.imread(frames[0]).shape[:2]
        with VideoWriter(
            path,
            width=width,
            height=height,
            like=_properties(path, width, height, len(frames)),
            metadata={"comment": manifest.NOTICE, "description": manifest.NOTICE},
            seal=self._marks.sealing(self._origin(step)),
        ) as writer:
            for index, frame in enumerate([*frames, *[frames[-1]] * _LAST]):
                writer.write(iio.imread(frame), round(index * 1_000_000 / _FPS))

    def _origin(self, step: int) -> Origin:
        people = self._facts.identities
        fingerprints = "".join(one.card.fingerprint for one in people)
        return Origin(
            target=NamedFile("held-out crops", hashlib.sha256(fingerprints.encode()).hexdigest()),
            identities=ConsentedIdentity.of_all(people),
            rendered=" and ".join(self._facts.names),
            weights=self._facts.models_behind,
            model=ModelReference(step),
            settings={"what": "preview of a training"},
            watermark=self._identifier,
        )


def _properties(path: pathlib.Path, width: int, height: int, frames: int) -> VideoInfo:
    """Properties of a video of BT.709 colours and square pixels."""
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        fps=_FPS,
        frames=frames,
        duration_us=round(frames * 1_000_000 / _FPS),
        rotation=0,
        sample_aspect_ratio=fractions.Fraction(1),
        has_audio=False,
        codec="h264",
        pixel_format="yuv420p",
        bits=8,
        matrix=Colorspace.ITU709,
        full_range=False,
        primaries=1,
        transfer=1,
    )
