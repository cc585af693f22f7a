"""How every figure is read: its unit, its range, and which way is better."""

from __future__ import annotations

import dataclasses
import enum


class Better(enum.StrEnum):
    """Which way a figure is better."""

    MORE = "more"
    LESS = "less"
    ONE = "near 1"
    NEITHER = "neither"


@dataclasses.dataclass(frozen=True)
class Metric:
    """How one figure is read.

    Attributes:
      name: under which it is stored.
      title: in words.
      unit: "" where it has none.
      least: it can be, None for no limit.
      most: likewise.
      better: which way.
      meaning: how to read it, for people.
      decimals: that are worth printing.
    """

    name: str
    title: str
    unit: str
    least: float | None
    most: float | None
    better: Better
    meaning: str
    decimals: int = 2

    @property
    def range(self) -> str:
        """In words."""
        if self.least is None:
            return "any" if self.most is None else f"up to {self.most:g}"
        return f"from {self.least:g}" if self.most is None else f"{self.least:g} to {self.most:g}"

    def text(self, value: float | None) -> str:
        """A value as it is printed; "-" for one that is not known."""
        return "-" if value is None else f"{value:.{self.decimals}f}"

    def ahead(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        if self.better is Better.ONE:
            return abs(one - 1) < abs(other - 1)
        return one > other if self.better is Better.MORE else one < other


_MORE, _LESS, _ONE, _NEITHER = Better.MORE, Better.LESS, Better.ONE, Better.NEITHER

IDENTITY = (
    Metric("transfer", "identity transfer", "", None, None, _MORE,
           "0: still the target person; 1: as like the source as held-out footage of the source. "
           "By SFace, a network no loss has seen"),
    Metric("source_wins", "source wins", "", 0, 1, _MORE,
           "share of frames nearer to the source than to the target", 3),
    Metric("retrieval", "top-1 retrieval", "", 0, 1, _MORE,
           "share of frames whose nearest picture, of 64 of each person, is one of the source", 3),
    Metric("similarity_source", "cosine with the source", "", -1, 1, _MORE,
           "of the swapped frames; above 0.363 OpenCV calls it the same person"),
    Metric("similarity_target", "cosine with the target", "", -1, 1, _LESS,
           "of the swapped frames: what is left of the replaced person"),
    Metric("baseline", "no swap: cosine with the source", "", -1, 1, _NEITHER,
           "of the target's own frames: where transfer is 0"),
    Metric("ceiling", "held-out source: cosine with the source", "", -1, 1, _NEITHER,
           "of footage of the source that was not trained on: where transfer is 1"),
)  # fmt: skip
PERFORMANCE = (
    Metric("expression_error", "expression error", "% of eye distance", 0, None, _LESS,
           "distance of the 478-point meshes of swap and target after a similarity fit; about 2 % "
           "is just that faces differ"),
    Metric("blendshape_error", "blendshape error", "", 0, 1, _LESS,
           "mean difference of 51 coefficients of expression, each 0 to 1", 3),
    Metric("pose_error", "pose error", "degrees", 0, 180, _LESS,
           "mean difference of yaw, pitch and roll"),
    Metric("mouth_correlation", "correlation of mouth openings", "", -1, 1, _MORE,
           "over time: whether the mouth opens when the target's does"),
    Metric("mouth_gain", "reach of mouth openings", "", None, None, _ONE,
           "how far the mouth opens for one opening of the target's: 1 as far, 0 not at all"),
    Metric("eye_correlation", "correlation of eye openings", "", -1, 1, _MORE,
           "over time: whether the eyes blink and narrow when the target's do"),
    Metric("eye_gain", "reach of eye openings", "", None, None, _ONE,
           "how far the lids move for one movement of the target's: 1 as far, 0 not at all"),
    Metric("gaze_correlation", "correlation of gazes", "", -1, 1, _MORE,
           "over time, of the place of the irises in the eyes"),
)  # fmt: skip
STEADINESS = (
    Metric("jitter", "jitter", "", 0, None, _ONE,
           "second differences of the landmarks over time, swap over target"),
    Metric("flicker", "flicker", "", 0, None, _ONE,
           "second differences of the brightness of the face over time, swap over target"),
    Metric("faces_kept", "faces kept", "", 0, 1, _MORE,
           "share of the target's faces that are still found as faces", 3),
)  # fmt: skip
PICTURE = (
    Metric("sharpness", "sharpness, of that of the target", "", 0, None, _ONE,
           "mean absolute Laplacian inside the face, drawn over real; grain of the watermark "
           "counts"),
    Metric("sharpness_of_source", "sharpness, of that of the source", "", 0, None, _ONE,
           "the same, over the source's footage brought to the size of this face: where theirs was "
           "smaller, it is enlarged and soft"),
    Metric("seam", "seam", "grey levels", 0, 255, _LESS,
           "steepest step of colour along the edge of the mask that the target does not have: hair "
           "drawn there counts, too, so it compares runs on one clip; 0 where nothing was changed"),
    Metric("background_psnr", "untouched pixels", "dB", 0, None, _MORE,
           "PSNR away from the face; above 42 only the encoder differs", 1),
    Metric("kid", "KID to the source", "", None, None, _LESS,
           "distance of the swapped faces from the source's footage in features of "
           "EfficientNet-Lite0; compares within this project only"),
    Metric("kid_of_footage", "KID of held-out footage", "", None, None, _NEITHER,
           "of the source's held-out footage to that it was trained on: what poses and light "
           "make of it"),
    Metric("kid_of_target", "KID of the target", "", None, None, _NEITHER,
           "of the target's own faces: what no swap has"),
    Metric("fid", "FID to the source", "", 0, None, _LESS,
           "as KID, of two Gaussians; compares at the same number of pictures only", 0),
)  # fmt: skip
RECONSTRUCTION = (
    Metric("ssim", "reconstruction SSIM", "", -1, 1, _MORE,
           "the person by the own decoder on held-out crops, where its windows of 7 pixels lie in "
           "the face", 3),
    Metric("psnr", "reconstruction PSNR", "dB", 0, None, _MORE,
           "likewise", 1),
    Metric("lpips", "reconstruction LPIPS", "", 0, None, _LESS,
           "likewise, the face alone on grey; by the network (AlexNet or VGG16) that the training "
           "did not use", 3),
)  # fmt: skip

METRICS = {
    figure.name: figure
    for figure in (*IDENTITY, *PERFORMANCE, *STEADINESS, *PICTURE, *RECONSTRUCTION)
}
