"""Everything that a conversion settles before its first frame."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from absl import logging

from data_prep.dataset.identity_card import IdentityCard
from data_prep.errors import InputError
from data_prep.pipeline import faces
from data_prep.records import EMBEDDING_SIZE
from data_prep.runtime import files
from data_prep.segmentation.face_masks import Masker
from data_prep.segmentation.mask_source import MaskSource
from sagan_jax.conversion import sidecar
from sagan_jax.conversion.convert_settings import ConvertSettings, View
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.target_faces import FaceSelection, select_faces
from sagan_jax.provenance.manifest import NamedFile
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.renderer import ReadFrames, Renderer, measure_face_colours
from sagan_jax.rendering.swapper import Swapper


def with_masks_of(swapper: Swapper, settings: ConvertSettings) -> ConvertSettings:
    """Returns the settings with masks made like those that the model was trained with."""
    # The generator has only seen faces of the replaced person that were cut out by such masks.
    source = MaskSource(_replaced(swapper).mask_source)
    return dataclasses.replace(settings, face=dataclasses.replace(settings.face, masks=source))


def set_up(
    swapper: Swapper, analysis: faces.Analysis, read: ReadFrames, settings: ConvertSettings
) -> tuple[FaceSelection, Renderer]:
    """Selects the faces to replace, and makes the renderer that replaces them.

    Args:
      swapper: the trained generator.
      analysis: analysis of the target.
      read: reads frames of the target, for the colours of its faces.
      settings: settings of the conversion.

    Raises:
      InputError: if the target does not show the person.
    """
    masker = Masker(settings.face.masks)
    selection = select_faces(analysis, settings.wanted, _trained_on(swapper), settings.face)
    colours = measure_face_colours(read, selection.people, masker)
    # A face that is lost or found at a cut, at the start or at the end does not fade.
    shots = {analysis.first_frame, *analysis.cuts, analysis.first_frame + analysis.frames}
    renderer = Renderer(
        swapper, selection.tracks, colours, masker, shots, settings.look, selection.occluders
    )
    return selection, renderer


def key_of(
    swapper: Swapper,
    target: NamedFile,
    outputs: Iterable[View],
    marks: Marks,
    settings: ConvertSettings,
) -> str:
    """Returns the SHA-256 of everything that frames depend on, except for the machine."""
    reference = settings.wanted.reference
    return hash_of(
        target.sha256,
        swapper.fingerprint,
        swapper.to,
        list(outputs),
        marks.record(),
        marks.label,
        # The key is a secret of its owner, so it is hashed once more.
        hashlib.sha256(marks.watermark_key.encode()).hexdigest(),
        settings.affecting_frames(),
        # The settings have only the name of the file.
        reference and files.sha256_of(reference),
        sidecar.package_versions(),
    )


def hash_of(*facts: Any) -> str:
    """Returns the SHA-256 of plain values that JSON can hold."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def finished_conversion(
    outputs: Mapping[View, pathlib.Path], key: str, force: bool
) -> Conversion | None:
    """Returns the result of this very conversion if it was finished before.

    Args:
      outputs: outputs of the conversion.
      key: hash of everything they depend on.
      force: whether other outputs of these names may be replaced.

    Raises:
      InputError: if there are other outputs of these names and `force` is false.
    """
    existing = [path for path in outputs.values() if path.exists()]
    if force or not existing:
        return None
    # One record describes all outputs of a conversion; it lies beside the first one.
    first = next(iter(outputs.values()))
    finished = sidecar.made_before(first, key)
    if finished is None or len(existing) < len(outputs):
        raise InputError(
            f"{existing[0]}: exists and is of another conversion; give another name, or allow it "
            "to be replaced",
            setting="force",
        )
    logging.info("%s: is there, made of this by this model; nothing to do.", existing[0])
    return finished


def _replaced(swapper: Swapper) -> IdentityCard:
    """Card of the person who is replaced."""
    return swapper.facts.identities[1 - swapper.to].card


def _trained_on(swapper: Swapper) -> np.ndarray:
    """Embeddings `[K, EMBEDDING_SIZE]` of the replaced person, one of each training video."""
    # Cards of older data sets have no embeddings.
    embeddings = [video.embedding for video in _replaced(swapper).videos if video.embedding]
    return np.array(embeddings, np.float32).reshape(-1, EMBEDDING_SIZE)
