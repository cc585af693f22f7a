"""Spectral normalisation without state of its own (Miyato et al., 2018)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def spectral_normalise(kernel: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A kernel divided by its largest singular value (Miyato et al., 2018).

    One power iteration from the stored vector; the gradient flows through the singular
    value but not through the vectors. The stored kernel is not changed.

    Args:
      kernel: `[..., out]` float32.
      u: `[out]` float32, unit.

    Returns:
      The normalised kernel and the vector for the next step.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    v = _unit(jax.lax.stop_gradient(matrix) @ u)
    u = _unit(v @ jax.lax.stop_gradient(matrix))
    sigma = v @ matrix @ u
    return kernel / sigma, u


def spectral_normalise_tree(params: Any, vectors: Any) -> tuple[Any, Any]:
    """`spectral_normalise` for every kernel of a network.

    Args:
      params: parameter tree; leaves with two axes or more are kernels.
      vectors: from `init_power_vectors`.

    Returns:
      The normalised tree and the vectors for the next step.
    """
    pairs = jax.tree.map(
        lambda leaf, u: spectral_normalise(leaf, u) if leaf.ndim > 1 else (leaf, u), params, vectors
    )
    return jax.tree.transpose(jax.tree.structure(params), None, pairs)


def init_power_vectors(key: jax.Array, params: Any, iterations: int = 15) -> Any:
    """Vectors near the leading singular ones, so that the first step is already normalised.

    Leaves that are no kernels get a zero, never read.
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
