"""Perception: a video in, aligned faces out.

Decodes videos, finds and tracks faces, groups them by person, and stores crops with masks and
landmarks as data sets. Knows nothing of the networks that are trained on them: no module here
imports `sagan_jax` or `launch`.
"""

__all__ = ("errors", "even_spacing", "json_records", "records", "weights")
