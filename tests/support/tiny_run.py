"""The smallest possible training runs, on two people of noise."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.dataset.identity_card import MASKS, IdentityCard, VideoCard
from data_prep.dataset.writer import Writer
from data_prep.records import AlignedFace
from sagan_jax.configs import presets
from sagan_jax.configs.config import Config
from sagan_jax.data import identity_crops
from sagan_jax.data.augment import Augmented
from sagan_jax.inputs import identity_stats
from sagan_jax.training import train_state, train_step
from sagan_jax.training.train_state import TrainState
from tests.support.small_model import SMALL

_DEMO = presets.demo64()

MODEL = dataclasses.replace(SMALL, resolution=32)
CONFIG = dataclasses.replace(_DEMO, preset="custom", batch=4, images=96, model=MODEL)

# For tests that compile a network in several ways: one layer of each kind, so it compiles fast.
SMALLEST = dataclasses.replace(
    _DEMO,
    preset="custom",
    batch=8,
    images=960,
    model=dataclasses.replace(
        _DEMO.model,
        resolution=16,
        encoder_widths=(8, 8),
        encoder_attention=(),
        latent=16,
        shared_width=8,
        decoder_widths=(8,),
        decoder_attention=(),
        discriminator_widths=(8,),
    ),
    loss=dataclasses.replace(_DEMO.loss, structure=0.0, mask_smoothness=0.0, adversarial=0.03),
    augment=dataclasses.replace(_DEMO.augment, continue_face=False),
    optimiser=dataclasses.replace(_DEMO.optimiser, warmup=0, generator_rate=1e-4),
)


def identity(seed: int, side: int = 32) -> identity_crops.IdentityCrops:
    """Crops of one person: 20 images of noise with masks of a face, eyes and mouth."""
    random, part = np.random.default_rng(seed), side // 16
    images = random.integers(0, 256, (20, side, side, 3), np.uint8)
    masks = np.zeros((20, side, side, 4), np.uint8)
    masks[:, 2 * part : 14 * part, 2 * part : 14 * part, 0] = 255
    masks[:, 5 * part : 7 * part, 4 * part : 12 * part, 1] = 255
    masks[:, 10 * part : 12 * part, 5 * part : 11 * part, 3] = 255
    return identity_crops.IdentityCrops(
        images, masks, *identity_stats.face_colour(images, masks[..., :1])
    )


PEOPLE = (identity(0), identity(1))
SMALL_PEOPLE = (identity(0, 16), identity(1, 16))


def state_after_updates(config: Config, steps: int = 4) -> tuple[TrainState, dict[str, float]]:
    """State and metrics after some updates on one batch of noise, on one device.

    Leaves out sampling and augmentation of batches, which take most of the time to compile.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (2, config.batch, *[config.model.resolution] * 2, 3)
    images, target = (jax.random.uniform(key, shape) for key in keys[:2])
    masks = jax.random.uniform(keys[2], (*shape[:-1], 4))
    inputs = jnp.concatenate([4 * images - 2, masks[..., 2:3]], -1)
    batch = Augmented(inputs, images, masks[..., :3], target, masks)
    update = jax.jit(
        lambda state: train_step.update(state, batch, SMALL_PEOPLE, keys[0], None, config)
    )
    state = jax.jit(lambda key: train_state.create(key, config))(train_state.root_key(1))
    for _ in range(steps):
        state, metrics = update(state)
    return jax.device_get(state), jax.device_get(metrics)


def write_data_set(
    folder: pathlib.Path, seed: int, train: int, file_format: str = "tfrecord", holdout: int = 4
) -> pathlib.Path:
    """Writes a data set of flat crops, each with another colour and pose; returns its folder."""
    random = np.random.default_rng(seed)
    video = VideoCard("clip.mp4", f"{seed:064x}", train=train, holdout=holdout)
    name = f"person {seed}"
    card = IdentityCard(name, "yes", (video,), fingerprint=f"fingerprint {seed}")

    def crops(count: int) -> Iterator[AlignedFace]:
        for i in range(count):
            yield _flat_crop(random, i)

    with Writer(folder, name, "yes", file_format) as writer:
        writer.add("train", crops(train), video)
        writer.add("holdout", crops(holdout), video)
        writer.finish(card)
    return folder


def _flat_crop(random: np.random.Generator, index: int) -> AlignedFace:
    """Crop of one random colour and pose; mask and landmarks are the same for all."""
    mask = np.zeros((256, 256, 1), np.uint8)
    mask[32:224, 32:224] = 255
    return AlignedFace(
        image=np.full((256, 256, 3), random.integers(0, 256, 3), np.uint8),
        masks=dict.fromkeys(MASKS, mask),
        landmarks=np.random.default_rng(0).uniform(32, 224, (478, 2)).astype(np.float32),
        transform=np.zeros((2, 3), np.float32),
        box=np.zeros(4, np.float32),
        score=0.9,
        pose=random.normal(0, 20, 3).astype(np.float32),
        embedding=np.zeros(128, np.float32),
        sharpness=3.0,
        frame_index=index,
        timestamp_us=40_000 * index,
        track_id=0,
    )
