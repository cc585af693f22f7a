"""Batches for the training step: crops from data sets to the devices, sampled and augmented.

Data sets are read on the host and put on the devices whole or in windows; sampling and augmentation
are pure functions inside the compiled step. Nothing here knows of networks or losses.
"""

__all__ = (
    "augment",
    "crop_source",
    "diff_augment",
    "identity_crops",
    "recolour",
    "sampling",
)
