"""What a conversion is asked for, and everything that is settled before the first frame."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from absl import logging

from data_prep.errors import InputError
from data_prep.media import segments, video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Encoding
from data_prep.pipeline import faces
from data_prep.records import EMBEDDING_SIZE
from data_prep.runtime import files
from data_prep.segmentation.face_masks import Masker, MaskSource
from sagan_jax.conversion import sidecar
from sagan_jax.conversion.sidecar import Conversion
from sagan_jax.conversion.target_faces import FaceSelection, Wanted, select_faces
from sagan_jax.conversion.views import View
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering.harmonisation import RenderSettings
from sagan_jax.rendering.renderer import ReadFrames, Renderer, lights_of
from sagan_jax.rendering.swapper import Swapper


@dataclasses.dataclass(frozen=True)
class ConvertSettings:
    """What is converted and how.

    Attributes:
      span: which part of the video.
      wanted: whose faces are replaced.
      face: how faces are found; as in preparation.
      look: how a swapped face is made part of its scene.
      encoding: how the videos are coded.
      sound: what they sound like; None for silence.
      segment: frames from one point where a stopped conversion can go on to the next,
        rounded up to whole batches.
    """

    span: video_reader.Span = video_reader.WHOLE
    wanted: Wanted = Wanted()
    face: faces.FaceSettings = faces.FaceSettings()
    look: RenderSettings = RenderSettings()
    encoding: Encoding = Encoding()
    sound: Sound | None = Sound()
    segment: int = segments.SEGMENT_FRAMES

    def of_pictures(self) -> dict[str, Any]:
        """Those that frames depend on, as JSON has it."""
        return {name: value for name, value in self.said().items() if name != "sound"}

    def said(self) -> dict[str, Any]:
        """All, as JSON has it; files by their name."""
        text = json.dumps(dataclasses.asdict(self), default=lambda path: path.name)
        return dict(json.loads(text))


def set_up(
    swapper: Swapper, analysis: faces.Analysis, read: ReadFrames, settings: ConvertSettings
) -> tuple[FaceSelection, Renderer]:
    """Settles who is replaced, and gets everything ready to render.

    Args:
      swapper: the trained generator.
      analysis: of the target.
      read: gives pictures of the target, to see the light in.
      settings: what and how.

    Raises:
      InputError: if the target does not show the person.
    """
    masker = Masker(settings.face.masks)
    selection = select_faces(analysis, settings.wanted, _trained_on(swapper), settings.face)
    lights = lights_of(read, selection.people, masker)
    shots = {analysis.first_frame, *analysis.cuts, analysis.first_frame + analysis.frames}
    renderer = Renderer(
        swapper, selection.tracks, lights, masker, shots, settings.look, selection.nearer
    )
    return selection, renderer


def key_of(
    swapper: Swapper,
    target: Mapping[str, str],
    outputs: Iterable[View],
    marks: Marks,
    settings: ConvertSettings,
) -> str:
    """SHA-256 of all that the pictures depend on, but for the machine."""
    reference = settings.wanted.reference
    return hash_of(
        target["sha256"], swapper.fingerprint, swapper.to, list(outputs), marks.record(),
        marks.label, hashlib.sha256(marks.watermark_key.encode()).hexdigest(),
        settings.of_pictures(), reference and files.sha256_of(reference), sidecar.versions(),
    )  # fmt: skip


def hash_of(*facts: Any) -> str:
    """SHA-256 of what JSON can hold."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def done_before(outputs: Mapping[View, pathlib.Path], key: str, force: bool) -> Conversion | None:
    """What came of this very conversion, if it was done before.

    Raises:
      InputError: if there is something else, and `force` is not given.
    """
    there = [path for path in outputs.values() if path.exists()]
    if force or not there:
        return None
    done = sidecar.made_before(next(iter(outputs.values())), key)
    if done is None or len(there) < len(outputs):
        raise InputError(f"{there[0]}: exists; give another --out, or --force to replace it")
    logging.info("%s: is there, made of this by this model; nothing to do.", there[0])
    return done


def with_masks_of(swapper: Swapper, settings: ConvertSettings) -> ConvertSettings:
    """The masks of the target are made as those were that the model learned its own from."""
    made_with = MaskSource(_replaced(swapper)["settings"]["face"]["masks"])
    return dataclasses.replace(settings, face=dataclasses.replace(settings.face, masks=made_with))


def _replaced(swapper: Swapper) -> dict[str, Any]:
    """What the checkpoint says of the identity that is replaced."""
    identity: dict[str, Any] = swapper.facts["identities"][1 - swapper.to]
    return identity


def _trained_on(swapper: Swapper) -> np.ndarray:
    """Of the identity that is replaced, as seen in each of its videos, `[K, EMBEDDING_SIZE]`."""
    read = [one["embedding"] for one in _replaced(swapper)["videos"] if "embedding" in one]
    return np.array(read, np.float32).reshape(-1, EMBEDDING_SIZE)
