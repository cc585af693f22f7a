"""Runs as small as can be, on two people of noise."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.dataset import identity_card
from data_prep.dataset import writer as writer_lib
from data_prep.records import AlignedFace
from sagan_jax.configs.config import AugmentConfig, Config, LossConfig, ModelConfig, OptimiserConfig
from sagan_jax.data import identity_crops
from sagan_jax.data.augment import Augmented
from sagan_jax.inputs import identity_stats
from sagan_jax.training import train_state, train_step
from sagan_jax.training.train_state import TrainState

MODEL = ModelConfig(
    resolution=32, encoder_widths=(8, 8, 16, 16), latent=16, shared_width=16,
    decoder_widths=(16, 8), discriminator_widths=(8, 16),
)  # fmt: skip
CONFIG = Config(batch=4, images=96, model=MODEL)

# What is compiled in several ways, and so has but one of everything.
SMALLEST = Config(
    batch=8, images=960,
    model=ModelConfig(
        resolution=16, encoder_widths=(8, 8), encoder_attention=(), latent=16, shared_width=8,
        decoder_widths=(8,), decoder_attention=(), discriminator_widths=(8,),
    ),
    loss=LossConfig(structure=0.0, mask_smoothness=0.0, adversarial=0.03),
    augment=AugmentConfig(continue_face=False),
    optimiser=OptimiserConfig(warmup=0, generator_rate=1e-4),
)  # fmt: skip


def identity(seed: int, side: int = 32) -> identity_crops.Identity:
    """20 crops of noise with masks of a face."""
    random, part = np.random.default_rng(seed), side // 16
    images = random.integers(0, 256, (20, side, side, 3), np.uint8)
    masks = np.zeros((20, side, side, 4), np.uint8)
    masks[:, 2 * part : 14 * part, 2 * part : 14 * part, 0] = 255
    masks[:, 5 * part : 7 * part, 4 * part : 12 * part, 1] = 255
    masks[:, 10 * part : 12 * part, 5 * part : 11 * part, 3] = 255
    return identity_crops.Identity(
        images, masks, *identity_stats.face_colour(images, masks[..., :1])
    )


PEOPLE = (identity(0), identity(1))
SMALL_PEOPLE = (identity(0, 16), identity(1, 16))


def updated(config: Config, steps: int = 4) -> tuple[TrainState, dict[str, float]]:
    """State and metrics after some updates on one batch of noise, on one device.

    Without the drawing and augmenting of batches, which take most of the time to compile.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    shape = (2, config.batch, *[config.model.resolution] * 2, 3)
    shown, target = (jax.random.uniform(key, shape) for key in keys[:2])
    masks = jax.random.uniform(keys[2], (*shape[:-1], 4))
    seen = jnp.concatenate([4 * shown - 2, masks[..., 2:3]], -1)
    batch = Augmented(seen, shown, masks[..., :3], target, masks)
    update = jax.jit(lambda now: train_step.update(now, batch, SMALL_PEOPLE, keys[0], None, config))
    now = jax.jit(lambda key: train_state.create(key, config))(train_state.root_key(1))
    for _ in range(steps):
        now, metrics = update(now)
    return jax.device_get(now), jax.device_get(metrics)


def write_data_set(
    folder: pathlib.Path, seed: int, train: int, file_format: str = "tfrecord", holdout: int = 4
) -> pathlib.Path:
    """A data set of flat crops, each of another colour and pose."""
    random = np.random.default_rng(seed)
    video = {"name": "clip.mp4", "sha256": f"{seed:064x}", "train": train, "holdout": holdout}
    face = np.zeros((256, 256, 1), np.uint8)
    face[32:224, 32:224] = 255
    points = np.random.default_rng(0).uniform(32, 224, (478, 2)).astype(np.float32)

    def crops(count: int) -> Iterator[AlignedFace]:
        for i in range(count):
            image = np.full((256, 256, 3), random.integers(0, 256, 3), np.uint8)
            yield AlignedFace(
                image=image, masks=dict.fromkeys(identity_card.MASKS, face),
                landmarks=points, transform=np.zeros((2, 3), np.float32),
                box=np.zeros(4, np.float32), score=0.9,
                pose=random.normal(0, 20, 3).astype(np.float32),
                embedding=np.zeros(128, np.float32), sharpness=3.0, frame_index=i,
                timestamp_us=40_000 * i, track_id=0,
            )  # fmt: skip

    with writer_lib.Writer(folder, f"person {seed}", "yes", file_format) as writer:
        writer.add("train", crops(train), video)
        writer.add("holdout", crops(holdout), video)
        writer.finish(
            identity_card.IdentityCard(
                f"person {seed}", "yes", (video,), {}, (), f"fingerprint {seed}"
            )
        )
    return folder
