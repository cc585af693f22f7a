"""Renders crops of one person as the other, with a trained generator."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sagan_jax.checkpoints import exported_model
from sagan_jax.configs.config import ModelConfig
from sagan_jax.devices.distributed import DATA_AXIS, replicated_sharding
from sagan_jax.inputs.generator_input import make_input
from sagan_jax.inputs.retargeting import UsualPlaces
from sagan_jax.networks.generator import Generator
from sagan_jax.rendering import edge_chroma
from sagan_jax.rendering.exaggeration import exaggerate

# Crops that are rendered at once.
BATCH = 16


class Swapper:
    """A trained generator, ready to render one of its two people.

    Attributes:
      step: step of the checkpoint.
      facts: facts of the checkpoint.
      to: person to render, 0 for A, 1 for B.
      crop_window: part of a crop that the generator sees and renders.
      places: usual places of both people's features; None if the checkpoint is not guided by a
        sketch.
      fingerprint: SHA-256 of the parameters.

    Args:
      folder: a training folder, or an exported model.
      to: 0 to render A, 1 to render B.
      which: checkpoint of a training folder: `latest`, `best` or the number of a step.
      devices: devices that share every batch; default: all of this process, but only one on a CPU,
        whose virtual devices share its cores.

    Raises:
      InputError: if there is no usable checkpoint.
    """

    def __init__(
        self,
        folder: str | pathlib.Path,
        to: int,
        which: str = "latest",
        devices: Sequence[jax.Device] | None = None,
    ):
        self.to = to
        model = exported_model.load(folder, which)
        self.facts, self.step, self.fingerprint = model.facts, model.step, model.fingerprint
        config = model.config.model
        self.crop_window = config.crop_window
        rendered, replaced = (self.facts.identities[i].places for i in (to, 1 - to))
        # Checkpoints without a sketch have no places.
        self.places = None
        if rendered is not None and replaced is not None:
            self.places = UsualPlaces(np.array(replaced), np.array(rendered))
        mesh = Mesh(np.array(devices or _devices()), (DATA_AXIS,), axis_types=(AxisType.Auto,))
        # Every device gets the same number of crops.
        self._batch = -(-BATCH // mesh.size) * mesh.size
        self._split = NamedSharding(mesh, PartitionSpec(DATA_AXIS))
        self._params = jax.device_put(model.params, replicated_sharding(mesh))
        self._render = _make_render(config, to)

    def __call__(
        self,
        crops: np.ndarray,
        guides: np.ndarray,
        mean: np.ndarray,
        std: np.ndarray,
        exaggeration: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Renders crops of any number.

        Args:
          crops: `[N, S, S, 3]` uint8, crops of the faces to be replaced.
          guides: `[N, S, S, 3]` uint8, guides to these faces (`generator_input.make_guides`).
          mean: `[N, 3]` float32, mean colour of each crop's face in this clip, 0..1.
          std: `[N, 3]` float32, standard deviation of that colour.
          exaggeration: share of the difference from the other person that is added (see
            `exaggeration.exaggerate`); anything but 0 costs a second decoding.

        Returns:
          rgb `[N, R, R, 3]` and mask `[N, R, R, 1]`, float32 in 0..1, of the crop window.
        """
        inputs = np.concatenate([self._see(crops), self._see(guides)], -1)
        parts = [
            self._render_padded(
                exaggeration, *(array[i : i + self._batch] for array in (inputs, mean, std))
            )
            for i in range(0, len(inputs), self._batch)
        ]
        rgb, mask = zip(*parts, strict=True)
        return np.concatenate(rgb), np.concatenate(mask)

    def _see(self, crops: np.ndarray) -> np.ndarray:
        """Crop window of each crop, `[N, R, R, C]`."""
        return np.stack([self.crop_window.of(crop) for crop in crops])

    def _render_padded(
        self, exaggeration: float, *inputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Renders a batch padded to full size, so that one compiled shape serves every batch."""
        count = len(inputs[0])
        padded = [np.resize(array, (self._batch, *array.shape[1:])) for array in inputs]
        padded = jax.device_put(padded, self._split)
        rgb, mask = jax.device_get(self._render(exaggeration, self._params, *padded))
        return rgb[:count], mask[:count]


def _make_render(config: ModelConfig, to: int) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Compiled function from crops to the output of one decoder, rgb and mask in 0..1.

    Args:
      config: config of the networks.
      to: decoder, 0 for A, 1 for B.
    """
    generator = Generator(config)

    # The exaggeration is static: without any, the second decoder is not run at all.
    @functools.partial(jax.jit, static_argnums=0)
    def render(
        exaggeration: float,
        params: Mapping[str, Any],
        crops: jax.Array,
        mean: jax.Array,
        std: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        crops = crops.astype(jnp.float32) / 255
        images, guides = crops[..., :3], crops[..., 3:]
        inputs = make_input(images, guides, mean[:, None, None], std[:, None, None], config)
        code = generator.apply({"params": params}, inputs, method="encode")
        out = generator.apply({"params": params}, code, to, method="decode")
        rgb = out.rgb
        if exaggeration:
            other = generator.apply({"params": params}, code, 1 - to, method="decode")
            rgb = exaggerate(rgb, other.rgb, exaggeration)
        return edge_chroma.tint_edge_from_inside(rgb, out.mask), out.mask

    return render


def _devices() -> list[jax.Device]:
    devices = jax.local_devices()
    return devices[:1] if devices[0].platform == "cpu" else devices
