"""Cuts of real and of artificial clips."""

import numpy as np
import pytest

from data_prep.media import video_reader
from data_prep.tracking.settings import TrackingSettings
from data_prep.tracking.shot_boundary import CutDetector


def test_a_new_image_is_a_cut_and_a_shifted_one_is_not():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 255, (2, 9, 16, 3), np.uint8).repeat(40, 1).repeat(40, 2)
    is_cut = CutDetector(TrackingSettings())
    assert [is_cut(i) for i in (first, np.roll(first, 4, 1), second)] == [False, False, True]


@pytest.mark.parametrize(
    ("clip", "cuts"),
    [
        ("bikes.mp4", [30, 76, 137, 187, 242]),
        ("face_noface.mov", [72, 73]),  # frame 72 is black
        ("cap13_edit2.mp4", []),
        ("WolfgangLanger_Pexels.mp4", []),
        ("carphone_pristine.mp4", []),
        ("bigbuckbunny.mp4", []),
    ],
)
def test_all_cuts_of_real_clips_are_found_and_no_others(samples, clip, cuts):
    is_cut = CutDetector(TrackingSettings())
    frames = video_reader.read_frames(samples / clip, exact=False)
    assert [f.index for f in frames if is_cut(f.image)] == cuts
