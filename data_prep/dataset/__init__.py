"""Data sets on disk: aligned faces of one identity as a TFDS folder with a card.

`writer` takes the crops, `reader` and `shuffled_reader` give them back, `identity_card` states
where they come from and under which consent, `coverage` and `footage_verdict` whether they are
enough to train on. Knows the records of a face, but not how faces are found.
"""

__all__ = (
    "coverage",
    "footage_verdict",
    "identity_card",
    "reader",
    "shuffled_reader",
    "writer",
)
