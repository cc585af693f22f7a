"""Which checkpoints stay; light enough to be imported for a flag."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Keep:
    """Which checkpoints stay on disk, besides the best one.

    Attributes:
      latest: number of newest checkpoints that stay.
      every: checkpoints whose step is a multiple of this stay, too; None for none.
    """

    latest: int = 2
    every: int | None = None
