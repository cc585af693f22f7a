"""Tests of images, previews and batches, with a stand-in for the generator."""

import pathlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.codecs import Codec, Encoding
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.conversion import contact_sheet, convert_still
from sagan_jax.conversion import jobs as conversion_jobs
from sagan_jax.conversion.convert_settings import (
    ConvertSettings,
    PeopleToReplace,
    PersonChoice,
    View,
)
from sagan_jax.provenance import manifest, signing, verify
from sagan_jax.provenance.marking import Marks
from tests.support.facts import checkpoint_facts, identity_facts

_EVERYBODY = ConvertSettings(wanted=PeopleToReplace(PersonChoice.ALL))


class _Negative:
    """Renders every face as its negative."""

    step, to, fingerprint, crop_window, places = 1, 0, "0" * 64, CropWindow(64), None

    def __init__(self):
        self.facts = checkpoint_facts(identity_facts("A"), identity_facts("B"))

    def __call__(self, crops, masks, mean, std, exaggeration):
        small = [self.crop_window.of(crop) for crop in crops]
        rgb = 1 - np.stack(small).astype(np.float32) / 255
        return rgb, np.ones((len(rgb), 64, 64, 1), np.float32)


@pytest.fixture(scope="module")
def photo(samples, tmp_path_factory):
    """Frame of a clip as an image file."""
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    (frame,) = video_reader.evenly_spaced_frames(samples / "single_face.mp4", 1)
    cv2.imwrite(str(path), frame.image[..., ::-1])
    return path


def test_an_image_is_swapped_and_signed(photo, tmp_path):
    outputs = {View.RESULT: tmp_path / "x.png", View.MASK: tmp_path / "x_mask.png"}
    marks = Marks(signing.signing_identity())
    done = convert_still.convert_still(_Negative(), photo, outputs, marks, _EVERYBODY)
    assert (done.frames, done.swapped, done.reasons) == (1, 1, {})
    before, after, mask = (cv2.imread(str(p)).astype(int) for p in (photo, *outputs.values()))
    # The watermark changes every pixel by a few levels, the swap those of the face by many.
    assert np.abs(after - before)[mask == 0].max() < 16
    assert np.abs(after - before)[mask == 255].mean() > 30 and 0.02 < (mask > 127).mean() < 0.3
    for path in outputs.values():
        assert manifest.read(path).state is manifest.State.VALID
    report = verify.verify(outputs[View.RESULT])
    assert report.verdict is verify.Verdict.MARKED
    assert report.watermark.payload == report.manifest.watermark
    again = convert_still.convert_still(_Negative(), photo, outputs, marks, _EVERYBODY)
    assert again == done


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_other_kinds_of_images_are_signed_too(photo, tmp_path, suffix):
    source = tmp_path / f"photo{suffix}"
    cv2.imwrite(str(source), cv2.imread(str(photo)))
    out = tmp_path / f"x{suffix}"
    marks = Marks(signing.signing_identity())
    convert_still.convert_still(_Negative(), source, {View.RESULT: out}, marks, _EVERYBODY)
    assert verify.verify(out).verdict is verify.Verdict.MARKED


