"""Evaluation of a checkpoint, without any video, on crops held out of its training.

Each person is rendered by the own decoder, which is compared with the real crop, and by the other
person's decoder, for which there is no ground truth, only the networks that judge it. Everything
that a conversion adds (colour matching, edge, teeth, smoothing over time) is not included.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import jax
import numpy as np

from data_prep.dataset import identity_card
from data_prep.dataset.identity_card import IdentityCard
from data_prep.errors import InputError
from data_prep.imaging import sharpness
from data_prep.json_records import JsonObject
from data_prep.mesh import face_mesh
from data_prep.runtime.progress import Progress
from data_prep.segmentation.face_masks import eyes_mask
from sagan_jax.checkpoints.facts import IdentityFacts
from sagan_jax.configs.config import Config
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.evaluation import metrics, scoring
from sagan_jax.evaluation.bootstrap import Series, bootstrap
from sagan_jax.evaluation.gallery import Gallery, Judges, SourceGalleries
from sagan_jax.evaluation.results import Evaluation, Part
from sagan_jax.inputs.generator_input import make_guides
from sagan_jax.inputs.identity_stats import face_colour
from sagan_jax.inputs.retargeting import UsualPlaces, retarget
from sagan_jax.losses import perceptual
from sagan_jax.rendering import alpha
from sagan_jax.rendering.swapper import Swapper
from sagan_jax.validation.face_ssim import face_ssim

_GREY = 0.5


@dataclasses.dataclass(frozen=True)
class GeneratedCrops:
    """Held-out crops of one person, rendered by one decoder.

    Attributes:
      crop_window: part of a crop that was rendered, R pixels wide.
      real: `[K, R, R, 3]` uint8, the real image in this window.
      masks: `[K, R, R]` bool, masks of the real faces.
      rgb: `[K, R, R, 3]` uint8, network output.
      pasted: `[K, S, S, 3]` uint8, network output composited into the crop without matching
        colours.
    """

    crop_window: CropWindow
    real: np.ndarray
    masks: np.ndarray
    rgb: np.ndarray
    pasted: np.ndarray


def evaluate_checkpoint(
    workdir: pathlib.Path, folders: tuple[pathlib.Path, pathlib.Path]
) -> tuple[Evaluation, dict[str, GeneratedCrops]]:
    """Evaluates the newest checkpoint of a training.

    Args:
      workdir: the training folder.
      folders: data sets of A and of B that the training used.

    Returns:
      the results, in four parts, and the rendered crops by title of the part.

    Raises:
      InputError: if there is no checkpoint, or a data set is not the one of the training.
    """
    # Held-out crops of another data set may have been trained on, hence the check.
    swappers = [Swapper(workdir, to) for to in (0, 1)]
    cards = [identity_card.read_card(folder) for folder in folders]
    _check_data_sets(workdir, folders, cards, swappers[0].facts.identities)
    # The swap to a person is scored against the galleries of that person.
    judges = Judges()
    sources = [SourceGalleries.read(folder, judges) for folder in folders]
    names = [card.identity for card in cards]
    lpips = _unused_network(swappers[0].facts.config)
    generated: dict[str, GeneratedCrops] = {}
    parts: dict[str, Part] = {}
    with Progress("generating held-out crops", total=4, unit="sets") as bar:
        for person in (0, 1):
            held_out, swap_to = sources[person].holdout, 1 - person

            # The own decoder: nothing is retargeted, and the real crop is the ground truth.
            title = f"{names[person]} again"
            generated[title] = _generate(swappers[person], held_out, None)
            parts[title] = _reconstruction(generated[title], held_out, lpips)
            bar.advance(1)

            # The other decoder: there is no ground truth, only networks that judge.
            title = f"{names[person]} as {names[swap_to]}"
            generated[title] = _generate(swappers[swap_to], held_out, swappers[swap_to].places)
            parts[title] = _swap(generated[title], held_out, sources[swap_to], judges)
            bar.advance(1)
    return Evaluation(_subject(swappers[0], cards, lpips), parts), generated


def reconstruction_errors(
    real: np.ndarray, generated: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`face_ssim` and mean squared error inside the face of each crop, both `[K]`.

    Args:
      real: `[K, R, R, 3]` uint8.
      generated: `[K, R, R, 3]` uint8.
      masks: `[K, R, R]` bool.
    """
    errors = [metrics.squared_error(*crop) for crop in zip(real, generated, masks, strict=True)]
    return face_ssim(real, generated, masks), np.array(errors)


def perceptual_distances(
    real: np.ndarray, generated: np.ndarray, masks: np.ndarray, network: str
) -> np.ndarray:
    """LPIPS of the faces alone, on grey, of each crop, `[K]`.

    Args:
      real: `[K, R, R, 3]` uint8.
      generated: `[K, R, R, 3]` uint8.
      masks: `[K, R, R]` bool.
      network: `alexnet` or `vgg16`.
    """
    params = perceptual.load(network)

    def face_on_grey(images: np.ndarray) -> np.ndarray:
        return np.where(masks[..., None], images.astype(np.float32) / 255, np.float32(_GREY))

    distance = jax.jit(lambda a, b: perceptual.distance(params, a[None], b[None]))
    faces = zip(face_on_grey(real), face_on_grey(generated), strict=True)
    return np.array([distance(a, b) for a, b in faces])


