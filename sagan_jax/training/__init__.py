"""The training loop: from two data sets to checkpoints, previews and a report.

One compiled step updates generator and discriminators; around it are resuming, monitoring and the
marked previews. Nothing here may use the networks that evaluate a result, nor the renderer.
"""

__all__ = ("lr_range_test", "monitor", "train", "train_state", "train_step")
