"""How good a checkpoint is, without any video: on the crops that were held out of its training.

Each person is drawn by the own decoder and compared with what is true, and by the other one,
which has no truth but the judges. What a conversion adds (colour, edge, teeth, time) is not in it.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np

from data_prep.dataset import identity_card
from data_prep.errors import InputError
from data_prep.imaging import sharpness
from data_prep.mesh import face_mesh
from data_prep.runtime.progress import Progress
from data_prep.segmentation.face_masks import eyes_mask
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.evaluation import evaluate_clip, metrics
from sagan_jax.evaluation.bootstrap import Series, bootstrap
from sagan_jax.evaluation.evaluate_clip import Source
from sagan_jax.evaluation.gallery import Gallery, Judges
from sagan_jax.evaluation.results import Evaluation, Part
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.identity_stats import face_colour
from sagan_jax.inputs.retargeting import Places, retargeted
from sagan_jax.losses import perceptual
from sagan_jax.rendering import alpha
from sagan_jax.rendering.swapper import Swapper
from sagan_jax.validation.face_ssim import face_ssim

_GREY = 0.5


@dataclasses.dataclass(frozen=True)
class GeneratedCrops:
    """Held-out crops of one person, drawn by one decoder.

    Attributes:
      framing: R, and what of a crop was drawn.
      real: `[K, R, R, 3]` uint8, what was drawn after.
      masks: `[K, R, R]` bool, its faces.
      rgb: likewise, by the network alone.
      pasted: `[K, S, S, 3]` uint8, laid into the crop as it is, without matching colours.
    """

    crop_window: CropWindow
    real: np.ndarray
    masks: np.ndarray
    rgb: np.ndarray
    pasted: np.ndarray


def evaluate_checkpoint(
    workdir: pathlib.Path, folders: tuple[pathlib.Path, pathlib.Path]
) -> tuple[Evaluation, dict[str, GeneratedCrops]]:
    """Measures the newest checkpoint of a training.

    Args:
      workdir: the training folder.
      folders: data sets of A and of B, those it was trained on.

    Returns:
      the figures, in four parts, and what was drawn for each.

    Raises:
      InputError: if there is no checkpoint, or a data set is not that of the training.
    """
    swappers = [Swapper(workdir, to) for to in (0, 1)]
    cards = [identity_card.read_card(folder) for folder in folders]
    for folder, card, trained in zip(folders, cards, swappers[0].facts["identities"], strict=True):
        if card.fingerprint != trained["fingerprint"]:
            raise InputError(
                f"{folder}: is not the data set that {workdir} was trained on "
                f"({trained['identity']}, {trained['fingerprint'][:16]})"
            )
    judges = Judges()
    sources = [Source.read(folder, judges) for folder in folders]
    names = [card.identity for card in cards]
    lpips = _other_network(swappers[0].facts["config"])
    drawn, parts = {}, {}
    with Progress("drawing held-out crops", total=4, unit="sets") as bar:
        for person in (0, 1):
            held_out = sources[person].holdout
            for to in (person, 1 - person):
                same = to == person
                title = f"{names[person]} again" if same else f"{names[person]} as {names[to]}"
                drawn[title] = _generate(
                    swappers[to], held_out, None if same else swappers[to].places
                )
                parts[title] = (
                    _reconstruction(drawn[title], held_out, lpips)
                    if same
                    else _swap(drawn[title], held_out, sources[to], judges)
                )
                bar.advance(1)
    subject = {
        "kind": "checkpoint",
        "model": {"fingerprint": swappers[0].fingerprint, "step": swappers[0].step,
                  "preset": swappers[0].facts["config"]["preset"]},
        "identities": [{"identity": c.identity, "fingerprint": c.fingerprint} for c in cards],
        "lpips_network": lpips,
    }  # fmt: skip
    return Evaluation(subject, parts), drawn


def reconstruction_errors(
    real: np.ndarray, drawn: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`face_ssim` and squared error inside the face, of each crop, `[K]` both.

    Args:
      real: `[K, R, R, 3]` uint8.
      drawn: likewise.
      masks: `[K, R, R]` bool.
    """
    errors = [metrics.squared_error(*one) for one in zip(real, drawn, masks, strict=True)]
    return face_ssim(real, drawn, masks), np.array(errors)


def perceptual_distances(
    real: np.ndarray, drawn: np.ndarray, masks: np.ndarray, network: str
) -> np.ndarray:
    """LPIPS of the faces alone, of each crop, `[K]`; arguments as `reconstruction_errors`."""
    params = perceptual.load(network)
    faces = [np.where(masks[..., None], images.astype(np.float32) / 255, np.float32(_GREY))
             for images in (real, drawn)]  # fmt: skip
    distance = jax.jit(lambda a, b: perceptual.distance(params, a[None], b[None]))
    return np.array([distance(a, b) for a, b in zip(*faces, strict=True)])