def test_an_image_keeps_more_than_eight_bits(photo, tmp_path):
    deep = cv2.imread(str(photo)).astype(np.uint16) * 257
    deep[:20] = 20_000 + np.arange(deep.shape[1], dtype=np.uint16)[:, None]
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    out = tmp_path / "x.png"
    convert_still.convert_still(
        _Negative(), tmp_path / "deep.png", {View.RESULT: out}, Marks(None), _EVERYBODY
    )
    after = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert after.dtype == np.uint16 and np.array_equal(after[:20], deep[:20])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_an_image_keeps_its_colour_profile_but_no_exif(photo, tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source, out = tmp_path / "photo.png", tmp_path / f"x{suffix}"
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "A camera"
    Image.open(photo).save(source, icc_profile=profile, exif=exif)
    convert_still.convert_still(
        _Negative(), source, {View.RESULT: out}, Marks(signing.signing_identity()), _EVERYBODY
    )
    with Image.open(out) as image:
        assert image.info["icc_profile"] == profile and not image.getexif()
    assert verify.verify(out).verdict is verify.Verdict.MARKED


def test_a_colour_profile_of_another_space_than_rgb_is_not_kept(photo, tmp_path):
    source, out = tmp_path / "photo.jpg", tmp_path / "x.png"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.open(photo).save(source, icc_profile=profile)
    convert_still.convert_still(_Negative(), source, {View.RESULT: out}, Marks(None), _EVERYBODY)
    with Image.open(out) as image:
        assert "icc_profile" not in image.info


def test_a_name_that_no_image_can_have_is_refused(photo, tmp_path):
    with pytest.raises(InputError, match=r"x\.gif: an image ends in \.png, "):
        convert_still.check(tmp_path / "x.gif", transparent=False)
    with pytest.raises(InputError, match=r"x\.jpg: an image ends in \.png, \.webp"):
        convert_still.check(tmp_path / "x.jpg", transparent=True)


def test_a_preview_shows_frames_above_their_swaps(samples, tmp_path):
    path = tmp_path / "x.preview.png"
    source, marks = samples / "single_face.mp4", Marks(signing.signing_identity())
    done = contact_sheet.write_contact_sheet(_Negative(), source, path, 5, marks, _EVERYBODY)
    assert (done.frames, done.swapped) == (5, 5)
    assert verify.verify(path).verdict is verify.Verdict.MARKED
    grid = cv2.imread(str(path)).astype(int)
    assert grid.shape == (2 * 540 + 8, 3 * 480 + 2 * 8, 3)
    above, below = grid[:270, :480], grid[270:540, :480]
    changed = np.abs(above - below).max(-1) > 40
    assert 0.02 < changed.mean() < 0.5 and not changed[:40].any()
    assert (grid[548:, 976:] > 240).all()  # three in the first row, two in the second


def test_frames_are_spread_over_a_video(samples):
    """Checks that seeking finds the same frames as reading one after the other."""
    path = samples / "cap12_edit.webm"
    spread = list(video_reader.evenly_spaced_frames(path, 4, video_reader.Span(1.0, 3.0)))
    every = {
        f.timestamp_us: f for f in video_reader.read_frames(path, video_reader.Span(end_s=3.0))
    }
    times = [frame.timestamp_us for frame in spread]
    assert np.abs(np.array(times) / 1e6 - [1.25, 1.75, 2.25, 2.75]).max() < 0.6
    assert [frame.index for frame in spread] == [0, 1, 2, 3]
    for frame in spread:
        assert np.array_equal(frame.image, every[frame.timestamp_us].image)
    few = video_reader.evenly_spaced_frames(
        samples / "single_face.mp4", 20, video_reader.Span(end_s=0.2)
    )
    assert len(list(few)) == 6


def _planned(sources, out, encoding=Encoding(), views=(View.RESULT,)):
    jobs = conversion_jobs.plan(
        [pathlib.Path(s) for s in sources], pathlib.Path(out), views, encoding
    )
    return [str(path) for job in jobs for path in job.outputs.values()]


def test_each_file_gets_its_own_name(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    assert _planned(["a.mov"], "x.mp4") == ["x.mp4"]
    assert _planned(["a.mov"], "out") == ["out/a.mp4"]
    assert _planned(["a.mov"], "out", Encoding(Codec.PNG)) == ["out"]
    assert _planned(["a.mov", "b.webm"], "out", Encoding(Codec.PNG)) == ["out/a", "out/b"]
    assert _planned(["a.mov", "b.jpg"], "out", Encoding(Codec.FFV1)) == ["out/a.mkv", "out/b.jpg"]
    assert _planned([tmp_path], "out") == ["out/a.png", "out/b.JPG"]
    views = [View.RESULT, View.MASK]
    assert _planned(["a.mov"], "o", views=views) == ["o/a.mp4", "o/a_mask.mp4"]
    with pytest.raises(InputError, match=r"made of both x/a\.mov and y/a\.mp4"):
        _planned(["x/a.mov", "y/a.mp4"], "out")
    with pytest.raises(InputError, match="no image"):
        (tmp_path / "empty").mkdir()
        _planned([tmp_path / "empty"], "out")
    with pytest.raises(InputError, match="is the input itself"):
        _planned([tmp_path], tmp_path)


def test_a_bad_image_does_not_stop_the_others_of_its_folder(photo, tmp_path, caplog):
    folder, out = tmp_path / "photos", tmp_path / "out"
    for path in (folder, out):
        path.mkdir()
    (folder / "a.png").write_text("no image")
    (folder / "b.png").write_bytes(photo.read_bytes())
    cv2.imwrite(str(folder / "c.png"), np.full((200, 300, 3), 90, np.uint8))
    jobs = conversion_jobs.plan([folder], out, [View.RESULT], Encoding())
    assert all(job.still for job in jobs)

    def work(job):
        conversion_jobs.convert(_Negative(), job, Marks(None), _EVERYBODY)

    assert conversion_jobs.run(jobs, work) == 2
    assert sorted(path.name for path in out.iterdir()) == ["b.json", "b.png"]
    assert "a.png: not one frame" in caplog.text and "c.png: no face found" in caplog.text
    with pytest.raises(InputError, match=r"a\.png: not one frame"):
        conversion_jobs.run(jobs[:1], work)
