"""Harmonises a generated face with its scene: colour, sharpness and grain, steady over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

from data_prep.json_records import JsonObject
from data_prep.media.coded_frame import CodedFrame
from data_prep.records import AlignedFace
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs.retargeting import UsualPlaces
from sagan_jax.rendering import blending, colour_transfer, inner_mouth, sharpness_and_grain
from sagan_jax.rendering.alpha import face_alpha
from sagan_jax.rendering.blending import Layer
from sagan_jax.rendering.low_pass import LowPass
from sagan_jax.rendering.render_settings import InnerMouth, RenderSettings
from sagan_jax.rendering.sharpness_and_grain import FaceInScene, Grain

# Share of the time constant for which measured sharpness and grain hold before they are measured
# again.
_MEASURE_INTERVAL = 0.25
# Fewest visible pixels of the generator's output whose colours are representative.
_MIN_VISIBLE = 16
# Levels of 0..255; weaker grain is invisible.
_MIN_GRAIN = 0.05


class GeneratedFace(NamedTuple):
    """A face of the target, and the generator's output for it.

    Attributes:
      face: face of the target, aligned.
      share: opacity of the generated face as a whole, 0..1, while it fades in or out.
      rgb: `[R, R, 3]` float32 in 0..1.
      mask: `[R, R, 1]` float32 in 0..1.
    """

    face: AlignedFace
    share: float
    rgb: np.ndarray
    mask: np.ndarray


class Harmoniser:
    """Harmonises the generated faces of one track, in order of time.

    Args:
      settings: how a face is made part of its scene.
      crop_window: part of a crop that the generator renders.
      places: usual places of both people's features, by which the sketch was moved; None if the
        generator is not guided by a sketch, so that the place of its lips is unknown.
    """

    def __init__(
        self, settings: RenderSettings, crop_window: CropWindow, places: UsualPlaces | None
    ):
        self._settings, self._crop_window, self._places = settings, crop_window, places
        self._colour_filter = LowPass(settings.steady_s)
        self._detail_filter = LowPass(settings.steady_s)

    def __call__(self, generated: GeneratedFace, frame: CodedFrame) -> list[Layer]:
        """Layers to blend into the planes of the frame, harmonised with it."""
        face, settings = generated.face, self._settings
        alpha = face_alpha(face.masks["face"], generated.mask, self._crop_window, settings.edge)
        coloured = self._match_colour(generated, alpha)
        # The generator may be finer than the crop: work at the higher of both resolutions.
        crop = self._crop_window.back(coloured, max(len(coloured), len(alpha)))
        crop, grain = self._match_sharpness(crop, alpha, face, frame)
        # Last, since the target's mouth has colour and sharpness of the scene already.
        if self._places and settings.mouth is InnerMouth.TARGET:
            crop = inner_mouth.with_target_mouth(crop, face, self._places)
        luma, *chroma = blending.to_layers(crop, generated.share * alpha, face.transform, frame)
        return [_with_grain(luma, grain, face, frame), *chroma]

    def state(self) -> JsonObject:
        """State of the filters, on which the following faces depend; serialisable as JSON."""
        return {"colour": self._colour_filter.state(), "detail": self._detail_filter.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from a state."""
        self._colour_filter.restore(state["colour"])
        self._detail_filter.restore(state["detail"])

    def _match_colour(self, generated: GeneratedFace, alpha: np.ndarray) -> np.ndarray:
        """Generator output `[R, R, 3]` with the colours of the scene.

        The resolution stays that of the generator, since colours are no finer than its output.
        """
        scene = self._crop_window.of(generated.face.image)
        opacity = self._crop_window.of(alpha)
        if np.count_nonzero(opacity >= 0.5) < _MIN_VISIBLE:
            return generated.rgb
        transfer = colour_transfer.fit(
            self._settings.colour, generated.rgb, scene.astype(np.float32) / 255, opacity
        )
        smoothed = self._colour_filter(vars(transfer), generated.face.timestamp_us)
        return colour_transfer.apply(type(transfer)(**smoothed), generated.rgb)

    def _match_sharpness(
        self, crop: np.ndarray, alpha: np.ndarray, face: AlignedFace, frame: CodedFrame
    ) -> tuple[np.ndarray, Grain]:
        """Crop as sharp as the scene, and the grain that it lacks."""
        settings, luma = self._settings, 255 * cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
        detail = sharpness_and_grain.fine_detail(luma)
        # Measuring costs more than the rest, and the scene changes slowly.
        interval_s = _MEASURE_INTERVAL * settings.steady_s
        smoothed = self._detail_filter.recent(face.timestamp_us, interval_s)
        if smoothed is None:
            compared = sharpness_and_grain.at_frame_scale(
                luma, detail, alpha, face.transform, frame
            )
            if compared is None:
                return crop, Grain(0.0, 0.0)
            smoothed = self._detail_filter(self._measure(compared), face.timestamp_us)
        sharpening = (float(smoothed["amount"]) + settings.unsharp) / 255 * detail
        return np.clip(crop + sharpening[..., None], 0, 1), Grain(*smoothed["grain"].tolist())

    def _measure(self, compared: FaceInScene) -> dict[str, np.ndarray]:
        """Amount of sharpening, and the missing grain, of one face; 0 where switched off."""
        missing, amount = Grain(0.0, 0.0), 0.0
        if self._settings.grain:
            missing = sharpness_and_grain.missing_grain(compared)
        if self._settings.sharpen:
            amount = sharpness_and_grain.sharpening_amount(compared, missing)
        return {"amount": np.array(amount), "grain": np.array(missing)}


def _with_grain(luma: Layer, grain: Grain, face: AlignedFace, frame: CodedFrame) -> Layer:
    """Luma layer (or the only one of RGB) with noise, the same at every run for the same face."""
    if grain.sigma < _MIN_GRAIN or not luma.face.size:
        return luma
    seed = face.track_id, face.frame_index
    grain = grain._replace(sigma=frame.coding.luma_scale * grain.sigma)
    noise = sharpness_and_grain.grain_noise(grain, luma.alpha.shape, seed)
    noisy = luma.face + (noise if luma.face.ndim == 2 else noise[..., None])
    return dataclasses.replace(luma, face=noisy)
