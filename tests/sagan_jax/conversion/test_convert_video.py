"""Tests of the conversion of videos, with a stand-in for the generator: files and resumption."""

import functools
import json

import av
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.audio import Sound
from data_prep.media.codecs import Codec, Encoding
from data_prep.media.coded_frame import CodedFrame
from data_prep.media.video_writer import VideoWriter
from sagan_jax.configs.crop_window import CropWindow
from sagan_jax.conversion import convert_settings, convert_video, views
from sagan_jax.conversion.convert_settings import View
from sagan_jax.provenance import manifest as manifests
from sagan_jax.provenance import signing
from sagan_jax.provenance.manifest import State
from sagan_jax.provenance.marking import Marks
from sagan_jax.rendering import render_settings
from sagan_jax.rendering.render_settings import RenderSettings
from tests.support.clips import packet_contents, psnr
from tests.support.facts import checkpoint_facts, identity_facts

_SPAN = video_reader.Span(0.0, 1.2)


class _Blurring:
    """Renders every face as itself, blurred; raises `KeyboardInterrupt` after some batches."""

    step, to, fingerprint, crop_window, places = 1, 0, "0" * 64, CropWindow(64), None

    def __init__(self, batches=1000):
        self.facts, self._left = checkpoint_facts(identity_facts("A"), identity_facts("B")), batches

    def __call__(self, crops, masks, mean, std, exaggeration):
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        small = [self.crop_window.of(crop) for crop in crops]
        rgb = np.stack(small).astype(np.float32) / 255
        return np.clip(rgb * 0.8 + 0.02, 0, 1), np.ones((len(rgb), 64, 64, 1), np.float32)


