"""What tests of learning and measuring share: data sets written without a video."""

import hashlib
import pathlib

from data_prep.dataset import identity_card
from data_prep.dataset import writer as writer_lib

_VERDICT = {"level": "thin", "summary": "a few crops", "advice": ["film more"]}


def write(folder: pathlib.Path, identity: str, train: list, holdout: list) -> pathlib.Path:
    """A data set of these crops."""
    digest = hashlib.sha256(identity.encode()).hexdigest()
    video = {"name": f"{identity}.mp4", "sha256": digest,
             "train": len(train), "holdout": len(holdout)}  # fmt: skip
    with writer_lib.Writer(folder, identity, "yes") as writer:
        writer.add("train", train, video)
        writer.add("holdout", holdout, video)
        writer.finish(
            identity_card.IdentityCard(identity, "yes", (video,), {}, (), digest, verdict=_VERDICT)
        )
    return folder