def _generate(swapper: Swapper, crops: Gallery, usual: Places | None) -> GeneratedCrops:
    crop_window = swapper.crop_window
    colours = face_colour(crops.images, crops.masks)
    mean, std = (np.tile(colour, (len(crops.images), 1)) for colour in colours)
    to = [
        make_guides({"face": face, "eyes": eyes_mask(points, len(face))}, retargeted(points, usual))
        for face, points in zip(crops.masks, crops.landmarks, strict=True)
    ]
    rgb, learned = swapper(crops.images, np.stack(to), mean, std)
    drawn = zip(crops.images, crops.masks, rgb, learned, strict=True)
    pasted = [alpha.composite(*one, crop_window) for one in drawn]
    real = np.stack([crop_window.of(image) for image in crops.images])
    masks = np.stack([crop_window.of(mask) for mask in crops.masks])
    return GeneratedCrops(crop_window, real, masks > 127, alpha.to_bytes(rgb), np.stack(pasted))


def _reconstruction(drawn: GeneratedCrops, crops: Gallery, lpips: str) -> Part:
    compared = drawn.real, drawn.rgb, drawn.masks
    ssim, errors = reconstruction_errors(*compared)
    distances = perceptual_distances(*compared, lpips)
    inside = drawn.masks[..., None].astype(np.uint8)
    sharp = [
        np.array([sharpness.mean_laplacian(*one) for one in zip(images, inside, strict=True)])
        for images in (drawn.rgb, drawn.real)
    ]
    return Part(
        {"measured": len(drawn.real)},
        {
            "ssim": bootstrap(np.mean, Series.at(crops.seconds, ssim)),
            "psnr": bootstrap(metrics.psnr, Series.at(crops.seconds, errors)),
            "lpips": bootstrap(np.mean, Series.at(crops.seconds, distances)),
            "sharpness": bootstrap(metrics.ratio, Series.at(crops.seconds, *sharp)),
        },
        {"seconds": crops.seconds, "ssim": ssim, "lpips": distances},
    )


def _swap(drawn: GeneratedCrops, crops: Gallery, source: Source, judges: Judges) -> Part:
    mesh = face_mesh.FaceMesh()
    regions = [face_mesh.region_of_mesh(points) for points in crops.landmarks]
    after, before = (
        [mesh(image, region) for image, region in zip(images, regions, strict=True)]
        for images in (drawn.pasted, crops.images)
    )
    kept = np.array([found.presence for found in after]) > 0.5
    if not kept.any():
        return Part(
            {"measured": 0}, {"faces_kept": bootstrap(np.mean, Series.at(crops.seconds, kept))}
        )
    seconds = crops.seconds[kept]
    points = [np.stack([one.points for one in found])[kept] for found in (after, before)]
    pose = [np.stack([face_mesh.head_pose(one) for one in found]) for found in points]
    faces = [images[kept] for images in (drawn.pasted, crops.images)]
    embeddings = _both(
        [judges.recogniser(image, face_mesh.five_points(found[:, :2]))
         for image, found in zip(images, meshes, strict=True)]
        for images, meshes in zip(faces, points, strict=True)
    )  # fmt: skip
    features = _both(
        [
            judges.features(image, mask)
            for image, mask in zip(images, crops.masks[kept], strict=True)
        ]
        for images in faces
    )
    identity, cosines = evaluate_clip.identity_figures(source, embeddings, seconds)
    performance, performed = evaluate_clip.performance_figures(
        [each[..., :2] for each in points], pose, seconds
    )
    return Part(
        {"faces": len(kept), "measured": int(kept.sum())},
        {
            **identity,
            **performance,
            "faces_kept": bootstrap(np.mean, Series.at(crops.seconds, kept)),
            **evaluate_clip.distribution_figures(source, features, seconds),
        },
        {"seconds": seconds, **performed, "sampled_seconds": seconds, **cosines},
    )


def _both(columns: Any) -> np.ndarray:
    """Of swapped and original faces, `[K, 2, D]`."""
    return np.stack([np.stack(column) for column in columns], 1)


def _other_network(config: dict[str, Any]) -> str:
    """The LPIPS network that the training did not use: as a measure a loss is worth little."""
    return "alexnet" if config["loss"]["perceptual_network"] == "vgg16" else "vgg16"