@pytest.fixture(autouse=True, scope="module")
def found_once():
    """Finds the faces of the same part of the same clip once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        find = functools.cache(lambda path, settings, span: analyse(path, settings, span))
        analyse = convert_video.faces.analyse
        patch.setattr(
            convert_video.faces, "analyse", lambda path, face, span, _: find(path, face, span)
        )
        yield


def _convert(samples, out, swapper, views=(View.RESULT,), marks=Marks(None), **settings):
    outputs = {view: out.with_stem(f"{out.stem}{i}") for i, view in enumerate(views)}
    settings = convert_settings.ConvertSettings(**{"span": _SPAN, "segment": 16, **settings})
    source = samples / "single_face.mp4"
    done = convert_video.convert(swapper, source, outputs, marks, settings)
    return done, list(outputs.values())


def _not_again(*_):
    raise AssertionError("the faces were searched for again")


@pytest.mark.parametrize(
    "method", [render_settings.ColourMethod.MEAN_STD, render_settings.ColourMethod.TRANSPORT]
)
def test_a_resumed_conversion_writes_the_same_video(samples, tmp_path, method, monkeypatch):
    for name in ("whole", "resumed"):
        (tmp_path / name).mkdir()
    look = RenderSettings(colour=method)
    views = (View.RESULT, View.MASK)
    whole, paths = _convert(samples, tmp_path / "whole/x.mp4", _Blurring(), views, look=look)
    with pytest.raises(KeyboardInterrupt):
        _convert(samples, tmp_path / "resumed/x.mp4", _Blurring(2), views, look=look)
    assert (tmp_path / "resumed/x0.unfinished.mp4").exists()
    monkeypatch.setattr(convert_video.faces, "analyse", _not_again)
    resumed, again = _convert(samples, tmp_path / "resumed/x.mp4", _Blurring(2), views, look=look)
    assert resumed == whole and whole.frames == whole.swapped == 36
    for one, other in zip(paths, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert packet_contents(again[0])
    names = ("x0.json", "x0.mp4", "x1.mp4")
    assert sorted(path.name for path in (tmp_path / "resumed").iterdir()) == list(names)


def test_a_finished_conversion_is_not_repeated(samples, tmp_path, monkeypatch):
    first, _ = _convert(samples, tmp_path / "x.mp4", _Blurring(), span=video_reader.Span(0.0, 0.4))
    monkeypatch.setattr(convert_video.faces, "analyse", _not_again)
    again, _ = _convert(samples, tmp_path / "x.mp4", _Blurring(0), span=video_reader.Span(0.0, 0.4))
    assert again == first
    with pytest.raises(
        InputError, match=r"exists and is of another .*; give another name"
    ) as error:
        _convert(
            samples, tmp_path / "x.mp4", _Blurring(0), span=video_reader.Span(0.0, 0.4), sound=None
        )
    assert error.value.setting == "force"


def test_faces_are_kept_when_stopped_before_the_first_segment(samples, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        _convert(samples, tmp_path / "x.mp4", _Blurring(0))
    assert [path.name for path in tmp_path.glob("*/*")] == ["faces.npz"]
    monkeypatch.setattr(convert_video.faces, "analyse", _not_again)
    # The faces do not depend on the look, so another look finds them in the file as well.
    done, _ = _convert(samples, tmp_path / "x.mp4", _Blurring(), look=RenderSettings(sharpen=False))
    assert done.swapped == 36


def test_a_resumed_video_has_one_watermark(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    marks = Marks(signing.signing_identity())
    with pytest.raises(KeyboardInterrupt):
        _convert(samples, tmp_path / "x.mp4", _Blurring(2), marks=marks)
    state = json.loads((tmp_path / "x0.mp4.segments/00000.json").read_text())["state"]
    _, (path,) = _convert(samples, tmp_path / "x.mp4", _Blurring(), marks=marks)
    manifest = manifests.read(path)
    assert manifest.state is State.VALID
    assert manifest.watermark == state["watermark"]
    record = json.loads(path.with_suffix(".json").read_text())
    assert int(record["watermark"], 16) == state["watermark"]


def test_images_are_signed_one_by_one(samples, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    _, (folder,) = _convert(
        samples,
        tmp_path / "frames",
        _Blurring(),
        marks=Marks(signing.signing_identity()),
        span=video_reader.Span(0.0, 0.4),
        encoding=Encoding(Codec.PNG),
        sound=None,
    )
    images = sorted(folder.glob("*.png"))
    assert len(images) == 12
    assert manifests.read(images[-1]).state is State.VALID


def test_the_json_of_settings_has_no_paths(tmp_path):
    settings = convert_settings.ConvertSettings(sound=Sound(tmp_path / "private" / "voice.wav"))
    assert settings.to_json()["sound"]["path"] == "voice.wav"
    assert str(tmp_path) not in json.dumps(settings.to_json())


def test_each_view_shows_its_part():
    random = np.random.default_rng(0)
    image, changed = random.integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    target, result = (CodedFrame.from_rgb(0, 0, one) for one in (image, changed))
    alpha = np.full((8, 6), 0.5, np.float32)
    assert views.compose(View.RESULT, target, result, alpha) is result
    assert (views.compose(View.MASK, target, result, alpha).planes[0] == 128).all()
    (beside,) = views.compose(View.SIDE_BY_SIDE, target, result, alpha).planes
    assert beside.shape == (8, 18, 3) and np.array_equal(beside[:, 6:12], changed)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_the_face_laid_over_the_target_is_the_result(depth):
    random = np.random.default_rng(0)
    image, face = random.integers(0, 256, (2, 16, 12, 3)).astype(np.uint8)
    alpha = random.random((16, 12)).astype(np.float32) * (random.random((16, 12)) > 0.5)
    result = np.round(image + alpha[..., None] * (face.astype(float) - image)).astype(np.uint8)
    step = 1 if depth is np.uint8 else 257
    before, after = (CodedFrame.from_rgb(0, 0, one.astype(depth) * step) for one in (image, result))
    layer = views.compose(View.FACE, before, after, alpha)
    assert layer.dtype == depth and layer.shape == (16, 12, 4)
    opacity = layer[..., 3:] / np.iinfo(depth).max
    blended = opacity * layer[..., :3] + (1 - opacity) * (image.astype(float) * step)
    assert np.abs(blended - result.astype(float) * step).max() <= 1.01 * step
    assert not layer[alpha == 0].any()


def test_the_face_for_compositors_lies_where_its_transforms_say(samples, tmp_path):
    done, (path,) = _convert(
        samples,
        tmp_path / "x.mov",
        _Blurring(),
        (View.FACE,),
        span=video_reader.Span(0.0, 0.4),
        encoding=Encoding(Codec.PRORES),
        sound=None,
    )
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgba") for frame in container.decode(video=0)]
        assert container.streams.video[0].codec_context.codec_tag == "ap4h"
    assert len(frames) == done.frames == 12
    opacity = frames[0][..., 3]
    assert opacity.max() > 250 and opacity.min() == 0 and 0.02 < (opacity > 128).mean() < 0.5
    placed = json.loads((tmp_path / "x0.transforms.json").read_text())
    assert [one["frame"] for one in placed["faces"]] == list(range(12))
    rows, columns = np.nonzero(opacity > 128)
    middle = np.array(placed["faces"][0]["transform"]) @ [columns.mean(), rows.mean(), 1]
    assert np.abs(middle - placed["crop_size"] / 2).max() < 40


def test_ten_bits_in_ten_bits_out(samples, tmp_path):
    """Checks that the gradations between 8-bit steps survive outside the face."""
    source = tmp_path / "deep.mp4"
    frames = list(
        video_reader.read_frames(samples / "single_face.mp4", video_reader.Span(end_s=0.5))
    )
    like = video_reader.probe(samples / "single_face.mp4")
    encoding = Encoding(Codec.H265, 10, crf=4)
    ramp = np.linspace(0, 256, 640)[None, :, None]
    with VideoWriter(source, width=640, height=360, like=like, encoding=encoding) as writer:
        for frame in frames:
            deep = frame.image.astype(np.uint16) * 257
            deep[:40] = 20_000 + ramp
            writer.write(deep, frame.timestamp_us)
    outputs = {View.RESULT: tmp_path / "x.mp4"}
    settings = convert_settings.ConvertSettings(encoding=encoding, sound=None)
    convert_video.convert(_Blurring(), source, outputs, Marks(None), settings)
    before, after = (
        next(video_reader.read_coded_frames(path, pixel_format="rgb48le"))
        for path in (source, tmp_path / "x.mp4")
    )
    with av.open(str(tmp_path / "x.mp4")) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p10le"
    deep = [one.planes[0] for one in (before, after)]
    assert len(np.unique(deep[0][:30, :, 1])) > 2  # the source has such gradations
    assert np.abs(deep[1][:30].astype(int) - deep[0][:30]).mean() < 64
    assert psnr(after.rgb(), before.rgb()) > 20
