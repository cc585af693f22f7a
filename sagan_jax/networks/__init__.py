"""The networks, and what it takes to run them: arithmetic, normalisation, size.

Pure Flax modules from generator inputs to network outputs. Nothing here knows of data sets, losses,
optimisers or videos. Parameter names are those of the checkpoints on disk.
"""

__all__ = ("discriminator", "flops", "generator", "precision", "resampling", "spectral_norm")
