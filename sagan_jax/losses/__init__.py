"""Loss terms: pure functions of images, masks and discriminator scores.

Which terms count and how much is the trainer's decision. The frozen networks of the perceptual
distance are here, those that evaluate a result are not: no loss may use its judge.
"""

__all__ = ("adversarial", "perceptual", "pixelwise", "ssim")
