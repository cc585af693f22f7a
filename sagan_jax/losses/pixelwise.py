"""One function a loss term.

Images are float32 in 0..1, `[..., H, W, C]`; every term is a mean, float32, 0 at best
unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sagan_jax.networks.layers import halve

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2
_SCALES = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])


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
      masks: `[..., H, W, 4]`, 0..1, see `sight.MASKS`.
      background_weight: of a pixel outside the face; one inside has weight 1.
      eyes_weight: added inside the eyes.
      mouth_weight: added inside the mouth.
    """
    face, eyes, _, mouth = (masks[..., i] for i in range(4))
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
    return _ssim_parts(images, target)[0]


def _ssim_parts(images: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """SSIM of every pixel, and its factor of contrast and structure."""
    mean_x, mean_y = _blur(images), _blur(target)
    var_x = _blur(images * images) - mean_x * mean_x
    var_y = _blur(target * target) - mean_y * mean_y
    covariance = _blur(images * target) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    contrast = (2 * covariance + _C2) / (var_x + var_y + _C2)
    return luminance * contrast, contrast


def ms_ssim(images: jax.Array, target: jax.Array) -> jax.Array:
    """Multi-scale SSIM (Wang, Simoncelli & Bovik, 2003), 0..1; a scalar, 1 at best.

    Of its five scales those that an 11-pixel window fits into, their exponents raised to sum
    to 1: three at 64 px, five from 176 px on.
    """
    side = min(images.shape[-3:-1])
    exponents = _SCALES[: max(1, 1 + int(np.log2(side / _WINDOW)))]
    exponents = exponents / exponents.sum()
    product = jnp.ones((*images.shape[:-3], images.shape[-1]))
    for i, exponent in enumerate(exponents):
        if i:
            images, target = halve(images), halve(target)
        whole, contrast = _ssim_parts(images, target)
        factor = whole if i == len(exponents) - 1 else contrast
        # Not 0: the gradient of the root is infinite there.
        product = product * jnp.maximum(factor.mean((-3, -2)), 1e-4) ** float(exponent)
    return product.mean()


def edges(images: jax.Array, target: jax.Array) -> jax.Array:
    """Mean difference between the strengths of the edges, both axes added."""
    rows, columns = (
        jnp.abs(jnp.abs(jnp.diff(images, axis=axis)) - jnp.abs(jnp.diff(target, axis=axis))).mean()
        for axis in (-3, -2)
    )
    return rows + columns


def within(images: jax.Array, target: jax.Array, region: jax.Array) -> jax.Array:
    """Mean absolute difference inside a region, whatever its area; 0 where it is empty.

    Args:
      images: `[..., H, W, C]`.
      target: likewise.
      region: `[..., H, W, 1]`, 0..1; one mean over the regions of all images.
    """
    difference = jnp.abs(images - target).mean(-1, keepdims=True)
    return (region * difference).sum() / jnp.maximum(region.sum(), 1.0)


def mask_cross_entropy(logits: jax.Array, mask: jax.Array) -> jax.Array:
    """Binary cross entropy of the learned mask against the prepared one, nats."""
    return optax.sigmoid_binary_cross_entropy(logits, mask).mean()


def total_variation(images: jax.Array) -> jax.Array:
    """Mean absolute difference of neighbouring pixels, both axes added."""
    rows = jnp.abs(images[..., 1:, :, :] - images[..., :-1, :, :])
    columns = jnp.abs(images[..., 1:, :] - images[..., :-1, :])
    return rows.mean() + columns.mean()


def mask_hinge(mask: jax.Array, margin: jax.Array) -> jax.Array:
    """How far a mask lies below a margin, mean over the pixels (Lu, faceswap-GAN, 2018)."""
    return jax.nn.relu(margin - mask).mean()


def hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Hinge loss of the critic (Lim & Ye, 2017); 2 where it cannot tell."""
    return jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()


def hinge_generator(fake: jax.Array) -> jax.Array:
    """The generator's side of the hinge loss: unbounded below."""
    return -fake.mean()


def mixup_discriminator(scores: jax.Array, share: jax.Array) -> jax.Array:
    """Least-squares loss of the critic on mixtures: it should name the share of the real.

    mixup (Zhang et al., 2018) of LSGAN's (Mao et al., 2017) real 1 and generated 0.

    Args:
      scores: of `share * real + (1 - share) * fake`.
      share: 0..1, broadcastable to the scores.
    """
    return jnp.square(scores - share).mean()


def least_squares_generator(fake: jax.Array) -> jax.Array:
    """LSGAN: the generator wants its pictures to score 1."""
    return jnp.square(fake - 1).mean()


def relativistic_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Relativistic average LSGAN (Jolicoeur-Martineau, 2019): real scores are to lie 1 above
    the mean of the generated ones, and these 1 below that of the real; 1 where it cannot tell.

    Args:
      real: `[P, ...]` scores by P critics.
      fake: likewise; each critic's own means count.
    """
    above, below = _relative(real, fake)
    return (jnp.square(above - 1).mean() + jnp.square(below + 1).mean()) / 2


def relativistic_generator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """The generator's side: the same with the parts exchanged."""
    return relativistic_discriminator(fake, real)


def gradient_penalty(score: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    """R1 (Mescheder et al., 2018): squared gradient of the critic on real pictures.

    Args:
      score: `[N, R, R, 3]` pictures to patch scores `[N, h, w, 1]`.
      images: real pictures.

    Returns:
      Half the squared norm of each picture's gradient of its mean score, mean over N.
    """
    gradient = jax.grad(lambda x: score(x).mean((1, 2, 3)).sum())(images)
    return 0.5 * jnp.square(gradient).sum((1, 2, 3)).mean()


def _relative(real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Scores above the mean score of the other kind, by the same critic."""
    axes = tuple(range(1, real.ndim))
    return real - fake.mean(axes, keepdims=True), fake - real.mean(axes, keepdims=True)


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
