"""Named configurations, each with its measured result.

A preset without figures has not been trained. `networks.flops` counts parameters and arithmetic of
each.
"""

from __future__ import annotations

import dataclasses

from sagan_jax.configs.config import (
    AugmentConfig,
    Config,
    LossConfig,
    ModelConfig,
    OptimiserConfig,
    Weight,
)

# Length of a run of faceswap-GAN: 40 000 iterations of 8 and 8 images.
_FACESWAP_GAN_IMAGES = 640_000
# Previews of a whole run, frames of its timelapse.
_PREVIEWS = 40


def demo64() -> Config:
    """Preset of `make demo`, for two CPU cores: 3.7 M parameters, 30 000 images.

    Measured on the demo's two people (1530 and 784 crops), two cores of an Intel Xeon, 275 ms a
    step, ten minutes with start and previews (233 ms and 8.3 minutes on an AMD EPYC), one seed:
    holdout SSIM 0.941 and 0.942; on clips never trained on, into A and into B, as delivered:
    identity transfer 0.69 and 0.68, the source nearer in every frame, expression error 1.9 % of the
    eye distance both, pose error 1.3 and 1.2 degrees, correlation of openings of the mouth 0.99
    both, of the eyes 0.88 and 0.93, jitter 0.94 and 0.98, sharpness 1.33 and 1.17 (with the
    watermark, whose grain counts).
    """
    images = 30_000
    return Config(
        preset="demo64",
        batch=8,
        images=images,
        sampling="matched",
        model=ModelConfig(
            sees="face_and_sketch",
            resolution=64,
            columns=0.75,
            encoder_widths=(48, 72, 128, 192),
            encoder_attention=(8,),
            latent=256,
            shared_width=128,
            decoder_widths=(64,),
            discriminator_widths=(16, 32, 64),
            spectral_norm=True,
        ),
        loss=LossConfig(
            reconstruction=5.0,
            structure=0.25,
            mask=0.1,
            mask_smoothness=0.01,
            mask_margin=0.5,
            adversarial=_adversarial_ramp(images),
            background_weight=0.15,
            eyes_weight=2.0,
            mouth_weight=2.0,
        ),
        augment=AugmentConfig(
            # The warp fades: it keeps the encoder from memorising, and blurs what it sees.
            warp=((2_000, 0.025), (10_000, 0.001)),
            rotation=10.0,
            zoom=0.05,
            shift=0.04,
            flip=0.5,
            colour=0.1,
            continue_face=True,
        ),
        optimiser=OptimiserConfig(
            generator_rate=1e-3,
            discriminator_rate=4e-4,
            generator_betas=(0.9, 0.99),
            discriminator_betas=(0.0, 0.99),
            warmup=1600,
            final_rate=0.1,
            clip=1.0,
            weight_decay=1e-4,
            ema_halflife=3000,
        ),
    )


def sagan64() -> Config:
    """One and a half times as wide as `demo64`, for an hour of two CPU cores: 120 000 images.

    Measured on 2026-11-29 (docs/experiments), one seed, with the data sets of `demo64`, on two
    cores of an AMD EPYC: 458 to 510 ms a step, 61 minutes. Holdout SSIM 0.963 and 0.960. Into A and
    into B, without watermark: identity transfer 0.75 and 0.73, the source nearer in every frame,
    expression error 1.8 and 2.0 % of the eye distance, pose error 1.1 and 1.3 degrees, correlation
    of mouth openings 0.99 both, of eye openings 0.91 and 0.97, jitter 0.95 and 0.97, sharpness 1.09
    and 1.05.
    """
    model = dataclasses.replace(
        demo64().model,
        encoder_widths=(72, 112, 192, 288),
        latent=384,
        shared_width=192,
        decoder_widths=(96,),
        decoder_attention=(16,),
        discriminator_widths=(24, 48, 96),
    )
    return _sagan("sagan64", model, images=120_000, rate=8e-4)


def sagan128() -> Config:
    """128 px, for a GPU or two hours of two CPU cores: 96 000 images.

    Measured on 2026-11-29 like `sagan64`: 0.88 to 0.98 s a step, 98 minutes. Holdout SSIM, of
    pixels twice as fine, 0.932 and 0.941. Into A and into B, without watermark: identity transfer
    0.81 and 0.72, the source nearer in every frame, expression error 1.7 and 1.9 % of the eye
    distance, pose error 1.0 and 1.2 degrees, correlation of mouth openings 1.00 and 0.98, of eye
    openings 0.91 and 0.95, jitter 0.94 and 0.96, sharpness 1.15 and 1.09.
    """
    model = dataclasses.replace(
        demo64().model,
        resolution=128,
        encoder_widths=(32, 72, 128, 224, 320),
        latent=384,
        shared_width=192,
        decoder_widths=(96, 48),
        decoder_attention=(16,),
        discriminator_widths=(16, 32, 64, 96),
    )
    return _sagan("sagan128", model, images=96_000, rate=6e-4)


