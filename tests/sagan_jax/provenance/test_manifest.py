"""Tests of manifests: their content, and that every way of tampering shows."""

import dataclasses
import io
import json
import stat
import types

import av
import c2pa
import numpy as np
import pytest
from cryptography import x509

from data_prep import weights
from data_prep.dataset import dataset_card
from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.media.codecs import Encoding
from data_prep.media.video_reader import Span
from data_prep.media.video_writer import VideoWriter
from data_prep.pipeline.settings import FaceSettings
from data_prep.segmentation.mask_source import MaskSource
from sagan_jax.checkpoints import model_card
from sagan_jax.conversion import convert_settings, render_setup, sidecar
from sagan_jax.provenance import manifest as manifests
from sagan_jax.provenance import marking, signing, verify, watermark
from sagan_jax.provenance.manifest import (
    ConsentedIdentity,
    ModelReference,
    NamedFile,
    Origin,
    State,
)
from sagan_jax.provenance.verify import Verdict
from tests.support.clips import marked
from tests.support.facts import checkpoint_facts, identity_facts

_PAYLOAD = 0xFEED_F00D_0123_4567
_ORIGIN = Origin(
    target=NamedFile("target.mp4", "ab" * 32),
    identities=(
        ConsentedIdentity("Ada", "Ada agrees to this test", "cd" * 32),
        ConsentedIdentity("Bob", "Bob agrees to this test", "ef" * 32),
    ),
    rendered="Ada",
    weights=FaceSettings().models,
    model=ModelReference(step=7, sha256="12" * 32),
    settings={"sharpen": True},
    watermark=_PAYLOAD,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))


@pytest.fixture
def signed(samples, tmp_path):
    return _render(samples, tmp_path / "swapped.mp4", _ORIGIN)


def _render(samples, path, origin, start_s=0.0):
    """Writes a second of video with the marks of a conversion."""
    info = video_reader.probe(samples / "cap13_edit2.mp4")
    marks = marking.Marks(signing.signing_identity())
    mark = marking.FrameMarker(marks, info.height, info.width, origin.watermark or 0)
    alpha = np.ones((info.height, info.width), np.float32)
    with VideoWriter(
        path, width=info.width, height=info.height, like=info, seal=marks.sealing(origin)
    ) as writer:
        span = Span(start_s, start_s + 1.0)
        for frame in video_reader.read_frames(samples / "cap13_edit2.mp4", span):
            writer.write(
                marked(mark, frame.image, alpha), frame.timestamp_us - round(start_s * 1e6)
            )
    return path


