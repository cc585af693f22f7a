"""Everything that decides a training run, as frozen dataclasses.

Defaults are neutral: a term without a weight is not computed, an augmentation without a range is
off. What is known to work is written out in `presets`. Fields without a neutral value have no
default.

Time is counted in images: one image is one crop of one identity passed through the generator, so
a step with a batch of 8 of each identity is 16 images.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from data_prep.errors import InputError
from sagan_jax.configs.crop_window import CropWindow

# A weight: constant, or a table of (images seen, value) with straight lines between the rows.
Weight = float | tuple[tuple[float, float], ...]
# A part of the generator.
Part = Literal["encoder", "decoder_a", "decoder_b"]
Sampling = Literal["matched", "uniform", "yaw"]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Networks.

    Attributes:
      resolution: side of the square network input and output, pixels; a multiple of 16.
      encoder_widths: channels after each halving of the resolution, the first after
        space-to-depth by two (faceswap-GAN: after each convolution, the first at full
        resolution).
      latent: size of the dense bottleneck.
      shared_width: channels of the shared feature map that both decoders read; doubling its side
        once per decoder width, and once more by a last pixel shuffle, gives the resolution.
      decoder_widths: channels after each doubling, a residual block each (faceswap-GAN: the last
        width is at full resolution). The fewer they are, the larger is the shared map: the part
        that both people have in common.
      discriminator_widths: channels after each halving; self-attention follows the last.
      architecture: `sagan`, the networks of this project, or `faceswap_gan`, those of
        faceswap-GAN, for comparison (`networks.faceswap_gan`); both read the fields above.
      sees: input of the encoder (`inputs.generator_input`): the `face`, continued beyond its edge;
        `face_and_sketch`, the face without its eyes and a sketch of eyes and mouth, which the
        decoders get, too; or the whole `crop`.
      columns: share of a crop's columns that are spread over the input (`crop_window`).
      encoder_attention: sides of the feature maps that self-attention follows in the encoder.
      decoder_attention: the same on the way up, in the shared part as in the decoders.
      spectral_norm: whether the kernels of the discriminators are normalised.

    Raises:
      InputError: if encoder, decoders and resolution do not fit together.
    """

    resolution: int
    encoder_widths: tuple[int, ...]
    latent: int
    shared_width: int
    decoder_widths: tuple[int, ...]
    discriminator_widths: tuple[int, ...]
    architecture: Literal["sagan", "faceswap_gan"] = "sagan"
    sees: Literal["face_and_sketch", "face", "crop"] = "crop"
    columns: float = 1.0
    encoder_attention: tuple[int, ...] = ()
    decoder_attention: tuple[int, ...] = ()
    spectral_norm: bool = False

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
        """Shape of the encoder's input, without the batch."""
        channels = 4 if self.sees == "face_and_sketch" else 3
        return self.resolution, self.resolution, channels

    @property
    def crop_window(self) -> CropWindow:
        """The part of a crop that the networks see."""
        return CropWindow(self.resolution, self.columns)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the loss terms, by the names the terms have in the logs.

    A term of weight 0 is not computed.

    Attributes:
      reconstruction: weight of `pixelwise.reconstruction`, also for the smaller outputs that
        decoders above 64 px have on the way.
      structure: weight of `ssim.structure`, DSSIM at two scales.
      multiscale_structure: weight of 1 - MS-SSIM.
      edges: weight of `pixelwise.edges`.
      eyes: weight of the mean absolute difference inside the eyes, whatever their area.
      mouth: weight of the mean absolute difference inside the mouth.
      perceptual: weight of the LPIPS distance (`losses.perceptual`).
      mask: weight of the cross entropy of the learned mask against the prepared one.
      mask_smoothness: weight of the total variation of the learned mask.
      mask_area: weight of the mean of the learned mask, which keeps an unsupervised one small.
      mask_hinge: weight of how far the learned mask lies below `mask_margin`, which keeps it open.
      adversarial: weight of the adversarial term in the generator loss.
      cycle: weight of the difference between A and A generated from A generated as B.
      latent: weight of the distance between the shared codes of A and of A generated as B.
      gradient_penalty: weight of R1 in the discriminator loss.
      mask_margin: margin of `mask_hinge`.
      background_weight: weight in `reconstruction` of a pixel outside the face.
      eyes_weight: weight in `reconstruction` added to a pixel of the eyes.
      mouth_weight: weight in `reconstruction` added to a pixel of the mouth.
      perceptual_network: `alexnet`, quick enough for a CPU; `vgg16`; or `dlib`, a face recognition
        network in the role of VGGFace (`losses.perceptual`).
      discriminator_loss: `hinge`; `mixup`, LSGAN on mixtures of real and generated images; or
        `relativistic`, relativistic average LSGAN.
      discriminator_input: the generated `face` in its true surroundings, or the whole `output` and
        its composite by the learned mask over the input, as in faceswap-GAN.
      discriminator_augmentation: whether everything the discriminators see is augmented
        differentiably.
    """

    reconstruction: Weight = 1.0
    structure: Weight = 0.0
    multiscale_structure: Weight = 0.0
    edges: Weight = 0.0
    eyes: Weight = 0.0
    mouth: Weight = 0.0
    perceptual: Weight = 0.0
    mask: Weight = 0.0
    mask_smoothness: Weight = 0.0
    mask_area: Weight = 0.0
    mask_hinge: Weight = 0.0
    adversarial: Weight = 0.0
    cycle: Weight = 0.0
    latent: Weight = 0.0
    gradient_penalty: Weight = 0.0
    mask_margin: Weight = 0.0
    background_weight: float = 1.0
    eyes_weight: float = 0.0
    mouth_weight: float = 0.0
    perceptual_network: Literal["alexnet", "vgg16", "dlib"] = "alexnet"
    discriminator_loss: Literal["hinge", "mixup", "relativistic"] = "hinge"
    discriminator_input: Literal["face", "output"] = "face"
    discriminator_augmentation: bool = False


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Ranges of the on-device augmentation; a crop here is the part that the networks see.

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
      blur_length: longest motion blur, share of the crop side.
      occlusion: probability that something covers a part of the input's face; the mask
        leaves it out.
      compression: probability of JPEG-like compression of the input.
      compression_quality: lowest and highest JPEG quality.
      noise: largest standard deviation of the input's noise, of 0..1.
      continue_face: whether the target is continued smoothly beyond the face, so that the
        decoders learn the face alone.
    """

    warp: Weight = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    flip: float = 0.0
    colour: float = 0.0
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
    continue_face: bool = False


