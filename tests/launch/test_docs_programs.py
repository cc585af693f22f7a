"""Programs that generate the documentation: flag tables, strip of frames, check of pages."""

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mkdocs.exceptions import PluginError

from launch import docs_hooks, docs_images
from tests.support import ROOT


def test_flag_tables_list_every_flag_of_a_program(tmp_path):
    command = [sys.executable, "-m", "launch.docs_flags", f"--generated={tmp_path}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    for program in ("convert", "train", "verify"):
        source = (ROOT / "launch" / f"{program}.py").read_text()
        defined = re.findall(r'flags\.DEFINE_\w+\(\s*"(\w+)"', source)
        rows = re.findall(r"^\| `--(?:\[no\])?(\w+)` \|", (tmp_path / f"{program}.md").read_text(),
                          re.MULTILINE)  # fmt: skip
        assert rows == defined and rows
    convert = (tmp_path / "convert.md").read_text()
    assert "| `--checkpoint` | required |" in convert and "| `--[no]grain` | on |" in convert
    assert "One of `none`, `mean_std`" in convert
    assert "<" not in re.sub(r"`[^`]*`", "", convert)


@pytest.fixture
def finished(tmp_path):
    """Videos like those of a demo: the target black, the result white, the mask light grey."""
    black, white, grey = (np.full((96, 128, 3), level, np.uint8) for level in (0, 255, 200))
    for name, image in (("swapped", white), ("side_by_side", np.hstack([black, white, grey]))):
        size, coding = image.shape[1::-1], cv2.VideoWriter_fourcc(*"mp4v")
        video = cv2.VideoWriter(str(tmp_path / f"{name}.mp4"), coding, 25, size)
        for _ in range(12):
            video.write(image)
        video.release()
    return tmp_path


def test_the_strip_shows_target_result_and_mask(finished):
    strip = docs_images.strip(finished, 3, 96)
    # The mask is wider than high, so the squares around it are as high as the frame.
    assert strip.shape == (3 * 96, 3 * 96, 3)
    # The upper right corner of each row is free of captions.
    for row, level in enumerate((0, 255, 200)):
        np.testing.assert_allclose(strip[96 * row + 20, -20], level, atol=8)


class _Page:
    class file:
        src_uri = "index.md"


@pytest.mark.parametrize(
    "tag",
    [
        '<script src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href="//example.org/a.css">',
        '<img alt="" src=http://example.org/a.png>',
    ],
)
def test_a_page_that_loads_from_elsewhere_stops_the_build(tag):
    with pytest.raises(PluginError, match=r"index\.md"):
        docs_hooks.on_post_page(f"<p>{tag}</p>", _Page, None)


def test_hyperlinks_and_files_of_the_page_are_fine():
    page = '<a href="https://example.org">there</a><img src="images/demo.jpg">'
    assert docs_hooks.on_post_page(page, _Page, None) == page