def _remuxed(path, out):
    """Copies the packets to a new file, like sites that strip metadata."""
    with av.open(str(path)) as source, av.open(str(out), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return out


def test_a_rendered_video_says_what_it_is(signed):
    report = verify.verify(signed)
    assert report.verdict is Verdict.MARKED
    manifest = report.manifest
    assert manifest.state is State.VALID and manifest.synthetic and manifest.trusted
    assert manifest.signer == "SAGAN-JAX local signer"
    assert manifest.watermark == report.watermark.payload == _PAYLOAD
    statement = manifest.statement
    assert statement["target"] == {"name": "target.mp4", "sha256": "ab" * 32}
    assert statement["rendered"] == "Ada"
    assert [one["consent"] for one in statement["identities"]] == [
        "Ada agrees to this test",
        "Bob agrees to this test",
    ]
    assert {one["licence"] for one in statement["weights"]} == {"MIT", "Apache-2.0", "CC0-1.0"}
    assert statement["non_commercial_weights"] is False
    assert "Ada agrees to this test" in report.summary()
    assert weights.NON_COMMERCIAL not in report.summary()


def test_non_commercial_weights_are_named_by_everything_made_with_them(samples, tmp_path):
    """Checks that the face parser behind one data set limits the model and its videos as well."""
    people = [
        identity_facts(name, source, FaceSettings(masks=source).models)
        for name, source in (("Ada", MaskSource.BISENET), ("Bob", MaskSource.MESH))
    ]
    facts = checkpoint_facts(*people)
    swapper = types.SimpleNamespace(facts=facts, to=0, fingerprint="12" * 32, step=7)
    settings = render_setup.with_masks_of(swapper, convert_settings.ConvertSettings())
    assert settings.face.masks is MaskSource.MESH  # Bob's face is masked as his data set was
    swapper.to = 1
    assert render_setup.with_masks_of(swapper, settings).face.masks is MaskSource.BISENET
    origin = sidecar.origin_of(swapper, _ORIGIN.target, settings.to_json(), settings.face, _PAYLOAD)
    hashes = [one.sha256 for one in origin.weights]
    assert len(hashes) == len(set(hashes)) == 7
    report = verify.verify(_render(samples, tmp_path / "swapped.mp4", origin))
    assert report.manifest.statement["non_commercial_weights"] is True
    assert weights.NON_COMMERCIAL in report.summary()

    model_card.write(tmp_path, facts, 1, {})
    assert json.loads((tmp_path / "model_card.json").read_text())["non_commercial_weights"] is True
    assert weights.NON_COMMERCIAL in (tmp_path / "MODEL_CARD.md").read_text()

    for person, limited in zip(people, (True, False), strict=True):
        for text in (dataset_card.description(person.card), dataset_card.markdown(person.card)):
            assert (weights.NON_COMMERCIAL in text) is limited


def test_the_file_has_the_source_type_and_no_thumbnail(signed):
    content = signed.read_bytes()
    assert b"Iptc4xmpExt:DigitalSourceType" in content
    with av.open(str(signed)) as container:
        assert container.streams.video[0].frames == 25
    assert b"c2pa.thumbnail" not in content  # no pixels of what went in


def test_an_edited_byte_shows(signed):
    content = bytearray(signed.read_bytes())
    content[content.index(b"mdat") + 5000] ^= 1
    signed.write_bytes(content)
    report = verify.verify(signed)
    assert report.verdict is Verdict.TAMPERED
    assert report.manifest.problems == ("assertion.bmffHash.mismatch",)


def test_a_cut_file_shows(signed):
    content = signed.read_bytes()
    signed.write_bytes(content[: int(0.7 * len(content))])
    assert manifests.read(signed).state is State.TAMPERED


def test_an_edited_statement_shows(signed):
    content = signed.read_bytes()
    signed.write_bytes(content.replace(b"Ada agrees to this test", b"Eva agrees to this test"))
    assert verify.verify(signed).verdict is Verdict.TAMPERED


def test_the_watermark_remains_when_metadata_are_stripped(signed, tmp_path):
    report = verify.verify(_remuxed(signed, tmp_path / "stripped.mp4"))
    assert report.verdict is Verdict.WATERMARK_ONLY
    assert report.manifest.state is State.ABSENT and report.watermark.payload == _PAYLOAD


def test_the_watermark_remains_when_the_video_is_encoded_again(signed, tmp_path):
    info = video_reader.probe(signed)
    again = tmp_path / "again.mp4"
    with VideoWriter(
        again, width=info.width, height=info.height, like=info, encoding=Encoding(crf=23)
    ) as writer:
        for frame in video_reader.read_frames(signed):
            writer.write(frame.image, frame.timestamp_us)
    report = verify.verify(again)
    assert report.verdict is Verdict.WATERMARK_ONLY and report.watermark.payload == _PAYLOAD


def test_a_manifest_of_another_video_shows(samples, signed, tmp_path):
    """Signs a stripped video with a valid manifest that does not fit its watermark."""
    stripped = _remuxed(signed, tmp_path / "stripped.mp4")
    forged = dataclasses.replace(_ORIGIN, watermark=1, rendered="Bob")
    manifests.seal(stripped, stripped.name, forged, signing.signing_identity())
    assert manifests.read(stripped).state is State.VALID
    assert verify.verify(stripped).verdict is Verdict.TAMPERED


def test_an_unmarked_video_is_not_called_genuine(samples):
    report = verify.verify(samples / "cap13_edit2.mp4")
    assert report.verdict is Verdict.UNMARKED
    assert "does not make it genuine" in report.summary()


def test_a_signer_of_another_machine_is_valid_but_not_trusted(signed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    manifest = manifests.read(signed)
    assert manifest.state is State.VALID and not manifest.trusted


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_a_file_that_is_no_video_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.mp4: [^\n]+$"):
        verify.verify(path)
    with pytest.raises(InputError, match="no such file"):
        verify.verify(tmp_path / "absent.mp4")


def test_a_photo_signed_by_a_camera_is_valid_and_not_synthetic(tmp_path):
    photo = tmp_path / "photo.png"
    with av.open(str(photo), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), "rgb24")
        container.mux(stream.encode(grey))
        container.mux(stream.encode(None))
    identity = signing.signing_identity()
    info = c2pa.C2paSignerInfo(
        identity.algorithm, identity.certificates.encode(), identity.key.encode(), None
    )
    capture = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    action = {"action": "c2pa.created", "digitalSourceType": capture}
    manifest = {
        "claim_generator_info": [{"name": "a camera", "version": "1"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}],
    }
    out = io.BytesIO()
    with c2pa.Context() as context, c2pa.Builder(json.dumps(manifest), context) as builder:
        builder.sign(c2pa.Signer.from_info(info), "image/png", io.BytesIO(photo.read_bytes()), out)
    photo.write_bytes(out.getvalue())
    report = verify.verify(photo)
    assert report.manifest.state is State.VALID and not report.manifest.synthetic
    assert report.manifest.generator == "a camera 1" and report.verdict is Verdict.UNMARKED


def test_a_container_without_room_for_a_manifest_gets_it_beside_it(signed, tmp_path, caplog):
    film = _remuxed(signed, tmp_path / "film.mkv")
    manifests.seal(film, film.name, _ORIGIN, signing.signing_identity())
    assert (tmp_path / "film.mkv.c2pa").is_file() and "keep both" in caplog.text
    assert verify.verify(film).verdict is Verdict.MARKED
    film.write_bytes(film.read_bytes() + b"x")
    assert verify.verify(film).verdict is Verdict.TAMPERED


def test_the_local_key_is_for_its_owner_only():
    identity = signing.signing_identity()
    key = signing.local_folder() / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert identity.local and signing.signing_identity() == identity
    leaf, authority = x509.load_pem_x509_certificates(identity.certificates.encode())
    leaf.verify_directly_issued_by(authority)
    assert "PRIVATE" not in repr(identity)


def test_a_certificate_of_the_user_signs(signed, tmp_path, monkeypatch):
    folder = signing.local_folder()
    monkeypatch.setenv(signing.CERTIFICATES_VARIABLE, str(folder / "certificates.pem"))
    monkeypatch.setenv(signing.KEY_VARIABLE, str(folder / "key.pem"))
    assert not signing.signing_identity().local
    monkeypatch.delenv(signing.KEY_VARIABLE)
    with pytest.raises(InputError, match="one is missing") as error:
        signing.signing_identity()
    assert error.value.setting == "key"


def test_a_key_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    signing.signing_identity()
    first = signing.local_folder()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    signing.signing_identity()
    with pytest.raises(InputError, match="is not the key of"):
        signing.signing_identity(first / "certificates.pem", signing.local_folder() / "key.pem")


def test_the_label_is_in_the_lower_left_corner():
    grey = np.full((200, 300, 3), 120, np.uint8)
    marks = marking.Marks(None, label="AI-generated")
    mark = marking.FrameMarker(marks, 200, 300, 0)
    labelled = marked(mark, grey, np.zeros((200, 300), np.float32))
    rows, columns = np.nonzero((labelled != grey).any(-1))
    assert rows.min() > 170 and columns.max() < 150 and len(rows) > 100
    assert watermark.PUBLIC_KEY not in str(marks.record()) and marks.sealing(_ORIGIN) is None
