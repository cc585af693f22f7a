"""Data sets for tests, written without a video."""

import dataclasses
import hashlib
import pathlib

import numpy as np

from data_prep.dataset.footage_verdict import Level, Verdict
from data_prep.dataset.identity_card import FORMATS, MASKS, IdentityCard, VideoCard
from data_prep.dataset.writer import Writer
from data_prep.records import AlignedFace

_VERDICT = Verdict(Level.THIN, "a few crops", ("film more",))
NOISE_VIDEO = VideoCard("clip.mp4", "0" * 64, train=3, holdout=2)


def write(folder: pathlib.Path, identity: str, train: list, holdout: list) -> pathlib.Path:
    """Writes a data set of the given crops; returns its folder."""
    digest = hashlib.sha256(identity.encode()).hexdigest()
    video = VideoCard(f"{identity}.mp4", digest, train=len(train), holdout=len(holdout))
    card = IdentityCard(identity, "yes", (video,), fingerprint=digest, verdict=_VERDICT)
    with Writer(folder, identity, "yes") as writer:
        writer.add("train", train, video)
        writer.add("holdout", holdout, video)
        writer.finish(card)
    return folder


def noise_crop(index: int) -> AlignedFace:
    """Crop number `index` of a video of noise: image, masks and measurements are random."""
    random = np.random.default_rng(index)
    masks = {name: random.integers(0, 2, (256, 256, 1), np.uint8) * 255 for name in MASKS}

    def floats(*shape):
        return random.normal(size=shape).astype(np.float32)

    return AlignedFace(
        image=random.integers(0, 256, (256, 256, 3), np.uint8),
        masks=masks,
        landmarks=floats(478, 2),
        transform=floats(2, 3),
        box=floats(4),
        score=0.9,
        pose=floats(3),
        embedding=floats(128),
        sharpness=3.0,
        frame_index=index,
        timestamp_us=40_000 * index,
        track_id=0,
    )


def noise_card(**changes) -> IdentityCard:
    """Card of the data set that `write_noise` writes, with other values in some fields."""
    card = IdentityCard("A", "yes", (NOISE_VIDEO,), fingerprint="fingerprint")
    return dataclasses.replace(card, **changes)


def write_noise(folder: pathlib.Path, file_format: str = FORMATS[0], **changes) -> pathlib.Path:
    """Writes crops 0 to 2 of noise to train on and holds out 10 and 11; returns the folder.

    Args:
      folder: folder of the data set.
      file_format: format of the shards.
      **changes: other values in some fields of the card.
    """
    with Writer(folder, "A", "yes", file_format) as writer:
        writer.add("train", (noise_crop(i) for i in range(3)), NOISE_VIDEO)
        writer.add("holdout", (noise_crop(i) for i in range(10, 12)), NOISE_VIDEO)
        writer.finish(noise_card(**changes))
    return folder
