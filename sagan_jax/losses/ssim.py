"""Structural similarity, as a loss and as a metric.

Images are float32 in 0..1, `[..., H, W, C]`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from sagan_jax.networks.resampling import halve

# Window and constants of Wang et al., 2004, for values in 0..1.
_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
# Exponents of the five scales of MS-SSIM.
_SCALES = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


def two_scale_dssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """Averages `dssim` at full and half resolution, 0..1."""
    half = (halve(images), halve(target))
    return (dssim(images, target) + dssim(*half)) / 2


def dssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """Computes (1 - SSIM) / 2 with the usual 11-pixel Gaussian window (Wang et al., 2004)."""
    return (1 - ssim(images, target).mean()) / 2


def ssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """SSIM of every pixel whose whole window lies in the image, `[..., H-10, W-10, C]`."""
    return _ssim_parts(images, target)[0]


def ms_ssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """Multi-scale SSIM (Wang, Simoncelli & Bovik, 2003), 0..1; a scalar, 1 at best.

    Only those of its five scales count that an 11-pixel window fits into, with exponents scaled to
    sum to 1: three at 64 px, five from 176 px on.
    """
    side = min(images.shape[-3:-1])
    exponents = _SCALES[: max(1, 1 + int(np.log2(side / _WINDOW)))]
    exponents = exponents / exponents.sum()
    product = jnp.ones((*images.shape[:-3], images.shape[-1]))
    for i, exponent in enumerate(exponents):
        if i:
            images, target = halve(images), halve(target)
        whole, contrast = _ssim_parts(images, target)
        # Luminance is compared at the coarsest scale only.
        factor = whole if i == len(exponents) - 1 else contrast
        # Not 0: the gradient of the root is infinite there.
        product = product * jnp.maximum(factor.mean((-3, -2)), 1e-4) ** float(exponent)
    return product.mean()


def _ssim_parts(images: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """SSIM of every pixel, and its factor of contrast and structure."""
    mean_x, mean_y = _blur(images), _blur(target)
    var_x = _blur(images * images) - mean_x * mean_x
    var_y = _blur(target * target) - mean_y * mean_y
    covariance = _blur(images * target) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    contrast = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return luminance * contrast, contrast


def _blur(x: jax.Array) -> jax.Array:
    """Blurs `[..., H, W, C]` by the Gaussian window, `[..., H-10, W-10, C]`."""
    # Products with banded matrices: a depthwise convolution is ten times slower on a CPU.
    x = jnp.einsum("...hwc,hi->...iwc", x, _band(x.shape[-3]))
    return jnp.einsum("...hwc,wj->...hjc", x, _band(x.shape[-2]))


def _band(size: int) -> np.ndarray:
    """`[size, size - 10]` float32, the Gaussian window down each column."""
    window = np.exp(-0.5 * ((np.arange(_WINDOW) - _WINDOW // 2) / _SIGMA) ** 2)
    band = np.zeros((size, size - _WINDOW + 1), np.float32)
    for column in range(band.shape[1]):
        band[column : column + _WINDOW, column] = window / window.sum()
    return band