def sagan256() -> Config:
    """256 px, for a GPU. Not measured yet."""
    model = dataclasses.replace(
        demo64().model,
        resolution=256,
        encoder_widths=(48, 96, 192, 320, 512, 512),
        encoder_attention=(16, 8),
        latent=512,
        shared_width=320,
        decoder_widths=(320, 192, 96, 48),
        decoder_attention=(16, 32),
        discriminator_widths=(32, 64, 128, 256, 256),
    )
    return _sagan("sagan256", model, images=640_000, rate=3e-4)


def sagan512() -> Config:
    """512 px, for a GPU with much memory. Not measured yet."""
    model = dataclasses.replace(
        demo64().model,
        resolution=512,
        encoder_widths=(32, 64, 128, 256, 384, 512, 512),
        encoder_attention=(16, 8),
        latent=512,
        shared_width=384,
        decoder_widths=(384, 256, 128, 64, 32),
        decoder_attention=(16, 32),
        discriminator_widths=(32, 64, 128, 256, 256, 256),
    )
    return _sagan("sagan512", model, images=640_000, rate=3e-4)


def faceswap_gan64() -> Config:
    """Faceswap-GAN v2.2, standard, 64 px: its networks, losses, optimiser and phases.

    Measured on the demo's two people, two cores of an Intel Xeon, one hour, 15 488 images (of the
    640 000 it is meant to see): holdout SSIM 0.663 and 0.709, LPIPS 0.076 and 0.078, which
    `sagan64` has passed at its first checkpoint, after three and a half minutes. Its mask is
    still shut then.

    Its weights are for images in -1..1; ours are 0..1, so those of differences are doubled
    here. Its two adversarial terms are added, ours averaged, so that
    weight is doubled too. Its 30 times the mean over all pixels of the difference in the eyes
    is written as a mean over the eyes, for eyes of 2 % of the crop. Not taken over: its
    VGGFace perceptual term, whose weights have no clear licence; the separate optimiser states
    of the encoder; fresh batches for each of its four updates; that its L2 spares the dense and
    the outermost layers.
    """
    total = _FACESWAP_GAN_IMAGES
    model = ModelConfig(
        architecture="faceswap_gan",
        resolution=64,
        encoder_widths=(64, 128, 256, 512, 1024),
        encoder_attention=(16, 8),
        latent=1024,
        shared_width=512,
        decoder_widths=(256, 128, 64),
        decoder_attention=(32, 64),
        discriminator_widths=(64, 128, 256),
    )
    loss = LossConfig(
        reconstruction=2.0,
        edges=0.2,
        eyes=1.2,
        mask_smoothness=0.1,
        # Either the mask is kept small or kept open.
        mask_area=_steps(total, (0, 0.01), (0.3, 0.0), (0.667, 0.01), (0.8, 0.0), (0.9, 0.01)),
        mask_hinge=_steps(total, (0, 0.0), (0.3, 0.1), (0.667, 0.0), (0.8, 0.1), (0.9, 0.0)),
        mask_margin=_steps(total, (0.3, 0.5), (0.4, 0.2), (0.5, 0.4), (0.8, 0.1)),
        adversarial=0.2,
        discriminator_loss="mixup",
        discriminator_input="output",
    )
    return Config(
        preset="faceswap_gan64",
        batch=8,
        images=total,
        preview_every=total // _PREVIEWS,
        sampling="uniform",
        swap_decoders_at=round(0.8 * total),
        model=model,
        loss=loss,
        augment=AugmentConfig(
            warp=0.032, rotation=10.0, zoom=0.1, shift=0.05, flip=0.5, colour_match=0.5
        ),
        optimiser=OptimiserConfig(
            generator_rate=1e-4,
            discriminator_rate=2e-4,
            generator_betas=(0.5, 0.999),
            discriminator_betas=(0.5, 0.999),
            rate=_steps(total, (0, 1.0), (0.667, 0.3), (0.9, 0.1)),
            l2=1e-4,
            ema_halflife=3000,
        ),
    )


def _sagan(name: str, model: ModelConfig, *, images: int, rate: float) -> Config:
    """`demo64`, whose settings are measured, with other networks, length and learning rate."""
    demo = demo64()
    # The warp fades as early as in `demo64`: its table is not stretched with the run.
    return dataclasses.replace(
        demo,
        preset=name,
        images=images,
        preview_every=images // _PREVIEWS,
        model=model,
        loss=dataclasses.replace(demo.loss, adversarial=_adversarial_ramp(images)),
        optimiser=dataclasses.replace(demo.optimiser, generator_rate=rate),
    )


def _adversarial_ramp(images: int) -> Weight:
    """Weight of the adversarial term: off until faces are rough, then rising over a tenth."""
    return ((0.28 * images, 0.0), (0.38 * images, 0.03))


def _steps(total: int, *rows: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """A table of weights that jump at given shares of the run."""
    table: list[tuple[float, float]] = []
    for share, weight in rows:
        if table:
            table.append((share * total, table[-1][1]))
        table.append((share * total, weight))
    return tuple(table)


PRESETS = {
    preset.__name__: preset
    for preset in (demo64, sagan64, sagan128, sagan256, sagan512, faceswap_gan64)
}