def _check_data_sets(
    workdir: pathlib.Path,
    folders: Sequence[pathlib.Path],
    cards: Sequence[IdentityCard],
    identities: Sequence[IdentityFacts],
) -> None:
    for folder, card, trained in zip(folders, cards, identities, strict=True):
        if card.fingerprint != trained.card.fingerprint:
            raise InputError(
                f"{folder}: is not the data set that {workdir} was trained on "
                f"({trained.identity}, {trained.card.fingerprint[:16]})"
            )


def _subject(swapper: Swapper, cards: Sequence[IdentityCard], lpips: str) -> JsonObject:
    """Names and hashes of everything that was evaluated."""
    return {
        "kind": "checkpoint",
        "model": {
            "fingerprint": swapper.fingerprint,
            "step": swapper.step,
            "preset": swapper.facts.config.preset,
        },
        "identities": [
            {"identity": card.identity, "fingerprint": card.fingerprint} for card in cards
        ],
        "lpips_network": lpips,
    }


def _generate(swapper: Swapper, crops: Gallery, usual: UsualPlaces | None) -> GeneratedCrops:
    """Renders crops; `usual` retargets eyes and mouth to the rendered person, if given."""
    crop_window = swapper.crop_window
    # One mean colour holds for all crops, like in a clip.
    colours = face_colour(crops.images, crops.masks)
    mean, std = (np.tile(colour, (len(crops.images), 1)) for colour in colours)
    # Eyes and mouth of the guides are moved to where the rendered person has them.
    guides = [
        make_guides({"face": face, "eyes": eyes_mask(points, len(face))}, retarget(points, usual))
        for face, points in zip(crops.masks, crops.landmarks, strict=True)
    ]
    rgb, learned = swapper(crops.images, np.stack(guides), mean, std)
    outputs = zip(crops.images, crops.masks, rgb, learned, strict=True)
    pasted = [alpha.composite(*output, crop_window) for output in outputs]
    # Output and real crop are compared at the resolution of the network.
    real = np.stack([crop_window.of(image) for image in crops.images])
    masks = np.stack([crop_window.of(mask) for mask in crops.masks])
    return GeneratedCrops(crop_window, real, masks > 127, alpha.to_uint8(rgb), np.stack(pasted))


def _reconstruction(generated: GeneratedCrops, crops: Gallery, lpips: str) -> Part:
    """Compares the output of the own decoder with the real crops."""
    compared = generated.real, generated.rgb, generated.masks
    ssim, errors = reconstruction_errors(*compared)
    distances = perceptual_distances(*compared, lpips)
    # A blurred output may score well in SSIM, so sharpness is scored as well.
    inside = generated.masks[..., None].astype(np.uint8)
    sharp, real_sharp = (
        np.array(list(map(sharpness.mean_laplacian, images, inside)))
        for images in (generated.rgb, generated.real)
    )
    return Part(
        {"measured": len(generated.real)},
        {
            "ssim": bootstrap(np.mean, Series.at(crops.seconds, ssim)),
            "psnr": bootstrap(metrics.psnr, Series.at(crops.seconds, errors)),
            "lpips": bootstrap(np.mean, Series.at(crops.seconds, distances)),
            "sharpness": bootstrap(metrics.ratio, Series.at(crops.seconds, sharp, real_sharp)),
        },
        {"seconds": crops.seconds, "ssim": ssim, "lpips": distances},
    )


def _swap(
    generated: GeneratedCrops, crops: Gallery, source: SourceGalleries, judges: Judges
) -> Part:
    """Scores the output of the other person's decoder."""
    # The mesh starts from the place of the real face: no detector has to find the swapped one.
    mesh = face_mesh.FaceMesh()
    regions = [face_mesh.region_of_mesh(points) for points in crops.landmarks]
    after, before = (
        list(map(mesh, images, regions)) for images in (generated.pasted, crops.images)
    )
    kept = np.array([found.presence for found in after]) > 0.5
    # A face that the mesh does not recognise as one has no expression to compare.
    faces_kept = bootstrap(np.mean, Series.at(crops.seconds, kept))
    if not kept.any():
        return Part({"measured": 0}, {"faces_kept": faces_kept})

    # From here on only the crops count in which the mesh still finds a face.
    seconds, masks = crops.seconds[kept], crops.masks[kept]
    faces = [images[kept] for images in (generated.pasted, crops.images)]
    points = [np.stack([one.points for one in found])[kept] for found in (after, before)]
    poses = [np.stack([face_mesh.head_pose(one) for one in each]) for each in points]
    # Arrays are of the swapped crops first, then of the real ones.
    embeddings = [
        [
            judges.recogniser(image, face_mesh.five_points(one[:, :2]))
            for image, one in zip(images, each, strict=True)
        ]
        for images, each in zip(faces, points, strict=True)
    ]
    features = [list(map(judges.features, images, masks)) for images in faces]

    identity, cosines = scoring.identity_metrics(source, np.stack(embeddings, 1), seconds)
    performance, curves = scoring.performance_metrics(
        [each[..., :2] for each in points], poses, seconds
    )
    distribution = scoring.distribution_metrics(source, np.stack(features, 1), seconds)
    return Part(
        {"faces": len(kept), "measured": int(kept.sum())},
        {**identity, **performance, "faces_kept": faces_kept, **distribution},
        {"seconds": seconds, **curves, "sampled_seconds": seconds, **cosines},
    )


def _unused_network(config: Config) -> str:
    """LPIPS network that the training did not use: a loss says little as a metric."""
    return "alexnet" if config.loss.perceptual_network == "vgg16" else "vgg16"
