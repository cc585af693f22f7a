"""Marks of synthetic videos and images: signed manifest, watermark, and a label if wanted."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.runtime.files import Seal
from sagan_jax.provenance import manifest, watermark
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.signing import SigningIdentity

# Shares of the height of the frame.
_LABEL_HEIGHT, _LABEL_MARGIN = 0.035, 0.02


@dataclasses.dataclass(frozen=True)
class Marks:
    """The marks that a video or image gets.

    Attributes:
      signer: identity that signs the manifest; None for neither manifest nor watermark, which is
        only for those who have agreed to label by other means.
      watermark_key: key of the watermark.
      label: text in the lower left corner, "" for none.
      time_stamp_authority: address of the service that states the time of signing; None for
        none.
    """

    signer: SigningIdentity | None
    watermark_key: str = watermark.PUBLIC_KEY
    label: str = ""
    time_stamp_authority: str | None = None

    def record(self) -> dict[str, object]:
        """Returns how outputs are marked, for the record beside them; holds no secrets."""
        signer = self.signer
        return {
            "manifest": signer is not None,
            "watermark": signer is not None,
            "public_watermark": self.watermark_key == watermark.PUBLIC_KEY,
            "label": self.label,
            "signer": signer and signer.name,
            "signer_is_local": signer and signer.local,
            "labelling_responsibility_accepted": signer is None,
        }

    def sealing(self, origin: Origin) -> Seal | None:
        """Returns the function that signs a file before it gets its name; None without signer."""
        if self.signer is None:
            return None
        return functools.partial(
            manifest.seal,
            origin=origin,
            identity=self.signer,
            time_stamp_authority=self.time_stamp_authority,
        )


class FrameMarker:
    """Puts watermark and label into frames of one size, in place.

    Args:
      marks: marks to put in.
      height: height of the frames, pixels.
      width: width of the frames, pixels.
      payload: payload of the watermark, 0 to 2**64 - 1.
    """

    def __init__(self, marks: Marks, height: int, width: int, payload: int):
        self._label = marks.label
        self._watermark = (
            watermark.Marker(height, width, payload, marks.watermark_key) if marks.signer else None
        )

    def __call__(self, frame: CodedFrame, alpha: np.ndarray) -> None:
        """Marks a frame.

        Args:
          frame: frame to mark; it is changed.
          alpha: `[H, W]` float32 in 0..1, opacity of the new faces.
        """
        if self._watermark:
            frame.brighten(self._watermark(frame.luma(), alpha))
        if self._label:
            _put_label(frame, self._label)


def _put_label(frame: CodedFrame, text: str) -> None:
    height, font = frame.shape[0], cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, max(round(_LABEL_HEIGHT * height), 8))
    corner = (round(_LABEL_MARGIN * height), round((1 - _LABEL_MARGIN) * height))
    luma = frame.luma()
    labelled = np.round(luma).astype(np.uint8)
    # White text with a black outline is legible on any background.
    for level, thickness in ((0, 4), (255, 1)):
        cv2.putText(labelled, text, corner, font, scale, level, thickness, cv2.LINE_AA)
    frame.brighten(labelled - luma)
