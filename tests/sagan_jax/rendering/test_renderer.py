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
from sagan_jax.rendering.colour_transfer import Method
from sagan_jax.rendering.harmonisation import RenderSettings
from sagan_jax.rendering.renderer import Renderer, lights_of
from tests.support.clips import psnr

_SPAN = video_reader.Span(0.0, 0.8)
_PLAIN = RenderSettings(colour=Method.NONE, sharpen=False, grain=False)


class _Drawing:
    """Draws every face as it is, a little different."""

    def __init__(self, gain=1.0, crop_window=CropWindow(256), places=None):
        self._gain, self.crop_window, self.places, self.guides = gain, crop_window, places, []

    def __call__(self, crops, guides, mean, std, exaggeration):
        self.guides += list(guides)
        seen = np.stack([self.crop_window.of(crop) for crop in crops])
        rgb = self._gain * seen.astype(np.float32) / 255
        return rgb, np.ones((*rgb.shape[:3], 1), np.float32)


@pytest.fixture(scope="module")
def clip(samples):
    """Pictures, and the tracks of the one person in them."""
    path = samples / "single_face.mp4"
    pictures = list(video_reader.read_coded_frames(path, _SPAN, pixel_format="yuv420p"))
    return pictures, faces.analyse(path, span=_SPAN).people


def _rendered(clip, drawing, look, shots=(0, 24), pictures=None):
    given, people = clip
    pictures, masker = pictures or given, Masker()
    lights = lights_of(lambda wanted: [p for p in pictures if wanted(p.index)], people, masker)
    renderer = Renderer(drawing, people[0].tracks, lights, masker, shots, look)
    return list(renderer(pictures))


@pytest.mark.parametrize("framing", [CropWindow(256), CropWindow(256, 0.75)], ids=["all", "middle"])
@pytest.mark.parametrize(
    ("look", "least"), [(_PLAIN, 38), (RenderSettings(), 34)], ids=["as drawn", "finished"]
)
def test_a_generator_that_gives_its_input_gives_the_video(clip, look, least, crop_window):
    for one in _rendered(clip, _Drawing(crop_window=crop_window), look):
        inside = one.alpha > 0.5
        assert 0.05 < inside.mean() < 0.5
        assert psnr(one.result.rgb()[inside], one.target.rgb()[inside]) > least
        untouched = one.alpha == 0
        before, after = one.target.planes, one.result.planes
        assert np.array_equal(before[0][untouched], after[0][untouched])
        # What lies beside four such pixels on all sides.
        far = cv2.erode(untouched.astype(np.uint8), np.ones((5, 5)))[::2, ::2] > 0
        assert all(np.array_equal(before[i][far], after[i][far]) for i in (1, 2))


def test_a_face_that_is_lost_fades_and_one_that_is_cut_does_not(clip):
    pictures, people = clip
    (track,) = people[0].tracks
    assert len(track.faces) == len(pictures) == 24
    lost = dataclasses.replace(track, faces=track.faces[4:20], transforms=track.transforms[4:20])
    some = [dataclasses.replace(people[0], tracks=(lost,))]

    def amounts(shots):
        return [one.alpha.max() for one in _rendered((pictures, some), _Drawing(), _PLAIN, shots)]

    faded, cut = amounts((0, 24)), amounts((0, 4, 20, 24))
    assert np.abs(np.diff(faded)).max() < 0.2 and max(faded) > 0.99
    assert cut == pytest.approx([0] * 4 + [1] * 16 + [0] * 4, abs=0.02)


def test_a_flickering_drawing_is_calmed(clip):
    """A drawing that is darker in every other frame takes its light from the scene."""

    class Flickering(_Drawing):
        def __call__(self, crops, masks, mean, std, exaggeration):
            rgb, mask = super().__call__(crops, masks, mean, std, exaggeration)
            rgb[::2] *= 0.9
            return rgb, mask

    def flicker(look):
        luma = [
            one.result.luma()[one.alpha > 0.5].mean() - one.target.luma()[one.alpha > 0.5].mean()
            for one in _rendered(clip, Flickering(), look)
        ]
        return np.abs(np.diff(luma, 2)).mean()

    plain = flicker(_PLAIN)
    followed = flicker(dataclasses.replace(_PLAIN, colour=Method.MEAN_STD, steady_s=0.0))
    assert followed < 0.1 * plain


