"""LPIPS against the same networks written in TensorFlow, with the published weights."""

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
from sagan_jax.checkpoints import checkpoint, model_card
from sagan_jax.configs.config import Config, LossConfig
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs.identity_stats import IdentityStats
from sagan_jax.losses import perceptual
from sagan_jax.training import train


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    a = random.uniform(size=(2, 64, 64, 3)).astype(np.float32)
    return a, np.clip(a + random.normal(0, 0.2, a.shape), 0, 1).astype(np.float32)


def _reference(params, network, x):
    """The feature maps, by TensorFlow."""
    layers = {
        "alexnet": [(4, 2, True), "pool3", (1, 2, True), "pool3", *[(1, 1, True)] * 3],
        "vgg16": [
            (1, 1, False), (1, 1, True), "pool2", (1, 1, False), (1, 1, True), "pool2",
            (1, 1, False), (1, 1, False), (1, 1, True), "pool2", (1, 1, False), (1, 1, False),
            (1, 1, True), "pool2", (1, 1, False), (1, 1, False), (1, 1, True),
        ],
    }[network]  # fmt: skip
    body = params["AlexNet_0" if network == "alexnet" else "VGG16_0"]
    x = (2 * x - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
    x, index, found = x.astype(np.float32), 0, []
    for layer in layers:
        if isinstance(layer, str):
            x = tf.nn.max_pool2d(x, int(layer[-1]), 2, "VALID")
            continue
        stride, padding, tapped = layer
        conv = body[f"Conv_{index}"]
        x = tf.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
        x = tf.nn.relu(tf.nn.conv2d(x, conv["kernel"], stride, "VALID") + conv["bias"])
        index += 1
        if tapped:
            found.append(x.numpy())
    return found


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
def test_equal_pictures_are_at_no_distance_and_the_gradient_is_finite(pair, network):
    params = perceptual.load(network)
    value, gradient = jax.jit(jax.value_and_grad(perceptual.distance, argnums=1))(
        params, pair[0], pair[0]
    )
    assert float(value) < 1e-9 and np.isfinite(gradient).all()


@pytest.mark.parametrize("framing", [CropWindow(256), CropWindow(256, 0.75), CropWindow(64, 0.75)])
def test_the_face_network_sees_what_it_was_made_for(crops, crop_window):
    faces = crops[::20]
    seen = np.stack([crop_window.of(face.image) for face in faces]).astype(np.float32) / 255
    chips = perceptual.chips(seen, crop_window.columns)
    embeddings = embeddings_lib.embed(np.asarray(255 * chips).round().astype(np.uint8))
    stored = np.stack([face.embedding for face in faces])
    # Those were read from chips cut by the landmarks; two people are 0.70 apart at least.
    assert np.linalg.norm(embeddings - stored, axis=1).max() < 0.35


def test_the_face_network_tells_people_apart_by_its_features(crops):
    params, image = perceptual.load("dlib"), crops[0].image
    face, same, other = (
        cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)[None].astype(np.float32) / 255
        for picture in (image, crops[8].image, np.roll(image, 80, axis=0))
    )
    distance = jax.jit(lambda a, b: perceptual.distance(params, a, b))
    assert 0 < float(distance(face, same)) < 0.5 * float(distance(face, other)) < 2
    assert perceptual.weight_file("dlib").licence == "CC0-1.0"


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_a_model_names_the_weights_that_taught_it(tmp_path, weight):
    loss = LossConfig(perceptual=weight, perceptual_network="dlib")
    card = identity_card.IdentityCard("Ada", "yes", (), {}, (), "fingerprint")
    portrait = IdentityStats(np.zeros(3, np.float32), np.ones(3, np.float32), np.ones((3, 3)))
    facts = train._facts(Config(loss=loss), [card, card], (portrait, portrait))
    model_card.write(tmp_path, facts, 100, {})
    behind = [model["sha256"] for model in checkpoint.models_behind(facts)]
    assert behind == ([weights.DLIB_RESNET.sha256] if weight else [])
    assert ("face-recognition-models" in (tmp_path / "MODEL_CARD.md").read_text()) == bool(weight)


def test_a_pickle_of_anything_but_arrays_is_refused():
    with pytest.raises(pickle.UnpicklingError, match="print has no place in a file of arrays"):
        weights._ArrayUnpickler(io.BytesIO(pickle.dumps(print))).load()
