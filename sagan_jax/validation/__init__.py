"""Reconstruction quality on held-out crops, measured and shown while a model learns.

Uses the networks, their inputs and the perceptual distance, but none of the judges of the
evaluation, so that the training loop may use it.
"""

__all__ = ("face_ssim", "preview", "reconstruction")
