"""The renderer on a real clip, with generators whose output is known."""

import dataclasses

import cv2
import numpy as np
import pytest

from data_prep.imaging import similarity
from data_prep.media import video_reader
from data_prep.media.coded_frame import CodedFrame
from data_prep.mesh.topology import INNER_LIPS
from data_prep.pipeline import faces
from data_prep.records import Detection, Face, Track
from data_prep.segmentation.face_masks import Masker
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.inputs import retargeting
from sagan_jax.rendering import renderer
from sagan_jax.rendering.render_settings import ColourMethod, RenderSettings
from tests.support.clips import psnr

_SPAN = video_reader.Span(0.0, 0.8)
_PLAIN = RenderSettings(colour=ColourMethod.NONE, sharpen=False, grain=False)


class _Reproducing:
    """Swapper whose output is its input, times a gain."""

    def __init__(self, gain=1.0, crop_window=CropWindow(256), places=None):
        self._gain, self.crop_window, self.places, self.guides = gain, crop_window, places, []

    def __call__(self, crops, guides, mean, std, exaggeration):
        self.guides += list(guides)
        visible = np.stack([self.crop_window.of(crop) for crop in crops])
        rgb = self._gain * visible.astype(np.float32) / 255
        return rgb, np.ones((*rgb.shape[:3], 1), np.float32)


@pytest.fixture(scope="module")
def clip(samples):
    """Frames, and the one person in them."""
    path = samples / "single_face.mp4"
    frames = list(video_reader.read_coded_frames(path, _SPAN, pixel_format="yuv420p"))
    return frames, faces.analyse(path, span=_SPAN).people


def _rendered(clip, swapper, settings, shots=(0, 24)):
    frames, people = clip
    masker = Masker()

    def read(wanted):
        return [frame for frame in frames if wanted(frame.index)]

    colours = renderer.measure_face_colours(read, people, masker)
    render = renderer.Renderer(swapper, people[0].tracks, colours, masker, shots, settings)
    return list(render(frames))


@pytest.mark.parametrize(
    "crop_window", [CropWindow(256), CropWindow(256, 0.75)], ids=["all", "middle"]
)
@pytest.mark.parametrize(
    ("settings", "least"),
    [(_PLAIN, 38), (RenderSettings(), 34)],
    ids=["as generated", "harmonised"],
)
def test_reproducing_generator_reproduces_the_video(clip, settings, least, crop_window):
    for one in _rendered(clip, _Reproducing(crop_window=crop_window), settings):
        inside = one.alpha > 0.5
        assert 0.05 < inside.mean() < 0.5
        assert psnr(one.result.rgb()[inside], one.target.rgb()[inside]) > least
        untouched = one.alpha == 0
        before, after = one.target.planes, one.result.planes
        assert np.array_equal(before[0][untouched], after[0][untouched])
        # Chroma samples with only such pixels around them.
        far = cv2.erode(untouched.astype(np.uint8), np.ones((5, 5)))[::2, ::2] > 0
        assert all(np.array_equal(before[i][far], after[i][far]) for i in (1, 2))


def test_lost_face_fades_and_cut_face_does_not(clip):
    frames, people = clip
    (track,) = people[0].tracks
    assert len(track.faces) == len(frames) == 24
    lost = dataclasses.replace(track, faces=track.faces[4:20], transforms=track.transforms[4:20])
    shorter = frames, [dataclasses.replace(people[0], tracks=(lost,))]

    def opacities(shots):
        return [one.alpha.max() for one in _rendered(shorter, _Reproducing(), _PLAIN, shots)]

    faded, cut = opacities((0, 24)), opacities((0, 4, 20, 24))
    assert np.abs(np.diff(faded)).max() < 0.2 and max(faded) > 0.99
    assert cut == pytest.approx([0] * 4 + [1] * 16 + [0] * 4, abs=0.02)


