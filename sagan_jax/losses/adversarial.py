"""Adversarial losses of generator and discriminator."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp


def hinge_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Hinge loss of the discriminator (Lim & Ye, 2017); 2 if all scores are 0."""
    return jax.nn.relu(1 - real).mean() + jax.nn.relu(1 + fake).mean()


def hinge_generator(fake: jax.Array) -> jax.Array:
    """Hinge loss of the generator; unbounded below."""
    return -fake.mean()


def mixup_discriminator(scores: jax.Array, share: jax.Array) -> jax.Array:
    """Least-squares loss of the discriminator on mixtures, whose share of real it should score.

    This is mixup (Zhang et al., 2018) of LSGAN's (Mao et al., 2017) real 1 and generated 0.

    Args:
      scores: scores of `share * real + (1 - share) * fake`.
      share: 0..1, broadcastable to the scores.
    """
    return jnp.square(scores - share).mean()


def least_squares_generator(fake: jax.Array) -> jax.Array:
    """LSGAN loss of the generator, whose images should score 1."""
    return jnp.square(fake - 1).mean()


def relativistic_discriminator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Relativistic average LSGAN loss of the discriminator (Jolicoeur-Martineau, 2019).

    Real scores should lie 1 above the mean of the generated ones, and generated scores 1 below the
    mean of the real ones. The loss is 1 if all scores are equal.

    Args:
      real: `[P, ...]` scores by P discriminators, whose means are kept apart.
      fake: `[P, ...]` scores of generated images.
    """
    real_above_fake, fake_above_real = _relative(real, fake)
    return (jnp.square(real_above_fake - 1).mean() + jnp.square(fake_above_real + 1).mean()) / 2


def relativistic_generator(real: jax.Array, fake: jax.Array) -> jax.Array:
    """Relativistic average LSGAN loss of the generator: real and generated change roles."""
    return relativistic_discriminator(fake, real)


def gradient_penalty(score: Callable[[jax.Array], jax.Array], images: jax.Array) -> jax.Array:
    """R1 (Mescheder et al., 2018): squared gradient of the discriminator on real images.

    Args:
      score: the discriminator, `[N, R, R, 3]` images to patch scores `[N, h, w, 1]`.
      images: `[N, R, R, 3]` real images.

    Returns:
      Half the squared norm of the gradient of each image's mean score, averaged over the images.
    """
    gradient = jax.grad(lambda x: score(x).mean((1, 2, 3)).sum())(images)
    return 0.5 * jnp.square(gradient).sum((1, 2, 3)).mean()


def _relative(real: jax.Array, fake: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Subtracts the same discriminator's mean score of the other kind from the scores."""
    axes = tuple(range(1, real.ndim))
    return real - fake.mean(axes, keepdims=True), fake - real.mean(axes, keepdims=True)