def test_planes_and_rgb_give_the_same_picture(clip):
    pictures, people = clip
    few = pictures[:3]
    eight = _rendered((pictures, people), _Drawing(0.9), _PLAIN, pictures=few)
    as_rgb = [CodedFrame.of_rgb(p.index, p.timestamp_us, p.rgb()) for p in few]
    other = _rendered((pictures, people), _Drawing(0.9), _PLAIN, pictures=as_rgb)
    for one, two in zip(eight, other, strict=True):
        assert np.abs(one.alpha - two.alpha).mean() < 0.002  # a level more or less moves the mask
        assert psnr(one.result.rgb(), two.result.rgb()) > 38


def test_a_face_that_is_hidden_for_long_fades_out_and_in():
    """From a cut to a cut, but not to be seen from frame 10 to 19."""
    unknown = Detection(np.zeros(4), 1.0, np.zeros((5, 2)))
    seen = tuple(
        Face(i, 40_000 * i, unknown, np.zeros((478, 2)), 1.0, np.zeros(3))
        for i in (*range(10), *range(20, 30))
    )
    shares = renderer._shares(Track(0, seen, np.zeros((20, 2, 3), np.float32)), {0, 30}, 0.2)
    fading = [0.2, 0.4, 0.6, 0.8]
    np.testing.assert_allclose(shares, [*[1] * 6, *fading[::-1], *fading, *[1] * 6])


def test_the_sketch_that_is_drawn_after_lies_where_the_source_has_its_features(clip):
    _, (person,) = clip
    track = person.tracks[0]
    aligned = (
        (similarity.apply(transform, face.landmarks), face.pose[:2])
        for transform, face in zip(track.transforms, track.faces, strict=True)
    )
    usual = np.median([retargeting.places(*one) for one in aligned], 0)
    goal = np.array([[90.0, 110.0, 20.0], [170.0, 110.0, 20.0], [128.0, 185.0, 30.0]])
    drawing = _Drawing(places=retargeting.Places(usual, goal))
    _rendered(clip, drawing, _PLAIN)
    sketches = np.stack(drawing.guides)[..., 2].astype(float)
    rows, columns = np.mgrid[:256, :256]
    for x, y, width in goal[:2]:
        near = sketches * (np.hypot(columns - x, rows - y) < width)
        middle = [(near * axis).sum() / near.sum() for axis in (columns, rows)]
        assert np.hypot(*(np.array(middle) - (x, y))) < 0.15 * width
    # Nothing is drawn where the target's own eyes are.
    assert sketches[:, :97].sum() < 0.01 * sketches.sum()


def test_the_inner_mouth_is_that_of_the_target_where_one_knows_where_it_was_drawn(clip):
    """A face drawn half as bright, its mouth where the target has it."""
    usual = np.array([[90.0, 110.0, 30.0], [165.0, 110.0, 30.0], [128.0, 190.0, 60.0]])
    _, (person,) = clip
    for places, least, most in ((retargeting.Places(usual, usual), 0.9, 1.1), (None, 0.4, 0.6)):
        rendered = _rendered(clip, _Drawing(gain=0.5, places=places), _PLAIN)
        shares = []
        for one, track_face in zip(rendered, person.tracks[0].faces, strict=True):
            lips = np.zeros(one.alpha.shape, np.uint8)
            points = track_face.landmarks[list(INNER_LIPS)]
            cv2.fillPoly(lips, [np.round(points).astype(np.int32)], 1)
            inside = cv2.erode(lips, np.ones((3, 3))) > 0
            if inside.sum() >= 12:
                shares.append(one.result.luma()[inside].mean() / one.target.luma()[inside].mean())
        assert len(shares) >= 3
        assert least < np.mean(shares) < most
