"""Face parsing into 19 classes: BiSeNet on ResNet-18 in Flax. NON-COMMERCIAL weights.

Source: Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic
Segmentation", 2018, without its spatial path, as trained on CelebAMask-HQ (Lee et al., 2020),
whose images and labels are for non-commercial research only; so are these weights and
everything made with them. Compared with the same weights in PyTorch on six photos, logits differ
by at most 1.5e-5 of 13.4, and no label differs.
"""

from __future__ import annotations

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from data_prep import weights
from data_prep.segmentation import torch_checkpoint

INPUT_SIZE = 512
# Labels of the face: skin, brows, eyes, glasses (1 to 6), nose, mouth and lips (10 to 13). Ears,
# neck, hair and hat are not part of it.
FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)

_CLASSES = 19
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_EPSILON = 1e-5


class BiSeNet(nn.Module):
    """The parser; each convolution includes its batch norm and is named as in the checkpoint."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Labels every pixel.

        Args:
          images: `[N, H, W, 3]` uint8 RGB, sides divisible by 32; a face fills about half.

        Returns:
          `[N, H, W]` uint8, 0 to 18 (see `FACE`).
        """
        x = images.astype(jnp.float32) / 255
        x = (x - jnp.array(_MEAN)) / jnp.array(_STD)
        low, middle, deep = self._backbone(x)
        # Context comes down from the whole image to 1/8 of the resolution, one level at a time.
        # Context comes down from the whole image to 1/8 of the resolution, one level at a time.
        context = nn.relu(_conv("cp.conv_avg.conv", 128, 1)(_mean(deep)))
        deep = _twice(self._attend("cp.arm32", deep) + context)
        deep = nn.relu(_conv("cp.conv_head32.conv", 128, 3)(deep))
        middle = _twice(self._attend("cp.arm16", middle) + deep)
        middle = nn.relu(_conv("cp.conv_head16.conv", 128, 3)(middle))
        # At 1/8 it meets the detail of the backbone.
        # At 1/8 it meets the detail of the backbone.
        x = self._fuse(jnp.concatenate([low, middle], -1))
        x = nn.relu(_conv("conv_out.conv.conv", 256, 3)(x))
        logits = _conv("conv_out.conv_out", _CLASSES, 1)(x)
        return jnp.argmax(_enlarge(logits, images.shape[1:3]), -1).astype(jnp.uint8)

    def _backbone(self, x: jax.Array) -> list[jax.Array]:
        """Returns the features of a ResNet-18 at 1/8, 1/16 and 1/32 of the resolution."""
        x = nn.relu(_conv("cp.resnet.conv1", 64, 7, 2)(x))
        x = nn.max_pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
        stages = []
        for stage, features in enumerate((64, 128, 256, 512), 1):
            x = self._residual(f"cp.resnet.layer{stage}.0", x, features, 1 if stage == 1 else 2)
            x = self._residual(f"cp.resnet.layer{stage}.1", x, features, 1)
            stages.append(x)
        return stages[1:]

    def _residual(self, name: str, x: jax.Array, features: int, stride: int) -> jax.Array:
        inner = nn.relu(_conv(f"{name}.conv1", features, 3, stride)(x))
        inner = _conv(f"{name}.conv2", features, 3)(inner)
        if stride > 1:
            x = _conv(f"{name}.downsample.0", features, 1, stride)(x)
        return nn.relu(x + inner)

    def _attend(self, name: str, x: jax.Array) -> jax.Array:
        """Refines features by attention: weights channels by their mean over the whole image."""
        x = nn.relu(_conv(f"{name}.conv.conv", 128, 3)(x))
        return x * nn.sigmoid(_conv(f"{name}.conv_atten", 128, 1)(_mean(x)))

    def _fuse(self, x: jax.Array) -> jax.Array:
        """Fuses the features of detail and context."""
        x = nn.relu(_conv("ffm.convblk.conv", 256, 1)(x))
        attention = nn.relu(_conv("ffm.conv1", 64, 1)(_mean(x)))
        return x + x * nn.sigmoid(_conv("ffm.conv2", 256, 1)(attention))


def _conv(name: str, features: int, size: int, stride: int = 1) -> nn.Conv:
    return nn.Conv(features, (size, size), (stride, stride), padding=size // 2, name=name)


def _mean(x: jax.Array) -> jax.Array:
    return x.mean((1, 2), keepdims=True)


def _twice(x: jax.Array) -> jax.Array:
    return x.repeat(2, 1).repeat(2, 2)


def _enlarge(x: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """Enlarges bilinearly, with corner pixels on corner pixels (`align_corners` in PyTorch)."""
    rows = jnp.array(_interpolation(x.shape[1], size[0]))
    columns = jnp.array(_interpolation(x.shape[2], size[1]))
    return jnp.einsum("Hh,nhwc,Ww->nHWc", rows, x, columns)


def _interpolation(old: int, new: int) -> np.ndarray:
    """Returns the matrix that interpolates `old` samples to `new` ones, `[new, old]` float32."""
    at = np.linspace(0, old - 1, new)[:, None]
    return np.maximum(0, 1 - np.abs(at - np.arange(old))).astype(np.float32)


def variables(state: dict[str, np.ndarray]) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Converts a checkpoint's arrays to Flax variables; folds batch norms into convolutions."""
    params = {}
    for key, kernel in state.items():
        name, _, kind = key.rpartition(".")
        # The two auxiliary outputs were only used in training.
        # The two auxiliary outputs were only used in training.
        if kind != "weight" or kernel.ndim != 4 or name.startswith(("conv_out16", "conv_out32")):
            continue
        scale, bias = np.ones(len(kernel)), np.zeros(len(kernel))
        norm = _norm_of(name)
        if f"{norm}.running_var" in state:
            mean, variance = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
            scale = state[f"{norm}.weight"] / np.sqrt(variance + _EPSILON)
            bias = state[f"{norm}.bias"] - mean * scale
        kernel = kernel.transpose(2, 3, 1, 0) * scale
        params[name] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
    return {"params": params}


def _norm_of(convolution: str) -> str:
    """Returns the name that the batch norm behind a convolution has, if there is one."""
    parent, _, name = convolution.rpartition(".")
    return f"{parent}.{'1' if name == '0' else name.replace('conv', 'bn')}"


@functools.cache
def _parser() -> jax.stages.Wrapped:
    params = jax.device_put(variables(torch_checkpoint.read(weights.locate(weights.BISENET))))
    return jax.jit(functools.partial(BiSeNet().apply, params))


def parse(image: np.ndarray) -> np.ndarray:
    """Labels the pixels of one image; see `BiSeNet`.

    Args:
      image: `[INPUT_SIZE, INPUT_SIZE, 3]` uint8 RGB, upright, the face about half as wide.

    Returns:
      `[INPUT_SIZE, INPUT_SIZE]` uint8.

    Raises:
      InputError: if the weights are not installed.
    """
    return np.asarray(_parser()(image[None])[0])
