"""Peak multiplication speed of a device, which the speed of a training step is compared with."""

from __future__ import annotations

import dataclasses
import time

import jax
import jax.numpy as jnp

# Dense bfloat16 operations a second (float16 without bfloat16) by the makers' data sheets,
# without sparsity; a multiply-add is two. The longest name contained in the device's counts.
_DATA_SHEETS = {
    "H200": 989e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "A100": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "V100": 125e12,
    "T4": 65e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "TPU v4": 275e12,
    "TPU v5 lite": 197e12,
    "TPU v5p": 459e12,
    "TPU v6 lite": 918e12,
}
# Side of the matrices of a measurement, and its repetitions.
_SIDE, _ROUNDS = 1536, 4


@dataclasses.dataclass(frozen=True)
class Peak:
    """Peak speed of devices.

    Attributes:
      flops: floating-point operations a second; a multiply-add is two.
      source: data sheet or measurement that the number is from.
    """

    flops: float
    source: str


def peak_of(devices: list[jax.Device]) -> Peak:
    """Returns the peak speed of equal devices together.

    Known accelerators have the data sheet's peak for bfloat16. Any other device, such as a CPU, is
    measured in half a second: the fastest of a few float32 matrix products.
    """
    kind = devices[0].device_kind
    known = [name for name in _DATA_SHEETS if name in kind]
    if known:
        flops = _DATA_SHEETS[max(known, key=len)]
        return Peak(len(devices) * flops, "data sheet, bfloat16")
    # Virtual devices of one CPU share it, so a CPU counts once for each process.
    processes = {device.process_index for device in devices}
    count = len(processes) if devices[0].platform == "cpu" else len(devices)
    ours = next(device for device in devices if device.process_index == jax.process_index())
    return Peak(count * _measure(ours), f"best {_SIDE}x{_SIDE} float32 matrix product")


def _measure(device: jax.Device) -> float:
    x = jax.device_put(jnp.ones((_SIDE, _SIDE), jnp.float32), device)
    product = jax.jit(jnp.matmul)
    # The first call compiles.
    product(x, x).block_until_ready()
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        product(x, x).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * _SIDE**3 / min(seconds)
