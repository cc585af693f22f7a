"""What is drawn made to fit: colour, sharpness and grain of the scene, steady over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

from data_prep.media.coded_frame import CodedFrame
from data_prep.records import AlignedFace
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs.retargeting import Places
from sagan_jax.rendering import alpha as alpha_lib
from sagan_jax.rendering import blending, colour_transfer, inner_mouth, sharpness_and_grain
from sagan_jax.rendering.alpha import Edge
from sagan_jax.rendering.blending import Blend, Layer
from sagan_jax.rendering.colour_transfer import Method
from sagan_jax.rendering.inner_mouth import InnerMouth
from sagan_jax.rendering.low_pass import LowPass
from sagan_jax.rendering.sharpness_and_grain import Grain

# Faster, colours flicker; slower, they lag behind the light.
_TIME_CONSTANT_S = 0.4
# Of that: so long what was seen of sharpness and grain holds, before it is looked at again.
_LOOK_AGAIN = 0.25
# Drawn pixels whose colours say something.
_FEWEST = 16
# Levels of 0..255: less is not seen.
_LEAST_GRAIN = 0.05


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """How a swapped face is drawn and made part of its scene.

    Attributes:
      exaggeration: share of what tells the person from the other one that is added to what is
        drawn (see `caricature`). With 0.15 identity transfer of `sagan64` rises by 0.002 and 0.006,
        and expressions are off by 0.03 % of the eye distance more.
      mouth: whose teeth and tongue are seen between the lips.
      colour: how it gets the colours of the scene.
      blend: how its edge is hidden.
      edge: where it ends.
      sharpen: whether it is made as crisp as the scene.
      unsharp: amount of unsharp masking beyond that.
      grain: whether it gets the noise of the scene.
      fade_s: how long it takes to come and go where a face is found and lost, seconds.
      steady_s: time constant by which colour, sharpness and grain follow the scene, seconds.
    """

    exaggeration: float = 0.15
    mouth: InnerMouth = InnerMouth.TARGET
    colour: Method = Method.MEAN_STD
    blend: Blend = Blend.ALPHA
    edge: Edge = Edge()
    sharpen: bool = True
    unsharp: float = 0.0
    grain: bool = True
    fade_s: float = 0.2
    steady_s: float = _TIME_CONSTANT_S


class GeneratedFace(NamedTuple):
    """A face of the target, and what the generator drew in its place.

    Attributes:
      face: of the target, aligned.
      share: how much of it is shown, 0..1, while it comes and goes.
      rgb: `[R, R, 3]` float32 in 0..1.
      mask: `[R, R, 1]` float32 in 0..1.
    """

    face: AlignedFace
    share: float
    rgb: np.ndarray
    mask: np.ndarray


class Harmoniser:
    """Finishes the swapped faces of one track, in order of time.

    Args:
      look: what is wanted.
      framing: what is drawn of a crop.
      places: by which the sketch it is drawn after was moved; None if it was not drawn after one,
        and nobody knows where its lips are.
    """

    def __init__(self, look: RenderSettings, crop_window: CropWindow, places: Places | None):
        self._look, self._framing, self._places = look, crop_window, places
        self._colour, self._detail = LowPass(look.steady_s), LowPass(look.steady_s)

    def __call__(self, drawn: GeneratedFace, picture: CodedFrame) -> list[Layer]:
        """What is to be laid into the planes of the picture."""
        face, look = drawn.face, self._look
        alpha = alpha_lib.alpha_of(face.masks["face"], drawn.mask, self._framing, look.edge)
        coloured = self._coloured(drawn, alpha)
        crop = self._framing.back(coloured, max(len(coloured), len(alpha)))
        crop, grain = self._sharpened(crop, alpha, face, picture)
        if self._places and look.mouth is InnerMouth.TARGET:
            crop = inner_mouth.with_target_mouth(crop, face, self._places)
        luma, *chroma = blending.to_layers(crop, drawn.share * alpha, face.transform, picture)
        if grain.sigma >= _LEAST_GRAIN and luma.face.size:
            seed = face.track_id, face.frame_index
            grain = grain._replace(sigma=picture.coding.luma[1] * grain.sigma)
            noise = sharpness_and_grain.noise_of(grain, luma.alpha.shape, seed)
            rough = luma.face + (noise if luma.face.ndim == 2 else noise[..., None])
            luma = dataclasses.replace(luma, face=rough)
        return [luma, *chroma]

    def state(self) -> dict[str, Any]:
        """What the faces after the last one depend on, as JSON has it."""
        return {"colour": self._colour.state(), "detail": self._detail.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from there."""
        self._colour.restore(state["colour"])
        self._detail.restore(state["detail"])

    def _coloured(self, drawn: GeneratedFace, alpha: np.ndarray) -> np.ndarray:
        """`[R, R, 3]` with the colours of the scene: these are no finer than what is drawn."""
        scene, shown = self._framing.of(drawn.face.image), self._framing.of(alpha)
        if np.count_nonzero(shown >= 0.5) < _FEWEST:
            return drawn.rgb
        transfer = colour_transfer.fit(
            self._look.colour, drawn.rgb, scene.astype(np.float32) / 255, shown
        )
        steady = self._colour(vars(transfer), drawn.face.timestamp_us)
        return colour_transfer.apply(type(transfer)(**steady), drawn.rgb)

    def _sharpened(
        self, crop: np.ndarray, alpha: np.ndarray, face: AlignedFace, picture: CodedFrame
    ) -> tuple[np.ndarray, Grain]:
        """The crop, as crisp as the scene, and the grain that it lacks."""
        look, luma = self._look, 255 * cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        finer = sharpness_and_grain.fine(luma)
        steady = self._detail.recent(face.timestamp_us, _LOOK_AGAIN * look.steady_s)
        if steady is None:
            seen = sharpness_and_grain.look_at(luma, finer, alpha, face.transform, picture)
            if seen is None:
                return crop, Grain(0.0, 0.0)
            missing = sharpness_and_grain.missing_grain(seen) if look.grain else Grain(0.0, 0.0)
            amount = sharpness_and_grain.sharpening_of(seen, missing) if look.sharpen else 0.0
            wanted = {"amount": np.array(amount), "grain": np.array(missing)}
            steady = self._detail(wanted, face.timestamp_us)
        sharper = (float(steady["amount"]) + look.unsharp) / 255 * finer
        return np.clip(crop + sharper[..., None], 0, 1), Grain(*steady["grain"].tolist())
