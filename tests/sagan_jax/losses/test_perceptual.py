"""Perceptual distance, against the same networks in TensorFlow with the published weights."""

import dataclasses
import io
import pickle

import cv2
import jax
import numpy as np
import pytest
import tensorflow as tf

from data_prep import weights
from data_prep.dataset import identity_card
from data_prep.identity import embeddings as embeddings_lib
from sagan_jax.checkpoints import model_card
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.configs.presets import PRESETS
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.losses import perceptual
from sagan_jax.training import train


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, 64, 64, 3)).astype(np.float32)
    return a, np.clip(a + random.normal(0, 0.2, a.shape), 0, 1).astype(np.float32)


# Convolutions of AlexNet: stride, padding, and whether the result is compared.
_ALEXNET = [(4, 2, True), "pool3", (1, 2, True), "pool3", *[(1, 1, True)] * 3]
_PLAIN, _COMPARED = (1, 1, False), (1, 1, True)
_VGG16 = [
    *[_PLAIN, _COMPARED, "pool2"] * 2,
    *[_PLAIN, _PLAIN, _COMPARED, "pool2"] * 2,
    *[_PLAIN, _PLAIN, _COMPARED],
]


def _reference(params, network, x):
    """Feature maps, computed by TensorFlow."""
    layers = _ALEXNET if network == "alexnet" else _VGG16
    body = params["AlexNet_0" if network == "alexnet" else "VGG16_0"]
    x = (2 * x - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    x, index, maps = x.astype(np.float32), 0, []
    for layer in layers:
        if isinstance(layer, str):
            x = tf.nn.max_pool2d(x, int(layer[-1]), 2, "VALID")
            continue
        stride, padding, compared = layer
        conv = body[f"Conv_{index}"]
        x = tf.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
        x = tf.nn.relu(tf.nn.conv2d(x, conv["kernel"], stride, "VALID") + conv["bias"])
        index += 1
        if compared:
            maps.append(x.numpy())
    return maps


@pytest.mark.parametrize("network", ["alexnet", "vgg16"])
def test_distance_equals_tensorflow(pair, network):
    params = perceptual.load(network)
    expected = 0.0
    for i, (a, b) in enumerate(zip(*(_reference(params, network, x) for x in pair), strict=True)):
        a, b = (x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10) for x in (a, b))
        kernel = params[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1)
        expected += ((a - b) ** 2 @ kernel).mean()
    assert expected > 0.02
    assert float(perceptual.distance(params, *pair)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("network", ["alexnet", "dlib"])
def test_equal_images_have_distance_0_and_a_finite_gradient(pair, network):
    params = perceptual.load(network)
    value, gradient = jax.jit(jax.value_and_grad(perceptual.distance, argnums=1))(
        params, pair[0], pair[0]
    )
    assert float(value) < 1e-9 and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    "crop_window", [CropWindow(256), CropWindow(256, 0.75), CropWindow(64, 0.75)]
)
def test_dlib_chips_give_the_embeddings_of_the_face(crops, crop_window):
    faces = crops[::20]
    images = np.stack([crop_window.of(face.image) for face in faces]).astype(np.float32) / 255
    chips = perceptual.dlib_chips(images, crop_window.columns)
    embeddings = embeddings_lib.embed(np.asarray(255 * chips).round().astype(np.uint8))
    stored = np.stack([face.embedding for face in faces])
    # The stored ones are from chips cut by the landmarks; two people are at least 0.70 apart.
    assert np.linalg.norm(embeddings - stored, axis=1).max() < 0.35


def test_the_dlib_distance_tells_people_apart(crops):
    params, image = perceptual.load("dlib"), crops[0].image
    face, same, other = (
        cv2.resize(one, (64, 64), interpolation=cv2.INTER_AREA)[None].astype(np.float32) / 255
        for one in (image, crops[8].image, np.roll(image, 80, axis=0))
    )
    distance = jax.jit(lambda a, b: perceptual.distance(params, a, b))
    assert 0 < float(distance(face, same)) < 0.5 * float(distance(face, other)) < 2
    assert perceptual.weight_file("dlib").licence == "CC0-1.0"


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_a_model_names_the_weights_of_its_perceptual_loss(tmp_path, weight):
    demo = PRESETS["demo64"]()
    loss = dataclasses.replace(demo.loss, perceptual=weight, perceptual_network="dlib")
    config = dataclasses.replace(demo, loss=loss)
    card = identity_card.IdentityCard("Ada", "yes", (), {}, (), "fingerprint")
    stats = IdentityStats(np.zeros(3, np.float32), np.ones(3, np.float32), np.ones((3, 3)))
    facts = train._facts(config, [card, card], (stats, stats))
    model_card.write(tmp_path, facts, 100, {})
    behind = [model.sha256 for model in facts.models_behind]
    assert behind == ([weights.DLIB_RESNET.sha256] if weight else [])
    assert ("face-recognition-models" in (tmp_path / "MODEL_CARD.md").read_text()) == bool(weight)


def test_a_pickle_of_anything_but_arrays_is_refused():
    with pytest.raises(pickle.UnpicklingError, match="print has no place in a file of arrays"):
        weights._ArrayUnpickler(io.BytesIO(pickle.dumps(print))).load()
