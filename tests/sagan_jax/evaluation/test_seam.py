"""Seams of images whose edge was made on purpose."""

import cv2
import numpy as np
import pytest

from sagan_jax.evaluation import seam

_SIDE = 256


@pytest.fixture(scope="module")
def mask():
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    return cv2.ellipse(mask, (128, 140), (80, 100), 10, 0, 360, 255, -1)[..., None]


@pytest.fixture(scope="module")
def scene():
    """An image with edges and texture, also along the edge of the mask."""
    noise = np.random.default_rng(0).normal(120, 15, (_SIDE, _SIDE, 3))
    noise[:, 200:] -= 60
    return np.clip(noise, 0, 255).astype(np.uint8)


def _lighter(scene, alpha, levels):
    return np.clip(scene + levels * alpha, 0, 255).round().astype(np.uint8)


def test_no_change_has_no_seam(scene, mask):
    assert seam.seam_strength(scene, scene, mask) == 0


def test_a_face_pasted_20_levels_lighter_has_a_seam_of_20(scene, mask):
    assert seam.seam_strength(scene, _lighter(scene, mask / 255, 20), mask) == pytest.approx(
        20, abs=0.1
    )


def test_feathering_weakens_the_seam(scene, mask):
    soft = cv2.GaussianBlur(mask[..., 0].astype(np.float32) / 255, (0, 0), 8)[..., None]
    assert 1 < seam.seam_strength(scene, _lighter(scene, soft, 20), mask) < 6


def test_a_seam_inside_the_mask_is_found(scene, mask):
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    inner = cv2.erode(mask, disc)[..., None] / 255
    assert seam.seam_strength(scene, _lighter(scene, inner, 20), mask) > 18


def test_noise_is_no_seam(scene, mask):
    noise = np.random.default_rng(1).normal(0, 4, scene.shape)
    assert seam.seam_strength(scene, _lighter(scene, noise, 1), mask) < 1.5


def test_an_empty_mask_is_no_seam(scene, mask):
    assert seam.seam_strength(scene, scene[::-1], np.zeros_like(mask)) == 0
