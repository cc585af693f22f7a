"""Spectral normalisation as pure functions (Miyato et al., 2018).

The caller keeps the vectors of the power iteration, so that networks and parameters have no extra
state.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def spectral_normalise(kernel: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Divides a kernel by its largest singular value.

    The value is estimated by one power iteration from `u`. The gradient flows through the singular
    value but not through the vectors.

    Args:
      kernel: `[..., out]` float32.
      u: `[out]` float32, unit, an estimate of the leading singular vector.

    Returns:
      The normalised kernel and the vector for the next step.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    v = _unit(jax.lax.stop_gradient(matrix) @ u)
    u = _unit(v @ jax.lax.stop_gradient(matrix))
    sigma = v @ matrix @ u
    return kernel / sigma, u


def spectral_normalise_tree(params: Any, vectors: Any) -> tuple[Any, Any]:
    """Applies `spectral_normalise` to every kernel of a network.

    Args:
      params: parameter tree; leaves with two axes or more are kernels.
      vectors: power iteration vectors, first from `init_power_vectors`.

    Returns:
      The normalised tree and the vectors for the next step.
    """
    pairs = jax.tree.map(
        lambda leaf, u: spectral_normalise(leaf, u) if leaf.ndim > 1 else (leaf, u), params, vectors
    )
    return jax.tree.transpose(jax.tree.structure(params), None, pairs)


def init_power_vectors(key: jax.Array, params: Any, iterations: int = 15) -> Any:
    """Returns vectors for the power iteration of every kernel.

    They are near the leading singular vectors, so that the first step is already normalised. Leaves
    that are no kernels get a zero that is never read.

    Args:
      key: random key.
      params: parameter tree.
      iterations: power iterations from a random vector.
    """
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    vectors = []
    for one_key, leaf in zip(keys, leaves, strict=True):
        if leaf.ndim > 1:
            u = _unit(jax.random.normal(one_key, leaf.shape[-1:]))
            u = jax.lax.fori_loop(
                0, iterations, lambda _, u, w=leaf: spectral_normalise(w, u)[1], u
            )
        else:
            u = jnp.zeros(())
        vectors.append(u)
    return jax.tree.unflatten(structure, vectors)


def _unit(vector: jax.Array) -> jax.Array:
    return vector / (jnp.linalg.norm(vector) + 1e-12)
