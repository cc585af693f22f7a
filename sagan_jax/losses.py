"""One function a loss term.

Images are float32 in 0..1, `[..., H, W, C]`; every term is a mean, float32, 0 at best
unless it says otherwise.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sagan_jax.layers import halve

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def reconstruction(
    images: jax.Array,
    target: jax.Array,
    masks: jax.Array,
    *,
    background_weight: float,
    eyes_weight: float,
    mouth_weight: float,
) -> jax.Array:
    """Absolute difference, where it matters: a weighted mean over the pixels.

    Args:
      images: `[..., H, W, 3]`.
      target: likewise.
      masks: `[..., H, W, 3]` face, eyes and mouth, 0..1.
      background_weight: of a pixel outside the face; one inside has weight 1.
      eyes_weight: added inside the eyes.
      mouth_weight: added inside the mouth.
    """
    face, eyes, mouth = (masks[..., i] for i in range(3))
    weight = background_weight + (1 - background_weight) * face
    weight = weight + eyes_weight * eyes + mouth_weight * mouth
    difference = jnp.abs(images - target).mean(-1)
    return (weight * difference).sum() / weight.sum()


def structure(images: jax.Array, target: jax.Array) -> jax.Array:
    """Structural dissimilarity (1 - SSIM) / 2 at full and half resolution, 0..1."""
    half = (halve(images), halve(target))
    return (dssim(images, target) + dssim(*half)) / 2


def dssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """(1 - SSIM) / 2 with the usual 11-pixel Gaussian window (Wang et al., 2004)."""
    return (1 - ssim(images, target).mean()) / 2


def ssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """SSIM of every pixel whose whole window lies in the image, `[..., H-10, W-10, C]`."""
    mean_x, mean_y = _blur(images), _blur(target)
    var_x = _blur(images * images) - mean_x * mean_x
    var_y = _blur(target * target) - mean_y * mean_y
    covariance = _blur(images * target) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return luminance * (2 * covariance + _C2) / (var_x + var_y + _C2)


def mask_cross_entropy(logits: jax.Array, mask: jax.Array) -> jax.Array:
    """Binary cross entropy of the learned mask against the prepared one, nats."""
    return optax.sigmoid_binary_cross_entropy(logits, mask).mean()


def total_variation(images: jax.Array) -> jax.Array:
    """Mean absolute difference of neighbouring pixels, both axes added."""
    rows = jnp.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    columns = jnp.abs(images[..., 1:, :] - images[..., :-1, :])
    return rows.mean() + columns.mean()


def hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Hinge loss of the critic (Lim & Ye, 2017); 2 where it cannot tell."""
    return jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()


def hinge_generator(fake: jax.Array) -> jax.Array:
    """The generator's side of the hinge loss: unbounded below."""
    return -fake.mean()


def _blur(x: jax.Array) -> jax.Array:
    """Gaussian window over both axes, whole windows only.

    As products with banded matrices: a depthwise convolution is ten times slower on a CPU.
    """
    x = jnp.einsum("...hwc,hi->...iwc", x, _band(x.shape[-3]))
    return jnp.einsum("...hwc,wj->...hjc", x, _band(x.shape[-2]))


def _band(size: int) -> np.ndarray:
    """`[size, size - 10]`, a Gaussian window down each column."""
    window = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    band = np.zeros((size, size - _WINDOW + 1), np.float32)
    for column in range(band.shape[1]):
        band[column : column + _WINDOW, column] = window / window.sum()
    return band
