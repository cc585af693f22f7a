"""Measures how good a swap is: of a converted clip, of a checkpoint, or of a generator in training.

Videos or held-out crops go in; metrics with confidence intervals, a JSON file and an HTML page come
out. The networks that judge a swap here take part in no loss: this package never imports
`sagan_jax.training`, and no module that learns imports these networks.
"""

__all__ = (
    "comparison",
    "evaluate_checkpoint",
    "evaluate_clip",
    "holdout_swap",
    "report",
    "results",
)
