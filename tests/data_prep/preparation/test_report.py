"""The report in a browser without a screen: whole, offline, nothing cut off."""

import dataclasses
import html
import json
import pathlib
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from data_prep.dataset import footage_verdict, identity_card, reader
from data_prep.dataset.coverage import Coverage
from data_prep.dataset.identity_card import (
    IdentityCard,
    PersonCard,
    RefusedVideo,
    TrackCard,
    VideoCard,
)
from data_prep.dataset.writer import Writer
from data_prep.preparation import report
from data_prep.preparation.crop_filter import QualityFilter, QualitySettings
from data_prep.reporting import thumbnails
from data_prep.weights import BISENET, MTCNN

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Measures the page when it is laid out and leaves the result in it as text.
_PROBE = """<script>
const faults = [];
addEventListener("error", event => faults.push("error: " + event.message), true);
addEventListener("securitypolicyviolation", event => faults.push("asked for " + event.blockedURI));
addEventListener("load", () => {
  const root = document.documentElement, images = [...document.images];
  const seen = [...document.querySelectorAll("section")].map(s => s.scrollWidth - s.clientWidth);
  const text = getComputedStyle(document.querySelector("svg text"));
  const found = {
    faults, images: images.length, loaded: images.filter(i => i.naturalWidth > 0).length,
    fetched: performance.getEntriesByType("resource").map(e => e.name)
      .filter(name => !name.startsWith("data:")),
    overflow: Math.max(root.scrollWidth - root.clientWidth, ...seen),
    empty: [...document.querySelectorAll("svg, img")]
      .filter(e => Math.min(e.clientWidth, e.clientHeight) < 10).length,
    plots: document.querySelectorAll("svg").length, ink: text.fill,
    body: getComputedStyle(document.body).color,
  };
  const out = document.createElement("pre");
  out.id = "found"; out.textContent = JSON.stringify(found); document.body.append(out);
});
</script>"""


def _card(keep: QualityFilter, coverage: Coverage, holdout: int, thumbnail: str) -> IdentityCard:
    people = (
        PersonCard(frames=75, chosen=True, reason="seen most often", thumbnail=thumbnail),
        PersonCard(frames=3, chosen=False, reason="someone else", thumbnail=""),
    )
    video = VideoCard(
        name="clip <1> & a name that is so long that it would not fit beside any plot.mp4",
        sha256="0" * 64,
        key="1" * 64,
        frames=80,
        train=coverage.crops,
        holdout=holdout,
        cuts=(40, 60),
        fps=25.0,
        duration_us=3_200_000,
        tracks=(TrackCard(0, 0, 2_960_000, 75, gaps=((1_000_000, 1_400_000),)),),
        people=people,
        dropped=keep.dropped,
        dropped_thumbnails=keep.thumbnails(),
        frames_without_face=5,
        coverage=coverage.counted(),
    )
    return IdentityCard(
        "A <script>alert(1)</script>",
        "A & B agree",
        (video,),
        models=(MTCNN["pnet"], BISENET),
        fingerprint="f" * 64,
        refused=(RefusedVideo("bad.mp4", "", "no face found"),),
        coverage=coverage.counted(),
        verdict=footage_verdict.verdict(coverage),
    )


@pytest.fixture(scope="module")
def folder(crops, tmp_path_factory) -> pathlib.Path:
    """A data set of real crops, some of them spoilt."""

    def spoilt(number, face):
        blurred = cv2.GaussianBlur(face.image, (0, 0), 6)
        return dataclasses.replace(face, image=blurred) if number % 20 == 7 else face

    keep, coverage = QualityFilter(QualitySettings(), 300, 400), Coverage()
    kept = list(keep.kept(spoilt(*pair) for pair in enumerate(crops)))
    for face in kept:
        coverage.add(face)
    card = _card(keep, coverage, 5, thumbnails.thumbnail(crops[0].image))
    (video,) = card.videos
    out = tmp_path_factory.mktemp("report") / "set"
    with Writer(out, card.identity, card.consent) as writer:
        writer.add("train", kept, video)
        writer.add("holdout", crops[:5], video)
        writer.finish(card, report.write)
    return out


def _browse(page: pathlib.Path, *options: str) -> str:
    browser = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    assert browser, "no browser: run `make browser`, or install chromium"
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={page.parent / 'profile'}",
        *options,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 520)])
def test_a_browser_shows_the_whole_page(folder, tmp_path, scheme, width):
    text = (folder / "report.html").read_text()
    # The page lets no script run; the probe is let in, everything else stays shut out.
    text = text.replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    text = text.replace("color-scheme: light dark", f"color-scheme: {scheme}")
    page = tmp_path / "probed.html"
    page.write_text(text.replace("<title>", _PROBE + "<title>"))
    dom = _browse(page, f"--window-size={width},1000", "--dump-dom")
    found = json.loads(html.unescape(re.search('<pre id="found">(.*?)</pre>', dom)[1]))
    assert found["faults"] == [] and found["fetched"] == []
    assert found["images"] == found["loaded"] == text.count("<img ") > 40
    assert found["plots"] == 6 and found["empty"] == 0
    assert found["overflow"] <= 0
    assert found["ink"] == found["body"], "the plots are not in the colour of the page's text"


def test_a_screenshot_shows_the_crops(folder, tmp_path):
    page, shot = tmp_path / "report.html", tmp_path / "shot.png"
    shutil.copy(folder / "report.html", page)
    _browse(page, "--window-size=1280,2600", f"--screenshot={shot}")
    image = cv2.imread(str(shot))
    assert image.shape == (2600, 1280, 3)
    # 27 crops of 128 pixels have at least as many pixels of the man's skin.
    blue, green, red = (image[..., i].astype(int) for i in range(3))
    assert np.sum((red > green + 25) & (green > blue + 5)) > 27 * 2000


def test_the_page_has_everything_of_the_card(folder):
    text, card = (folder / "report.html").read_text(), identity_card.read_card(folder)
    assert "<script>" not in text and "A &lt;script&gt;" in text and "clip &lt;1&gt; &amp;" in text
    for part in (
        ">Not enough</p>",
        " s more of this kind would do.",
        "A &amp; B agree",
        "no face found",
        "seen most often",
        "left out: someone else",
        "face detection (pnet)<td>mtcnn 1.0.0",
        "research only",
        "not for commercial use",
        "4: the face is blurred",
        f"{card.videos[0].dropped['duplicate']}: nothing has changed",
    ):
        assert part in text, part
    assert text.count("not for commercial use") == 1
    addresses = re.findall(r"""(?:src|href)=["']?([^"'\s>]+)|url\(([^)]+)\)""", text)
    assert all(re.match("data:|#", a or b) for a, b in addresses)


def test_a_report_written_again_is_the_same(folder):
    before = (folder / "report.html").read_bytes()
    assert report.write(folder).read_bytes() == before


def test_only_the_crops_on_the_page_are_read(folder, monkeypatch):
    read, count = reader.read, []

    def counted(*args):
        for example in read(*args):
            count.append(example["timestamp_us"])
            yield example

    monkeypatch.setattr(reader, "read", counted)
    report.write(folder)
    card = identity_card.read_card(folder)
    assert len(count) == 27 < card.count("train")
    assert count == sorted(count) and count[0] < 100_000 and count[-1] > 2_800_000
