"""How well each person is reconstructed on frames that were never trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.spread import spread
from sagan_jax import perceptual
from sagan_jax.config import ModelConfig
from sagan_jax.data import Identity
from sagan_jax.face_ssim import face_ssim
from sagan_jax.generator import Generator
from sagan_jax.sight import seen
from sagan_jax.state import Params

_SAMPLE = 64


def make_measure(
    config: ModelConfig, held_out: tuple[Identity, Identity]
) -> Callable[[Params], dict[str, float]]:
    """A function of the averaged generator.

    It returns, over at most 64 crops of each person drawn by the own decoder at network resolution:
    `holdout_ssim_a` and `holdout_ssim_b`, `face_ssim` (-1..1, higher is better), and
    `holdout_lpips_a` and `holdout_lpips_b`, the perceptual distance by AlexNet of crop and drawn
    face in the true surroundings (Zhang et al., 2018; 0 is best).
    """
    count = min(_SAMPLE, *(len(identity.images) for identity in held_out))
    samples = [_spread(identity, count) for identity in held_out]
    inputs = jnp.stack([
        seen(_unit(images), _unit(masks[..., None]), identity.mean, identity.std, config)
        for (images, masks), identity in zip(samples, held_out, strict=True)
    ])  # fmt: skip
    render = jax.jit(lambda params: Generator(config).apply({"params": params}, inputs).rgb)
    judge, distance = perceptual.load("alexnet"), jax.jit(_distance)

    def measure(params: Params) -> dict[str, float]:
        rendered = np.clip(jax.device_get(render(params)), 0, 1)
        figures = {}
        for name, (images, masks), out in zip("ab", samples, rendered, strict=True):
            made = np.round(out * 255).astype(np.uint8)
            figures[f"holdout_ssim_{name}"] = float(face_ssim(images, made, masks > 127).mean())
            figures[f"holdout_lpips_{name}"] = float(distance(judge, images, masks, out))
        return figures

    return measure


def quality(measured: Mapping[str, float]) -> float | None:
    """By which the best checkpoint is chosen, higher is better; None if it is not finite.

    The perceptual distance, because SSIM prefers the blurred: while a critic makes the picture
    crisp, it falls. Of reconstruction, and not of swaps, because a swap has no truth, and the
    networks that judge swaps must not choose between them.
    """
    distance = -(measured["holdout_lpips_a"] + measured["holdout_lpips_b"]) / 2
    return distance if np.isfinite(distance) else None


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def _spread(identity: Identity, count: int) -> tuple[np.ndarray, np.ndarray]:
    chosen = spread(len(identity.images), count)
    return np.asarray(identity.images)[chosen], np.asarray(identity.masks)[chosen, ..., 0]


def _distance(judge: Params, images: jax.Array, masks: jax.Array, drawn: jax.Array) -> jax.Array:
    real = images.astype(jnp.float32) / 255
    inside = (masks > 127)[..., None].astype(jnp.float32)
    return perceptual.distance(judge, inside * drawn + (1 - inside) * real, real)
