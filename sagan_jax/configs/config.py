"""Everything that decides a run, as frozen dataclasses (`config_text.py`: as JSON).

Time is counted in images: one image is one crop of one identity seen by the generator, so
a step with a batch of 8 of each identity is 16 images.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from data_prep.errors import InputError
from sagan_jax.configs.crop_window import CropWindow

# A weight: constant, or a table of (images seen, value), straight lines between the rows.
Weight = float | tuple[tuple[float, float], ...]
# Of the generator.
Part = Literal["encoder", "decoder_a", "decoder_b"]
Sampling = Literal["matched", "uniform", "yaw"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Networks.

    Attributes:
      sees: what the encoder is shown (`sight.py`): the `face`, continued beyond its edge;
        `face_and_sketch`, likewise, without its eyes, and a sketch of eyes and mouth, which the
        decoders are shown, too; or the whole `crop`.
      architecture: `sagan`, ours, or `ancestor`, faceswap-GAN's, for comparison
        (`ancestor.py`); both read the fields below.
      resolution: side of the square network input and output, pixels; a multiple of 16.
      columns: share of a crop's columns that are spread over it (`framing.py`).
      encoder_widths: channels after each halving of the resolution, the first after
        space-to-depth by two (ancestor: after each convolution, the first at full
        resolution).
      encoder_attention: sides of the feature maps that self-attention follows.
      latent: size of the dense bottleneck.
      shared_width: channels of the shared feature map that both decoders read; its side is
        what the decoders double to the resolution.
      decoder_widths: channels after each doubling, a residual block each. One last pixel
        shuffle leads to the full resolution (ancestor: the last width is there already). The fewer
        they are, the larger the shared map is: what both people have in common.
      decoder_attention: as for the encoder, on the way up, be it shared or not.
      discriminator_widths: channels after each halving; self-attention follows the last.
      spectral_norm: whether the critics' kernels are normalised.

    Raises:
      InputError: if encoder, decoders and resolution do not fit together.
    """

    architecture: Literal["sagan", "ancestor"] = "sagan"
    sees: Literal["face_and_sketch", "face", "crop"] = "face_and_sketch"
    resolution: int = 64
    columns: float = 0.75
    encoder_widths: tuple[int, ...] = (48, 72, 128, 192)
    encoder_attention: tuple[int, ...] = (8,)
    latent: int = 256
    shared_width: int = 128
    decoder_widths: tuple[int, ...] = (64,)
    decoder_attention: tuple[int, ...] = ()
    discriminator_widths: tuple[int, ...] = (16, 32, 64)
    spectral_norm: bool = True

    def __post_init__(self) -> None:
        ours = self.architecture == "sagan"
        coarsest = len(self.encoder_widths) - (0 if ours else 1)
        shared = len(self.decoder_widths) + (1 if ours else 0)
        depth_fits = coarsest >= shared if ours else coarsest == shared + 1
        if not depth_fits or self.resolution % max(16, 2**coarsest):
            raise InputError(
                f"model: {len(self.encoder_widths)} encoder_widths and {len(self.decoder_widths)} "
                f"decoder_widths do not fit together at {self.resolution} px; start from the "
                "preset of that resolution, or give a width for each halving and doubling"
            )
        if not 0.5 <= self.columns <= 1:
            raise InputError(
                f"model: columns={self.columns} is not from 0.5 to 1; less would cut off faces"
            )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of what the encoder is shown of a crop."""
        channels = 4 if self.sees == "face_and_sketch" else 3
        return self.resolution, self.resolution, channels

    @property
    def crop_window(self) -> CropWindow:
        """What the networks see of a crop."""
        return CropWindow(self.resolution, self.columns)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms, by the names the terms have in the logs.

    A term of weight 0 is not computed.

    Attributes:
      reconstruction: `losses.reconstruction`, also of the smaller pictures that decoders
        above 64 px draw on the way.
      structure: `losses.structure`, two scales of DSSIM.
      multiscale_structure: 1 - MS-SSIM.
      edges: `losses.edges`.
      eyes: mean absolute difference inside the eyes, whatever their area.
      mouth: likewise.
      perceptual: LPIPS distance (`perceptual.py`).
      mask: cross entropy of the learned mask against the prepared one.
      mask_smoothness: total variation of the learned mask.
      mask_area: mean of the learned mask, which keeps an unsupervised one small.
      mask_hinge: how far the learned mask lies below `mask_margin`, which keeps it open.
      adversarial: the critic's word in the generator's loss.
      cycle: A drawn as B, drawn as A again, against A.
      latent: the shared code of A drawn as B against that of A.
      gradient_penalty: R1, in the critic's loss.
      mask_margin: of `mask_hinge`.
      background_weight: in `reconstruction`, of a pixel outside the face.
      eyes_weight: in `reconstruction`, added to a pixel of the eyes.
      mouth_weight: likewise.
      perceptual_network: `alexnet`, quick enough for a CPU, `vgg16`, or `dlib`, a face
        recognition network in the role of VGGFace (`perceptual.py`).
      critic: the adversarial loss: `hinge`, `mixup` (LSGAN on mixtures of real and drawn)
        or `relativistic` (average LSGAN).
      judged: what the critics see: the drawn `face` in its true surroundings, or the whole
        `output` and its composite by the learned mask over the input, as in faceswap-GAN.
      critic_augmentation: differentiable augmentation of all that the critics see.
    """

    reconstruction: Weight = 5.0
    structure: Weight = 0.25
    multiscale_structure: Weight = 0.0
    edges: Weight = 0.0
    eyes: Weight = 0.0
    mouth: Weight = 0.0
    perceptual: Weight = 0.0
    mask: Weight = 0.1
    mask_smoothness: Weight = 0.01
    mask_area: Weight = 0.0
    mask_hinge: Weight = 0.0
    adversarial: Weight = ((8_400, 0.0), (11_400, 0.03))
    cycle: Weight = 0.0
    latent: Weight = 0.0
    gradient_penalty: Weight = 0.0
    mask_margin: Weight = 0.5
    background_weight: float = 0.15
    eyes_weight: float = 2.0
    mouth_weight: float = 2.0
    perceptual_network: Literal["alexnet", "vgg16", "dlib"] = "alexnet"
    critic: Literal["hinge", "mixup", "relativistic"] = "hinge"
    judged: Literal["face", "output"] = "face"
    critic_augmentation: bool = False


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the on-device augmentation. A crop, here, is what the networks see of one.

    Attributes:
      warp: standard deviation of the 5x5 grid jitter of the network input, as a share of
        the crop side; may be a table over the images seen.
      rotation: largest rotation of input and target, degrees.
      zoom: largest change of scale of input and target, share.
      shift: largest shift of input and target, share of the crop side.
      flip: probability of mirroring input and target.
      colour: standard deviation of gain and offset jitter of the input's normalised
        channels.
      colour_match: probability that input and target take on, to a random degree, the
        colours of a crop of the other person.
      hue: largest turn of the input's hue, degrees.
      saturation: largest change of the input's saturation, share.
      exposure: largest change of the input's exposure, stops.
      blur: probability of motion blur of the input.
      blur_length: its largest length, share of the crop side.
      occlusion: probability that something covers a part of the input's face; the mask
        leaves it out.
      compression: probability of JPEG-like compression of the input.
      compression_quality: lowest and highest JPEG quality.
      noise: largest standard deviation of the input's noise, of 0..1.
      continue_face: whether the target is continued smoothly beyond the face, so that the
        decoders learn the face alone.
    """

    warp: Weight = ((2_000, 0.025), (10_000, 0.001))
    rotation: float = 10.0
    zoom: float = 0.05
    shift: float = 0.04
    flip: float = 0.5
    colour: float = 0.1
    colour_match: float = 0.0
    hue: float = 0.0
    saturation: float = 0.0
    exposure: float = 0.0
    blur: float = 0.0
    blur_length: float = 0.08
    occlusion: float = 0.0
    compression: float = 0.0
    compression_quality: tuple[float, float] = (30.0, 90.0)
    noise: float = 0.0
    continue_face: bool = True


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """Optimiser of both players.

    Attributes:
      generator_rate: peak learning rate of the generator (AdamW).
      discriminator_rate: peak learning rate of the critic (Adam).
      generator_betas: decay of the generator's first and second moments.
      discriminator_betas: likewise of the critic's.
      warmup: images over which the rate rises from 0.
      final_rate: rate at the end, as a share of the peak, reached by a cosine over the
        second half of the run.
      rate: factor of both rates besides.
      clip: largest global gradient norm.
      weight_decay: decoupled, of the generator's kernels.
      l2: of the generator's kernels, added to the gradient before Adam scales it.
      ema_halflife: images after which a weight has lost half its influence on the
        averaged generator.
    """

    generator_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    generator_betas: tuple[float, float] = (0.9, 0.99)
    discriminator_betas: tuple[float, float] = (0.0, 0.99)
    warmup: int = 1600
    final_rate: float = 0.1
    rate: Weight = 1.0
    clip: float = 1.0
    weight_decay: float = 1e-4
    l2: float = 0.0
    ema_halflife: int = 3000


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """How a run is computed; what comes of it is the same but for rounding, unless said.

    Attributes:
      precision: of the networks' arithmetic, see `precision.py`.
      data: `resident`, all crops on every device; `stream`, a window of them that is exchanged
        while the steps go on, which draws other crops; `auto`, by the memory of the device.
      dispatch: steps in one call of the compiled program.
      accumulate: parts in which the batch of a step goes through the networks, one after the
        other, to need less memory. Terms that are means over a region are means of its parts.
      rematerialise: whether the backward pass computes feature maps again rather than keep
        them, but for one of each resolution. XLA undoes that on a CPU; of what it saves on a
        GPU only the maps that are kept are counted yet (fewer than half), not the memory.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    data: Literal["auto", "resident", "stream"] = "auto"
    dispatch: int = 1
    accumulate: int = 1
    rematerialise: bool = False


