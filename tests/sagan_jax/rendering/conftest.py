"""Images that tests of rendering share."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def photograph():
    """Smooth image without noise, `[256, 256, 3]` float32 in 0..1."""
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC), 0, 1)


@pytest.fixture
def disc():
    """Mask of a face that is a disc, `[256, 256, 1]` uint8."""
    return cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), 90, 255, -1)[..., None]
