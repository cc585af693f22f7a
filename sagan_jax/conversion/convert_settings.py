"""Settings of a conversion: part of the video, faces to replace, look, and views to write."""

from __future__ import annotations

import dataclasses
import enum
import json
import pathlib

from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from data_prep.media import segmented_writer, video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Encoding
from data_prep.pipeline.settings import FaceSettings
from sagan_jax.rendering.render_settings import RenderSettings


class View(enum.StrEnum):
    """Content of an output.

    RESULT is the swapped video. SIDE_BY_SIDE shows target, result and mask. MASK is white where
    the target is wholly replaced. FACE is for compositors: only the new face, transparent around
    it; laid over the target it gives the result.
    """

    RESULT = "result"
    SIDE_BY_SIDE = "side_by_side"
    MASK = "mask"
    FACE = "face"

    @property
    def transparent(self) -> bool:
        """Whether its frames have an alpha channel."""
        return self is View.FACE

    @property
    def columns(self) -> int:
        """Width of a frame, in frames of the target."""
        return 3 if self is View.SIDE_BY_SIDE else 1


class PersonChoice(enum.StrEnum):
    """Rule by which the people to replace are chosen.

    TARGET: the person that the replaced identity was trained on. ALL: everybody. LARGEST: the
    most prominent person, by number of frames and size of face. REFERENCE: the person in a given
    image or video.
    """

    TARGET = "target"
    ALL = "all"
    LARGEST = "largest"
    REFERENCE = "reference"


@dataclasses.dataclass(frozen=True)
class PeopleToReplace:
    """People whose faces are replaced.

    Attributes:
      who: rule by which they are chosen.
      reference: image or video of the person; only with `PersonChoice.REFERENCE`.
    """

    who: PersonChoice = PersonChoice.TARGET
    reference: pathlib.Path | None = None

    @classmethod
    def parse(cls, text: str) -> PeopleToReplace:
        """Parses `target`, `all`, `largest` or `reference:FILE`.

        Raises:
          InputError: if the text is none of these.
        """
        name, _, path = text.partition(":")
        if name not in list(PersonChoice) or bool(path) != (name == PersonChoice.REFERENCE):
            raise InputError(
                f"'{text}' is none of target, all, largest and reference:FILE, where FILE is an "
                "image or video of the person to be replaced",
                setting="who",
            )
        return cls(PersonChoice(name), pathlib.Path(path) if path else None)


@dataclasses.dataclass(frozen=True)
class ConvertSettings:
    """Settings of a conversion.

    Attributes:
      span: part of the video that is converted.
      wanted: people whose faces are replaced.
      face: how faces are found; as in preparation.
      look: how a swapped face is made part of its scene.
      encoding: how the videos are encoded.
      sound: sound of the videos; None for silence.
      segment: number of frames between two points at which a stopped conversion can be resumed,
        rounded up to whole batches.
    """

    span: video_reader.Span = video_reader.WHOLE
    wanted: PeopleToReplace = PeopleToReplace()
    face: FaceSettings = FaceSettings()
    look: RenderSettings = RenderSettings()
    encoding: Encoding = Encoding()
    sound: Sound | None = Sound()
    segment: int = segmented_writer.SEGMENT_FRAMES

    def affecting_frames(self) -> JsonObject:
        """Returns the settings that frames depend on, as plain values that JSON can hold."""
        return {name: value for name, value in self.to_json().items() if name != "sound"}

    def to_json(self) -> JsonObject:
        """Returns all settings as plain values that JSON can hold; files by name, not by path."""
        # A path could tell others about the machine that the video was made on.
        text = json.dumps(dataclasses.asdict(self), default=lambda path: path.name)
        return dict(json.loads(text))
