"""The blur effect against scikit-image."""

import cv2
import numpy as np
import pytest
import skimage.data
from skimage.measure import blur_effect

from data_prep.imaging import sharpness


@pytest.mark.parametrize("sigma", [0, 1, 2, 4])
def test_blur_effect_equals_scikit_image_at_any_contrast(sigma):
    image = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2GRAY)[:200, 100:340]
    image = cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image
    assert sharpness.blur_effect(image) == pytest.approx(blur_effect(image), abs=1e-4)
    half = (image // 2).astype(np.uint8)
    assert sharpness.blur_effect(half) == pytest.approx(sharpness.blur_effect(image), abs=0.02), (
        "contrast counts"
    )


def test_an_image_without_an_edge_is_all_blurred():
    assert sharpness.blur_effect(np.full((100, 100), 7, np.uint8)) == 1.0
