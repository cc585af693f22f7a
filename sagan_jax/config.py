"""Everything that decides a run, as frozen dataclasses; JSON in and out.

Time is counted in images: one image is one crop of one identity seen by the generator, so
a step with a batch of 8 of each identity is 16 images.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Networks.

    Attributes:
      resolution: side of the square network input and output, pixels; a multiple of 16.
      encoder_widths: channels after each halving of the resolution, the first after
        space-to-depth by two.
      latent: size of the dense bottleneck.
      shared_width: channels of the shared feature map that both decoders read, at 1/8 of
        the resolution.
      decoder_widths: channels at 1/4 and 1/2 of the resolution; self-attention follows
        the first, a residual block each. The last pixel shuffle leads to the full
        resolution.
      discriminator_widths: channels after each halving; self-attention follows the last.
    """

    resolution: int = 64
    encoder_widths: tuple[int, ...] = (48, 72, 128, 192)
    latent: int = 256
    shared_width: int = 128
    decoder_widths: tuple[int, int] = (96, 48)
    discriminator_widths: tuple[int, ...] = (16, 32, 64)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms; each term is a function of `losses.py`."""

    reconstruction: float = 5.0
    structure: float = 0.25
    mask: float = 0.1
    mask_smoothness: float = 0.01
    adversarial: float = 0.03
    background_weight: float = 0.15
    eyes_weight: float = 2.0
    mouth_weight: float = 2.0


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the on-device augmentation.

    Attributes:
      warp: standard deviation of the 5x5 grid jitter of the network input, as a share of
        the crop side.
      rotation: largest rotation of input and target, degrees.
      zoom: largest change of scale of input and target, share.
      shift: largest shift of input and target, share of the crop side.
      flip: probability of mirroring input and target.
      colour: standard deviation of gain and offset jitter of the input's normalised
        channels.
    """

    warp: float = 0.025
    rotation: float = 10.0
    zoom: float = 0.05
    shift: float = 0.04
    flip: float = 0.5
    colour: float = 0.1


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """Optimiser of both players.

    Attributes:
      generator_rate: peak learning rate of the generator (AdamW).
      discriminator_rate: peak learning rate of the critic (Adam).
      warmup: images over which the rate rises from 0.
      final_rate: rate at the end, as a share of the peak, reached by a cosine over the
        second half of the run.
      clip: largest global gradient norm.
      weight_decay: decoupled, of the generator's kernels.
      ema_halflife: images after which a weight has lost half its influence on the
        averaged generator.
    """

    generator_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    warmup: int = 1600
    final_rate: float = 0.1
    clip: float = 1.0
    weight_decay: float = 1e-4
    ema_halflife: int = 3000


@dataclasses.dataclass(frozen=True)
class Config:
    """One training run.

    Attributes:
      preset: name of the preset this came from.
      batch: images of each identity in one step, over all devices.
      images: length of the run, images of both identities together.
      adversarial_from: images after which the critic counts.
      seed: of initialisation, sampling and augmentation.
      log_every: images between two lines of `stats.jsonl`.
      checkpoint_every: images between two checkpoints.
      preview_every: images between two preview grids.
    """

    preset: str = "custom"
    batch: int = 8
    images: int = 36_000
    adversarial_from: int = 10_000
    seed: int = 0
    log_every: int = 1_600
    checkpoint_every: int = 8_000
    preview_every: int = 8_000
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimiser: OptimiserConfig = OptimiserConfig()


def to_json(config: Config) -> str:
    """The config as indented JSON."""
    return json.dumps(dataclasses.asdict(config), indent=2)


def from_dict(values: dict[str, Any]) -> Config:
    """A config from what `to_json` wrote, parsed.

    Raises:
      TypeError: if a field is unknown.
    """
    return _build(Config, values)


def _build(cls: Any, values: dict[str, Any]) -> Any:
    types = typing.get_type_hints(cls)
    return cls(**{name: _convert(types.get(name), value) for name, value in values.items()})


def _convert(field_type: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(field_type):
        return _build(field_type, value)
    return tuple(value) if isinstance(value, list) else value
