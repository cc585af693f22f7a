"""How what is rendered is marked as synthetic: manifest, watermark, and a label if wanted."""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.media.container import Seal
from sagan_jax.provenance import manifest, watermark
from sagan_jax.provenance.manifest import Origin
from sagan_jax.provenance.signing import SigningIdentity

# Of the height of the frame.
_LABEL_HEIGHT, _LABEL_MARGIN = 0.035, 0.02


@dataclasses.dataclass(frozen=True)
class Marks:
    """What marks a video gets.

    Attributes:
      signer: who signs the manifest; None for neither manifest nor watermark, which is only
        for those who label by other means and say so (see `launch.convert`).
      watermark_key: whose watermark it is.
      label: text in the lower left corner, "" for none.
      time_stamp_authority: address asked for the time of signing, None to ask nobody.
    """

    signer: SigningIdentity | None
    watermark_key: str = watermark.PUBLIC_KEY
    label: str = ""
    time_stamp_authority: str | None = None

    def record(self) -> dict[str, object]:
        """What `convert.json` says of it; no secrets."""
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
        """What is done to a finished file before it gets its name."""
        if self.signer is None:
            return None
        return functools.partial(
            manifest.seal, origin=origin, identity=self.signer,
            time_stamp_authority=self.time_stamp_authority,
        )  # fmt: skip


class FrameMarker:
    """Puts watermark and label into frames of one size.

    Args:
      marks: which.
      height: pixels.
      width: pixels.
      payload: of the watermark.
    """

    def __init__(self, marks: Marks, height: int, width: int, payload: int):
        self._label = marks.label
        self._watermark = (
            watermark.Marker(height, width, payload, marks.watermark_key) if marks.signer else None
        )

    def __call__(self, picture: CodedFrame, alpha: np.ndarray) -> None:
        """Marks a picture; alpha `[H, W]` float32 in 0..1 says where the new face is."""
        if self._watermark:
            picture.brighten(self._watermark(picture.luma(), alpha))
        if self._label:
            _label(picture, self._label)


def _label(picture: CodedFrame, text: str) -> None:
    height, font = picture.shape[0], cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, max(round(_LABEL_HEIGHT * height), 8))
    corner = (round(_LABEL_MARGIN * height), round((1 - _LABEL_MARGIN) * height))
    luma = picture.luma()
    labelled = np.round(luma).astype(np.uint8)
    # Dark around light is read on any ground.
    for level, thickness in ((0, 4), (255, 1)):
        cv2.putText(labelled, text, corner, font, scale, level, thickness, cv2.LINE_AA)
    picture.brighten(labelled - luma)