@dataclasses.dataclass(frozen=True)
class Config:
    """One training run.

    Attributes:
      preset: name of the preset this came from.
      batch: images of each identity in one step, over all devices.
      images: length of the run, images of both identities together.
      sampling: which crops are drawn: half of them so that each person does what the other
        does (`matched`), all alike (`uniform`), or so that every direction in which the head is
        turned comes up alike (`yaw`).
      swap_decoders_at: images after which the two decoders change places, once
        (faceswap-GAN's trick against a decoder that copies its own person); None: never.
      freeze: parts of the generator that stay as they were at the start.
      seed: of initialisation, sampling and augmentation.
      log_every: images between two lines of `stats.jsonl`.
      checkpoint_every: images between two checkpoints.
      preview_every: images between two preview grids.
    """

    preset: str = "custom"
    batch: int = 8
    images: int = 30_000
    sampling: Sampling = "matched"
    swap_decoders_at: int | None = None
    freeze: tuple[Part, ...] = ()
    seed: int = 0
    log_every: int = 1_600
    checkpoint_every: int = 8_000
    preview_every: int = 2_000
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    execution: ExecutionConfig = ExecutionConfig()

    def __post_init__(self) -> None:
        if self.swap_decoders_at is not None and {"decoder_a", "decoder_b"} & {*self.freeze}:
            raise InputError(
                "freeze: a decoder cannot both stay as it is and change places; leave "
                "swap_decoders_at or freeze out"
            )


