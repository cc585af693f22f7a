"""Identity and expression of swaps of held-out crops, measured while a model is trained.

The values are there to be watched, and to choose the best checkpoint; no gradient comes from them.
Identity is measured by the network of the preparation (`data_prep.identity.embeddings`), not by the
one that judges a finished swap; the face mesh is the same, but judges other clips. Everything that
a conversion adds (colour matching, edge, teeth, smoothing over time) is not included.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.identity.embeddings import embed, face_chip
from data_prep.mesh.face_mesh import FaceMesh, Region
from sagan_jax.configs.config import ModelConfig
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.evaluation import metrics
from sagan_jax.networks.generator import Generator
from sagan_jax.networks.precision import Params
from sagan_jax.rendering import alpha
from sagan_jax.validation import reconstruction

# Number of crops of each person: two seconds on a CPU.
_SAMPLES = 24
_MIN_FACES = 4


class FaceReadings(NamedTuple):
    """Readings of N crops.

    Attributes:
      present: `[N]` bool, whether the mesh finds a face.
      meshes: `[N, 478, 2]` pixels.
      embeddings: `[N, EMBEDDING_SIZE]`, of unit length.
    """

    present: np.ndarray
    meshes: np.ndarray
    embeddings: np.ndarray


def make_measure(config: ModelConfig, held_out: reconstruction.HeldOut) -> reconstruction.Measure:
    """Makes a function that measures swaps by a generator.

    From the parameters of the generator, it computes over at most 24 crops of each person, rendered
    by the other person's decoder at network resolution and composited into their surroundings:

    - `holdout_identity_a`: identity of B rendered as A; 0 is B, 1 is as similar to A as other
      footage of A, see `metrics.identity_transfer`.
    - `holdout_expression_a`: distance of the meshes of the same swaps and the real crops, % of the
      eye distance.
    - `holdout_identity_b` and `holdout_expression_b`: the same for A rendered as B.

    Values are left out if too few crops show a face.

    Args:
      config: configuration of the networks.
      held_out: held-out crops of A and of B.
    """
    samples = reconstruction.samples(config, held_out.crossed, _SAMPLES)
    # Decoder A gets the crops of B, decoder B those of A.
    inputs = jnp.stack([sample.inputs for sample in samples[::-1]])

    @jax.jit
    def generate(params: Params) -> tuple[jax.Array, jax.Array]:
        out = Generator(config).apply({"params": params}, inputs)
        return out.rgb, out.mask

    # The real crops do not change during training, so they are read once. They are as large as the
    # network's input; within them, the window is all of the image.
    mesh, whole = FaceMesh(), CropWindow(config.resolution)
    real = [_read(mesh, sample.images, config.crop_window) for sample in samples]

    def measure(params: Params) -> dict[str, float]:
        # Only the two rendered batches leave the device.
        outputs = zip(*jax.device_get(generate(params)), strict=True)
        values: dict[str, float] = {}
        for to, (rgb, learned) in enumerate(outputs):
            images, masks, _ = samples[1 - to]
            # Resizing made the masks soft; compositing expects 0 or 255.
            faces = (masks[..., None] > 127).astype(np.uint8) * 255
            layers = zip(images, faces, rgb, learned, strict=True)
            swapped = (alpha.composite(*layer, whole) for layer in layers)
            compared = compare(real[to], real[1 - to], _read(mesh, swapped, config.crop_window))
            values |= {f"holdout_{name}_{'ab'[to]}": value for name, value in compared.items()}
        return values

    return measure


def compare(source: FaceReadings, target: FaceReadings, swapped: FaceReadings) -> dict[str, float]:
    """Computes `identity` and `expression`, each only if enough crops show a face.

    Args:
      source: the person that the swap should show, in order of time.
      target: the person that was replaced.
      swapped: the target's crops after the swap.
    """
    # Only crops count that show a face before and after the swap.
    both, person = target.present & swapped.present, source.embeddings[source.present]
    if both.sum() < _MIN_FACES:
        return {}
    distances = metrics.mesh_distances(swapped.meshes[both], target.meshes[both])
    values = {"expression": float(distances.mean())}
    if len(person) >= _MIN_FACES:
        # The reference and the crops compared with it are split in time: neighbours are too
        # similar to tell how similar images of one person are.
        half = len(person) // 2
        reference, others = metrics.centroid(person[:half]), person[half:]
        values["identity"] = metrics.identity_transfer(
            swapped.embeddings[both] @ reference,
            target.embeddings[both] @ reference,
            others @ reference,
        )
    return values


def _read(mesh: FaceMesh, views: Iterable[np.ndarray], crop_window: CropWindow) -> FaceReadings:
    """Reads crops `[R, R, 3]` uint8 in a crop window, enlarged so that no column is lost."""
    presences, meshes, chips = [], [], []
    side = round(crop_window.resolution / crop_window.columns)
    # Every crop is aligned to its face, so the mesh starts from the whole image.
    for view in views:
        image = crop_window.back(view, side)
        found = mesh(image, Region(np.full(2, (side - 1) / 2), side, 0.0))
        points = found.points[:, :2]
        presences.append(found.presence)
        meshes.append(points)
        chips.append(face_chip(image, points))
    embeddings = embed(np.stack(chips))
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    return FaceReadings(np.array(presences) > 0.5, np.stack(meshes), embeddings)
