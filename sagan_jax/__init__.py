"""Learning, rendering and measuring: aligned faces in, a trained generator and a swapped video out.

Training goes from data sets (`data`) through `networks` and `losses` to `checkpoints`; conversion
from a checkpoint through `rendering` to a marked video. Both make the networks' inputs in `inputs`.
"""