@dataclasses.dataclass(frozen=True)
class OptimiserConfig:
    """Optimiser of both players.

    Attributes:
      generator_rate: peak learning rate of the generator (AdamW).
      discriminator_rate: peak learning rate of the discriminators (Adam).
      ema_halflife: images after which a weight has lost half its influence on the
        averaged generator.
      generator_betas: decay of the generator's first and second moments.
      discriminator_betas: decay of the discriminators' first and second moments.
      warmup: images over which the rate rises from 0.
      final_rate: rate at the end, as a share of the peak, reached by a cosine over the
        second half of the run.
      rate: factor of both rates.
      clip: largest global gradient norm.
      weight_decay: decoupled decay of the generator's kernels.
      l2: decay of the generator's kernels added to the gradient before Adam scales it.
    """

    generator_rate: float
    discriminator_rate: float
    ema_halflife: int
    generator_betas: tuple[float, float] = (0.9, 0.999)
    discriminator_betas: tuple[float, float] = (0.9, 0.999)
    warmup: int = 0
    final_rate: float = 1.0
    rate: Weight = 1.0
    clip: float = 1e9
    weight_decay: float = 0.0
    l2: float = 0.0


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """How a run is computed; results are the same but for rounding, unless said otherwise.

    Attributes:
      precision: arithmetic of the networks, see `networks.precision`.
      data: `resident`, all crops on every device; `stream`, a window of crops that is exchanged
        while the steps go on, which samples other crops; `auto`, by the memory of the device.
      dispatch: steps in one call of the compiled program.
      accumulate: parts in which the batch of a step passes through the networks, one after the
        other, to need less memory. Terms that are means over a region become means of parts.
      rematerialise: whether the backward pass computes feature maps again rather than keep them,
        but for one of each resolution. XLA undoes that on a CPU; on a GPU only the number of maps
        that are kept was counted yet (fewer than half), not the memory.
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
      batch: images of each identity in one step, over all devices.
      images: length of the run, images of both identities together.
      model: networks.
      optimiser: optimiser of both players.
      loss: weights of the loss terms.
      augment: ranges of the augmentation.
      execution: how the run is computed.
      preset: name of the preset this config came from.
      sampling: which crops are sampled: half of them so that each person does what the other does
        (`matched`), all alike (`uniform`), or so that every yaw of the head comes up alike
        (`yaw`).
      swap_decoders_at: images after which the two decoders change places, once
        (faceswap-GAN's trick against a decoder that copies its own person); None: never.
      freeze: parts of the generator that stay as they were at the start.
      seed: seed of initialisation, sampling and augmentation.
      log_every: images between two lines of `stats.jsonl`.
      checkpoint_every: images between two checkpoints.
      preview_every: images between two preview grids.
    """

    batch: int
    images: int
    model: ModelConfig
    optimiser: OptimiserConfig
    loss: LossConfig = LossConfig()
    augment: AugmentConfig = AugmentConfig()
    execution: ExecutionConfig = ExecutionConfig()
    preset: str = "custom"
    sampling: Sampling = "uniform"
    swap_decoders_at: int | None = None
    freeze: tuple[Part, ...] = ()
    seed: int = 0
    log_every: int = 1_600
    checkpoint_every: int = 8_000
    preview_every: int = 2_000

    def __post_init__(self) -> None:
        if self.swap_decoders_at is not None and {"decoder_a", "decoder_b"} & {*self.freeze}:
            raise InputError(
                "freeze: a decoder cannot both stay as it is and change places; leave "
                "swap_decoders_at or freeze out"
            )


def widened(model: ModelConfig, factor: float) -> ModelConfig:
    """Networks with `factor` times the channels, in multiples of eight."""

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
    """A run of `images` images; tables of weights are stretched with it."""
    factor = images / config.images

    def stretched(part: Any) -> Any:
        tables = {name: value for name, value in vars(part).items() if is_table(value)}
        longer = {
            name: tuple((factor * at, weight) for at, weight in table)
            for name, table in tables.items()
        }
        return dataclasses.replace(part, **longer)

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
    """Whether a value is a `Weight` that changes over the run."""
    return isinstance(value, tuple) and len(value) > 0 and isinstance(value[0], tuple)
