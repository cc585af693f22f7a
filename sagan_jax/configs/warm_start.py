"""Starting a training from another run."""

from __future__ import annotations

import dataclasses
import enum
import pathlib


class Take(enum.StrEnum):
    """Parts that are taken from the other run.

    ENCODER takes the encoder alone. PEOPLE also takes decoder and discriminator of everyone who is
    in both runs, whether as A or as B. ALL also starts a new person with the networks of the
    person whose place is taken.
    """

    ENCODER = "encoder"
    PEOPLE = "people"
    ALL = "all"


@dataclasses.dataclass(frozen=True)
class Start:
    """Another run to start from.

    Attributes:
      workdir: training folder of the other run.
      step: its checkpoint: `latest`, `best` or a step number.
      take: parts that are taken.
    """

    workdir: pathlib.Path
    step: str = "latest"
    take: Take = Take.PEOPLE