def test_colour_transfer_removes_flicker_of_the_generator(clip):
    """A generator that is darker in every other frame takes its light from the scene."""

    class Flickering(_Reproducing):
        def __call__(self, crops, masks, mean, std, exaggeration):
            rgb, mask = super().__call__(crops, masks, mean, std, exaggeration)
            rgb[::2] *= 0.9
            return rgb, mask

    def flicker(settings):
        luma = [
            one.result.luma()[one.alpha > 0.5].mean() - one.target.luma()[one.alpha > 0.5].mean()
            for one in _rendered(clip, Flickering(), settings)
        ]
        return np.abs(np.diff(luma, 2)).mean()

    plain = flicker(_PLAIN)
    followed = flicker(dataclasses.replace(_PLAIN, colour=ColourMethod.MEAN_STD, steady_s=0.0))
    assert followed < 0.1 * plain


def test_planes_and_rgb_give_the_same_image(clip):
    frames, people = clip
    few = frames[:3]
    as_rgb = [CodedFrame.from_rgb(one.index, one.timestamp_us, one.rgb()) for one in few]
    from_planes, from_rgb = (
        _rendered((given, people), _Reproducing(0.9), _PLAIN) for given in (few, as_rgb)
    )
    for one, other in zip(from_planes, from_rgb, strict=True):
        # A level more or less in the crop moves the mask.
        assert np.abs(one.alpha - other.alpha).mean() < 0.002
        assert psnr(one.result.rgb(), other.result.rgb()) > 38


def test_face_that_is_hidden_for_long_fades_out_and_in():
    """A track from cut to cut that has no faces in frames 10 to 19."""
    unknown = Detection(np.zeros(4), 1.0, np.zeros((5, 2)))
    found = tuple(
        Face(i, 40_000 * i, unknown, np.zeros((478, 2)), 1.0, np.zeros(3))
        for i in (*range(10), *range(20, 30))
    )
    shares = renderer._fading(Track(0, found, np.zeros((20, 2, 3), np.float32)), {0, 30}, 0.2)
    fading = [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(shares, [*[1] * 6, *fading[::-1], *fading, *[1] * 6])


def test_sketch_lies_where_the_rendered_person_has_the_features(clip):
    _, (person,) = clip
    track = person.tracks[0]
    aligned = (
        (similarity.apply(transform, face.landmarks), face.pose[:2])
        for transform, face in zip(track.transforms, track.faces, strict=True)
    )
    usual = np.median([retargeting.measure_places(*one) for one in aligned], 0)
    goal = np.array([[90.0, 110.0, 20.0], [170.0, 110.0, 20.0], [128.0, 185.0, 30.0]])
    swapper = _Reproducing(places=retargeting.UsualPlaces(usual, goal))
    _rendered(clip, swapper, _PLAIN)
    sketches = np.stack(swapper.guides)[..., 2].astype(float)
    rows, columns = np.mgrid[:256, :256]
    for x, y, width in goal[:2]:
        near = sketches * (np.hypot(columns - x, rows - y) < width)
        middle = [(near * axis).sum() / near.sum() for axis in (columns, rows)]
        assert np.hypot(*(np.array(middle) - (x, y))) < 0.15 * width
    # The sketch is empty where the target's own eyes are.
    assert sketches[:, :97].sum() < 0.01 * sketches.sum()


def test_inner_mouth_is_the_target_s_where_the_generated_lips_can_be_located(clip):
    """A face generated half as bright, its mouth where the target has it."""
    usual = np.array([[90.0, 110.0, 30.0], [165.0, 110.0, 30.0], [128.0, 190.0, 60.0]])
    _, (person,) = clip
    known = retargeting.UsualPlaces(usual, usual)
    for places, least, most in ((known, 0.9, 1.1), (None, 0.4, 0.6)):
        rendered = _rendered(clip, _Reproducing(gain=0.5, places=places), _PLAIN)
        ratios = []
        for one, face in zip(rendered, person.tracks[0].faces, strict=True):
            lips = np.zeros(one.alpha.shape, np.uint8)
            points = face.landmarks[list(INNER_LIPS)]
            cv2.fillPoly(lips, [np.round(points).astype(np.int32)], 1)
            inside = cv2.erode(lips, np.ones((3, 3))) > 0
            if inside.sum() >= 12:
                ratios.append(one.result.luma()[inside].mean() / one.target.luma()[inside].mean())
        assert len(ratios) >= 3
        assert least < np.mean(ratios) < most
