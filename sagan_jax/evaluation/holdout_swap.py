"""How each person is drawn as the other, on frames that were never trained on.

To be watched while a model learns, and to choose its best checkpoint; nothing learns from it.
Identity is that of the preparation (`identity.py`), not that of the judge; the mesh is also the
judge's, on other clips. What a conversion adds (colour, edge, teeth, time) is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.identity import embeddings as embeddings_lib
from data_prep.mesh.face_mesh import FaceMesh, Region
from sagan_jax.configs.config import ModelConfig
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.evaluation import metrics
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params
from sagan_jax.rendering import alpha
from sagan_jax.validation import reconstruction

# Crops of each person: two seconds of a CPU.
_SAMPLE = 24
_FEWEST = 4


class Read(NamedTuple):
    """What is read off crops.

    Attributes:
      there: `[N]` bool, whether the mesh sees a face.
      meshes: `[N, 478, 2]` pixels.
      embeddings: `[N, EMBEDDING_SIZE]`, of unit length.
    """

    there: np.ndarray
    meshes: np.ndarray
    embeddings: np.ndarray


def make_measure(config: ModelConfig, held_out: reconstruction.HeldOut) -> reconstruction.Measure:
    """A function of the averaged generator.

    It returns, over at most 24 crops of each person, drawn by the other decoder at network
    resolution and laid into their surroundings, `holdout_identity_a` (B drawn as A: 0 is B, 1 as
    like A as other footage of A, see `metrics.identity_transfer`) and `holdout_expression_a`
    (distance of the meshes of drawn and real, % of the eye distance), and both of A drawn as B.
    What cannot be told, because no face is seen, is left out.
    """
    samples = reconstruction.samples(config, held_out.crossed, _SAMPLE)
    # The crops of B for A's decoder, those of A for B's.
    inputs = jnp.stack([sample.seen for sample in samples[::-1]])

    @jax.jit
    def draw(params: Params) -> tuple[jax.Array, jax.Array]:
        out = Generator(config).apply({"params": params}, inputs)
        return out.rgb, out.mask

    mesh, all_of_it = FaceMesh(), CropWindow(config.resolution)
    real = [_read(mesh, sample.images, config.crop_window) for sample in samples]

    def measure(params: Params) -> dict[str, float]:
        drawn = zip(*jax.device_get(draw(params)), strict=True)
        values: dict[str, float] = {}
        for to, (rgb, learned) in enumerate(drawn):
            images, masks, _ = samples[1 - to]
            faces = (masks[..., None] > 127).astype(np.uint8) * 255
            drawn_over = zip(images, faces, rgb, learned, strict=True)
            swapped = (alpha.composite(*one, all_of_it) for one in drawn_over)
            figures = compare(real[to], real[1 - to], _read(mesh, swapped, config.crop_window))
            values |= {f"holdout_{name}_{'ab'[to]}": value for name, value in figures.items()}
        return values

    return measure


def compare(source: Read, target: Read, swapped: Read) -> dict[str, float]:
    """`identity` and `expression`, those that can be told.

    Args:
      source: the person to be seen, in order of time.
      target: the person who was drawn over.
      swapped: the same crops after that.
    """
    both, known = target.there & swapped.there, source.embeddings[source.there]
    if both.sum() < _FEWEST:
        return {}
    distances = metrics.mesh_distances(swapped.meshes[both], target.meshes[both])
    figures = {"expression": float(distances.mean())}
    if len(known) >= _FEWEST:
        # Neighbours in time are too alike to say how alike pictures of one person are.
        person, others = metrics.centroid(known[: len(known) // 2]), known[len(known) // 2 :]
        figures["identity"] = metrics.identity_transfer(
            swapped.embeddings[both] @ person, target.embeddings[both] @ person, others @ person
        )
    return figures


def _read(mesh: FaceMesh, views: Iterable[np.ndarray], crop_window: CropWindow) -> Read:
    """Off the crops that were seen so, as large as no column is lost."""
    presences, meshes, chips = [], [], []
    side = round(crop_window.resolution / crop_window.columns)
    for seen in views:
        image = crop_window.back(seen, side)
        found = mesh(image, Region(np.full(2, (side - 1) / 2), side, 0.0))
        points = found.points[:, :2]
        presences.append(found.presence)
        meshes.append(points)
        chips.append(embeddings_lib.chip(image, points))
    embeddings = embeddings_lib.embed(np.stack(chips))
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return Read(np.array(presences) > 0.5, np.stack(meshes), embeddings)
