"""Crops of one person to crops of the other, with a trained generator."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from sagan_jax.checkpoints import exported_model
from sagan_jax.devices.distributed import DATA_AXIS, replicated
from sagan_jax.inputs.generator_input import assemble
from sagan_jax.inputs.retargeting import Places
from sagan_jax.networks.generator import Generator
from sagan_jax.rendering import edge_chroma
from sagan_jax.rendering import exaggeration as exaggeration_lib

_BATCH = 16


class Swapper:
    """A trained generator, ready to render one of its two people.

    Attributes:
      step: of the checkpoint it came from.
      facts: of that checkpoint (see `checkpoint`).
      to: whom it renders, 0 for A, 1 for B.
      framing: what it sees of a crop, and renders.
      places: where the features of both people usually are; None of a checkpoint that draws
        nothing after a sketch.
      fingerprint: SHA-256 of the parameters.

    Args:
      folder: a training folder, or what `launch.export` made of it.
      to: 0 to render A, 1 to render B.
      which: checkpoint of a training folder: `latest`, `best` or the number of a step.
      devices: that share every batch; default: all of this process. The virtual devices of a
        CPU share its cores, so there it is one.

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
        config = model.config
        self.crop_window = config.model.crop_window
        rendered, replaced = (model.facts["identities"][i]["places"] for i in (to, 1 - to))
        known = rendered is not None
        self.places = Places(np.array(replaced), np.array(rendered)) if known else None
        generator = Generator(config.model)
        mesh = Mesh(np.array(devices or _devices()), (DATA_AXIS,), axis_types=(AxisType.Auto,))
        self._batch = -(-_BATCH // mesh.size) * mesh.size
        self._split = NamedSharding(mesh, PartitionSpec(DATA_AXIS))
        self._params = jax.device_put(model.params, replicated(mesh))

        @functools.partial(jax.jit, static_argnums=0)
        def render(
            exaggeration: float,
            params: Mapping[str, Any],
            crops: jax.Array,
            mean: jax.Array,
            std: jax.Array,
        ) -> tuple[jax.Array, jax.Array]:
            crops = crops.astype(jnp.float32) / 255
            light = mean[:, None, None], std[:, None, None]
            shown = assemble(crops[..., :3], crops[..., 3:], *light, config.model)
            code = generator.apply({"params": params}, shown, method="encode")
            out = generator.apply({"params": params}, code, to, method="decode")
            rgb = out.rgb
            if exaggeration:
                other = generator.apply({"params": params}, code, 1 - to, method="decode")
                rgb = exaggeration_lib.exaggerate(rgb, other.rgb, exaggeration)
            return edge_chroma.tinted_from_within(rgb, out.mask), out.mask

        self._render = render

    def __call__(
        self,
        crops: np.ndarray,
        guides: np.ndarray,
        mean: np.ndarray,
        std: np.ndarray,
        exaggeration: float = 0.0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Renders a batch.

        Args:
          crops: `[N, S, S, 3]` uint8 of those to be replaced.
          guides: `[N, S, S, 3]` uint8, to their faces (`sight.guides`).
          mean: `[N, 3]` float32, colour of each one's face in this clip, 0..1.
          std: `[N, 3]` float32, its spread.
          exaggeration: share of what tells the person from the other one that is added (see
            `caricature`); twice the decoding.

        Returns:
          rgb `[N, R, R, 3]` and mask `[N, R, R, 1]`, float32 in 0..1, as framed.
        """
        inputs = np.concatenate([self._framed(crops), self._framed(guides)], -1)
        parts = [
            self._render_padded(
                exaggeration, *(array[i : i + self._batch] for array in (inputs, mean, std))
            )
            for i in range(0, len(inputs), self._batch)
        ]
        rgb, mask = zip(*parts, strict=True)
        return np.concatenate(rgb), np.concatenate(mask)

    def _framed(self, crops: np.ndarray) -> np.ndarray:
        return np.stack([self.crop_window.of(crop) for crop in crops])

    def _render_padded(
        self, exaggeration: float, *inputs: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One compiled shape for every batch."""
        count = len(inputs[0])
        padded = [np.resize(array, (self._batch, *array.shape[1:])) for array in inputs]
        padded = jax.device_put(padded, self._split)
        rgb, mask = jax.device_get(self._render(exaggeration, self._params, *padded))
        return rgb[:count], mask[:count]


def _devices() -> list[jax.Device]:
    devices = jax.local_devices()
    return devices[:1] if devices[0].platform == "cpu" else devices