def widened(model: ModelConfig, factor: float) -> ModelConfig:
    """The same networks with so many times the channels, in multiples of eight."""

    def wider(width: int) -> int:
        return max(8, 8 * round(width * factor / 8))

    return dataclasses.replace(
        model,
        encoder_widths=tuple(map(wider, model.encoder_widths)),
        latent=wider(model.latent),
        shared_width=wider(model.shared_width),
        decoder_widths=tuple(map(wider, model.decoder_widths)),
        discriminator_widths=tuple(map(wider, model.discriminator_widths)),
    )


def lengthened(config: Config, images: int) -> Config:
    """A run of another length; its tables of weights are stretched with it."""
    factor = images / config.images

    def stretched(part: Any) -> Any:
        return dataclasses.replace(part, **{
            name: tuple((factor * at, weight) for at, weight in value)
            for name, value in vars(part).items()
            if is_table(value)
        })  # fmt: skip

    swap = config.swap_decoders_at
    return dataclasses.replace(
        config,
        images=images,
        swap_decoders_at=None if swap is None else round(factor * swap),
        loss=stretched(config.loss),
        augment=stretched(config.augment),
        optimiser=stretched(config.optimiser),
    )


def is_table(value: Any) -> bool:
    """Whether this is a `Weight` that changes over the run."""
    return isinstance(value, tuple) and len(value) > 0 and isinstance(value[0], tuple)
