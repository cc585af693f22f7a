"""Choices of how a swapped face is rendered and made part of its scene."""

from __future__ import annotations

import dataclasses
import enum


class Blend(enum.StrEnum):
    """How the edge between face and scene is hidden.

    ALPHA mixes by the feathered mask. MULTI_BAND mixes coarse details over a wide and fine
    ones over a narrow edge (Burt and Adelson, "A Multiresolution Spline With Application to
    Image Mosaics", 1983). POISSON keeps the gradients of the face and takes the colour of its
    edge from the scene (Perez et al., "Poisson Image Editing", 2003; OpenCV).
    """

    ALPHA = "alpha"
    MULTI_BAND = "multi_band"
    POISSON = "poisson"


class ColourMethod(enum.StrEnum):
    """How the colours of the scene are transferred to the generated face.

    NONE leaves the colours as generated. MEAN_STD gives each Lab channel the mean and spread of
    the scene (Reinhard et al., "Color Transfer between Images", 2001). COVARIANCE also matches
    the correlations of the channels, by the linear map that moves colours least (Pitie and
    Kokaram, "The Linear Monge-Kantorovitch Linear Colour Mapping", 2007). HISTOGRAM matches the
    distribution of each channel. TRANSPORT matches the joint distribution, along the axes of a
    few rotations in turn (Pitie et al., "Automated Colour Grading Using Colour Distribution
    Transfer", 2007; Rabin et al., "Wasserstein Barycenter and its Application to Texture Mixing",
    2011).
    """

    NONE = "none"
    MEAN_STD = "mean_std"
    COVARIANCE = "covariance"
    HISTOGRAM = "histogram"
    TRANSPORT = "transport"


class InnerMouth(enum.StrEnum):
    """Whose teeth and tongue appear between the lips.

    TARGET shows those of the target's frame, GENERATED those that the generator rendered.
    """

    TARGET = "target"
    GENERATED = "generated"


@dataclasses.dataclass(frozen=True)
class Edge:
    """Where the swapped face ends; all lengths are shares of the height of the face.

    Attributes:
      grow: distance by which the generated face may extend beyond the face it replaces, where the
        generated one is larger; negative keeps it within. With 0.02 identity transfer rises by
        0.01 to 0.025, with 0.06 by hardly more.
      feather: standard deviation of the blur of the edge. A wider blur lets more of the target's
        own jaw and brow through: with 0.013 and no erosion instead of 0.023 and some, identity
        transfer rises by 0.02 to 0.03.
      dissolve: distance over which the generated face fades out where the face of the scene
        extends beyond it (a forehead under another's fringe, a wider jaw). Skin meets skin there,
        and the eye catches not a wide edge but the outermost generated pixels, which are half hair
        or wall.
    """

    grow: float = 0.02
    feather: float = 0.01
    dissolve: float = 0.08


@dataclasses.dataclass(frozen=True)
class RenderSettings:
    """How a swapped face is rendered and made part of its scene.

    Attributes:
      exaggeration: share of the difference between the two decoders' outputs that is added to the
        generated face (see `exaggeration.exaggerate`). With 0.15 identity transfer of `sagan64`
        rises by 0.002 and 0.006, and the expression error by 0.03 % of the eye distance.
      mouth: whose teeth and tongue appear between the lips.
      colour: how the face gets the colours of the scene.
      blend: how the edge between face and scene is hidden.
      edge: where the face ends.
      sharpen: whether the face is made as sharp as the scene.
      unsharp: amount of unsharp masking in addition to that.
      grain: whether the face gets the noise of the scene.
      fade_s: seconds over which the face fades in where it is found and out where it is lost.
      steady_s: time constant by which colour, sharpness and grain follow the scene, seconds. With
        a shorter one colours flicker, with a longer one they lag behind the light.
    """

    exaggeration: float = 0.15
    mouth: InnerMouth = InnerMouth.TARGET
    colour: ColourMethod = ColourMethod.MEAN_STD
    blend: Blend = Blend.ALPHA
    edge: Edge = Edge()
    sharpen: bool = True
    unsharp: float = 0.0
    grain: bool = True
    fade_s: float = 0.2
    steady_s: float = 0.4
