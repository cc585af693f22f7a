"""Separates the skin of a face from the hair around it by their colours in this image.

Nothing is learned beforehand: the cheeks are samples of the skin, the surroundings of the face
samples of the hair. Two Gaussians in CIE Lab, each with a mean that varies linearly over the image
(light comes from one side), are fitted in turn, each to the pixels that the other one explains
worse. The decision is smoothed, but not across edges (mean field of a Potts model whose links are
weak across edges, as in Boykov and Jolly, "Interactive Graph Cuts", 2001).
"""

from __future__ import annotations

import dataclasses

import numpy as np

# None of these is critical: changed one at a time by a third to a factor of two, the mean
# agreement with a face parser over 28 photographed faces moves by at most 0.01.
#
# Added to the deviation of both colours, Lab units: noise, pores, strands.
_FLOOR = np.array([9.0, 4.0, 4.0], np.float32)
# Regularises the slope of the colour over the image, as a share of the number of samples.
_STIFFNESS = 0.01
# Number of times that both colours are fitted after the first guess.
_TURNS = 2
# Squared distances, in standard deviations, from the colour of the cheeks: surroundings nearer
# than the first are ears or a hand, and pixels of the face farther than the second are a fringe.
_LIKE_SKIN, _UNLIKE_SKIN = 4.0, 24.0
# Least log density: a pixel that is like neither skin nor hair keeps its prior.
_LEAST_DENSITY = -7.0
# Least share of pixels that hair is fitted to. With less hair in view (a bald head) skin is judged
# alone: against a log density this far below its own peak.
_LEAST_HAIR = 0.01
_ALONE = -4.5
# Prior log odds of being face: within the mesh, and at the very top of the extent.
_WITHIN, _TOP = 1.5, -2.0
# Added to the prior per lift of the forehead further down: a jaw is dark from shade more often than
# from hair.
_BELOW = 0.5
# Log odds from which on a colour is fitted to a pixel, and at which log odds are clipped.
_SURE, _LIMIT = 1.0, 5.0
# Smoothing: number of sweeps, pull of a neighbour of the same colour in half log odds, and the Lab
# distance that weakens it.
_SWEEPS, _LINK, _EDGE = 5, 1.0, 8.0


@dataclasses.dataclass(frozen=True)
class Regions:
    """Regions of a crop in which to look for skin and hair, each `[n, n]`.

    Attributes:
      core: bool, face of any colour: eyes, brows, nose, mouth, chin.
      cheeks: bool, certainly skin unless something hides it.
      within: bool, inside the mesh.
      extent: bool, the farthest that the face can reach.
      around: bool, the person outside of `extent`: mostly hair.
      rise: float32, 0 at the top of the mesh, 1 at the top of the extent, negative below.
    """

    core: np.ndarray
    cheeks: np.ndarray
    within: np.ndarray
    extent: np.ndarray
    around: np.ndarray
    rise: np.ndarray


def is_skin(lab: np.ndarray, regions: Regions) -> np.ndarray:
    """Decides which pixels belong to the face.

    Args:
      lab: `[n, n, 3]` float32 CIE Lab as OpenCV scales it (0..255).
      regions: where to look.

    Returns:
      `[n, n]` bool; meaningful inside `regions.extent`.
    """
    return _smooth(_log_odds(lab, regions), lab) > 0


def _log_odds(lab: np.ndarray, regions: Regions) -> np.ndarray:
    """Returns the log odds of being face from colour and place alone, `[n, n]` float32.

    They are 0 outside of `regions.extent` and `regions.around`.
    """
    fitted = regions.extent | regions.around
    odds = np.zeros(fitted.shape, np.float32)
    # Without a visible cheek there is no sample of the skin to start from.
    if regions.cheeks.any():
        flat_regions = Regions(*(mask[fitted] for mask in vars(regions).values()))
        odds[fitted] = _fit(lab[fitted], _position(len(lab))[fitted], flat_regions)
    return odds


def _fit(lab: np.ndarray, position: np.ndarray, regions: Regions) -> np.ndarray:
    """Fits both colours in turn; returns the log odds of N pixels of being face, `[N]`."""
    doubtful = regions.extent & ~regions.core
    above, below = np.maximum(regions.rise, 0), np.maximum(-regions.rise, 0)
    prior = _WITHIN + _BELOW * below + np.where(regions.within, 0, (_TOP - _WITHIN) * above)
    # A first guess: skin of one colour everywhere, the cheeks', and hair by its distance from it.
    skin, distance = _density(lab, position[:, :1], regions.cheeks)
    hair_at = (regions.around & (distance > _LIKE_SKIN)) | (doubtful & (distance > _UNLIKE_SKIN))
    # In each turn both colours are fitted to the pixels that are certain by now.
    for _ in range(_TURNS):
        odds = prior + skin - _hair_density(lab, position, hair_at, skin + 0.5 * distance)
        skin_at = regions.cheeks | (doubtful & regions.within & (odds > _SURE))
        hair_at = (regions.around | doubtful) & (odds < -_SURE)
        skin, distance = _density(lab, position, skin_at)
    odds = prior + skin - _hair_density(lab, position, hair_at, skin + 0.5 * distance)
    return np.where(regions.core, _LIMIT, np.clip(odds, -_LIMIT, _LIMIT))


def _hair_density(
    lab: np.ndarray, position: np.ndarray, at: np.ndarray, peak: np.ndarray
) -> np.ndarray:
    """Like `_density`, but with too little hair in view a constant below the `peak` of skin."""
    if at.sum() < _LEAST_HAIR * len(lab):
        return peak.mean() + _ALONE
    return _density(lab, position, at)[0]


def _position(size: int) -> np.ndarray:
    """Returns 1, x and y of every pixel, x and y in -1..1: `[size, size, 3]` float32."""
    along = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = np.meshgrid(along, along)
    return np.stack([np.ones_like(x), x, y], -1)


def _density(
    lab: np.ndarray, position: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits a Gaussian to the pixels `at`.

    Returns:
      Log density and squared distance of all N pixels, each `[N]`.
    """
    where, colours = position[at], lab[at]
    # Ridge regression of the mean colour on the position; its constant is all but free.
    stiffness = np.diag([1e-6] + [_STIFFNESS] * (position.shape[-1] - 1)) * len(where)
    slope = np.linalg.solve(where.T @ where + stiffness, where.T @ colours).astype(np.float32)
    variance = np.square(colours - where @ slope).mean(0) + _FLOOR**2
    distance = np.square(lab - position @ slope) @ (1 / variance)
    normaliser = -0.5 * np.log(variance).sum()
    return np.maximum(-0.5 * distance, _LEAST_DENSITY) + normaliser, distance


def _smooth(odds: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """Returns the expected label, -1..1, if neighbours of similar colour tend to the same label."""
    across, down = _links(lab[:, 1:] - lab[:, :-1]), _links(lab[1:] - lab[:-1])
    # Mean field: every pixel takes the expected labels of its four neighbours for certain.
    label = np.tanh(odds / 2)
    for _ in range(_SWEEPS):
        pull = odds / 2
        pull[:, 1:] += across * label[:, :-1]
        pull[:, :-1] += across * label[:, 1:]
        pull[1:] += down * label[:-1]
        pull[:-1] += down * label[1:]
        label = np.tanh(pull)
    return label


def _links(difference: np.ndarray) -> np.ndarray:
    """Returns the pull between neighbours, by their difference in colour `[..., 3]`."""
    return _LINK * np.exp(np.square(difference).sum(-1) / (-2 * _EDGE**2))
