"""Adversarial losses of generator and discriminator."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp


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
