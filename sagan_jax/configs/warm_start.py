"""Which other run a training starts from, and with what of it."""

from __future__ import annotations

import dataclasses
import enum
import pathlib


class Take(enum.StrEnum):
    """What of the other run is taken.

    ENCODER is the encoder alone. PEOPLE is that, and decoder and critic of everyone who is in
    both runs, whichever place they had. ALL is that, and who is new starts as the one whose
    place is taken.
    """

    ENCODER = "encoder"
    PEOPLE = "people"
    ALL = "all"


@dataclasses.dataclass(frozen=True)
class Start:
    """Where a run starts.

    Attributes:
      workdir: training folder of the other run.
      step: which of its checkpoints: `latest`, `best` or a number.
      take: what is taken.
    """

    workdir: pathlib.Path
    step: str = "latest"
    take: Take = Take.PEOPLE
