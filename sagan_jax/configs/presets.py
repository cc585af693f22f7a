"""Named configurations.

What a preset that was not trained is worth is not known until its figures are here. Parameters
and arithmetic of each: `cost.py`.
"""

from __future__ import annotations

from sagan_jax.configs.config import AugmentConfig, Config, LossConfig, ModelConfig, OptimiserConfig

# Faceswap-GAN's own length: 40 000 iterations of 8 and 8 images.
_ANCESTOR_IMAGES = 640_000


def demo64() -> Config:
    """What `make demo` trains on two CPU cores: 3.7 M parameters, 30 000 images.

    Measured on the demo's two people (1530 and 784 crops), two cores of an Intel Xeon, 275 ms a
    step, ten minutes with start and previews (233 ms and 8.3 minutes on an AMD EPYC), one seed:
    holdout SSIM 0.941 and 0.942; on clips never trained on, into A and into B, as delivered:
    identity transfer 0.69 and 0.68, the source nearer in every frame, expression error 1.9 % of the
    eye distance both, pose error 1.3 and 1.2 degrees, correlation of openings of the mouth 0.99
    both, of the eyes 0.88 and 0.93, jitter 0.94 and 0.98, sharpness 1.33 and 1.17 (with the
    watermark, whose grain counts).
    """
    return Config(preset="demo64")


def sagan64() -> Config:
    """Once and a half as wide as `demo64`, for an hour on two CPU cores; the way up is shared to
    16 px.

    Measured as `demo64`, 120 000 images, two cores of an AMD EPYC (458 to 510 ms a step, 61
    minutes), without watermark: holdout SSIM 0.963 and 0.960; into A and into B: identity transfer
    0.75 and 0.73, the source nearer in every frame, expression error 1.8 and 2.0 % of the eye
    distance, pose error 1.1 and 1.3 degrees, correlation of openings of the mouth 0.99 and 0.99, of
    the eyes 0.91 and 0.97, jitter 0.95 and 0.97, sharpness 1.09 and 1.05.
    """
    model = ModelConfig(
        encoder_widths=(72, 112, 192, 288),
        latent=384,
        shared_width=192,
        decoder_widths=(96,),
        decoder_attention=(16,),
        discriminator_widths=(24, 48, 96),
    )
    return _sagan("sagan64", model, images=120_000, rate=8e-4)


def sagan128() -> Config:
    """128 px, for a GPU or two hours of a CPU.

    Measured as `sagan64`, 96 000 images, 0.88 to 0.98 s a step, 98 minutes: holdout SSIM (of twice
    as fine pixels) 0.932 and 0.941; into A and into B: identity transfer 0.81 and 0.72, the source
    nearer in every frame, expression error 1.7 and 1.9 % of the eye distance, pose error 1.0 and
    1.2 degrees, correlation of openings of the mouth 1.00 and 0.98, of the eyes 0.91 and 0.95,
    jitter 0.94 and 0.96, sharpness 1.15 and 1.09.
    """
    model = ModelConfig(
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
    model = ModelConfig(
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
    model = ModelConfig(
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


def ancestor64() -> Config:
    """Faceswap-GAN v2.2, standard, 64 px: its networks, losses, optimiser and phases.

    Measured on the demo's two people, two cores of an Intel Xeon, one hour, 15 488 images (of the
    640 000 it is meant to see): holdout SSIM 0.663 and 0.709, LPIPS 0.076 and 0.078, which
    `sagan64` has passed at its first checkpoint, after three and a half minutes. Its mask is
    still shut then.

    Its weights are for pictures in -1..1; ours are 0..1, so those of differences are doubled
    here. Its two adversarial terms are added, ours averaged, so that
    weight is doubled too. Its 30 times the mean over all pixels of the difference in the eyes
    is written as a mean over the eyes, for eyes of 2 % of the crop. Not taken over: its
    VGGFace perceptual term, whose weights have no clear licence; the separate optimiser states
    of the encoder; fresh batches for each of its four updates; that its L2 spares the dense and
    the outermost layers.
    """
    total = _ANCESTOR_IMAGES
    model = ModelConfig(
        architecture="ancestor",
        sees="crop",
        columns=1.0,
        encoder_widths=(64, 128, 256, 512, 1024),
        encoder_attention=(16, 8),
        latent=1024,
        shared_width=512,
        decoder_widths=(256, 128, 64),
        decoder_attention=(32, 64),
        discriminator_widths=(64, 128, 256),
        spectral_norm=False,
    )
    loss = LossConfig(
        reconstruction=2.0,
        structure=0.0,
        edges=0.2,
        eyes=1.2,
        mask=0.0,
        mask_smoothness=0.1,
        # Either the mask is kept small or kept open.
        mask_area=_steps(total, (0, 0.01), (0.3, 0.0), (0.667, 0.01), (0.8, 0.0), (0.9, 0.01)),
        mask_hinge=_steps(total, (0, 0.0), (0.3, 0.1), (0.667, 0.0), (0.8, 0.1), (0.9, 0.0)),
        mask_margin=_steps(total, (0.3, 0.5), (0.4, 0.2), (0.5, 0.4), (0.8, 0.1)),
        adversarial=0.2,
        background_weight=1.0,
        eyes_weight=0.0,
        mouth_weight=0.0,
        critic="mixup",
        judged="output",
    )
    return Config(
        preset="ancestor64",
        images=total,
        preview_every=total // 40,
        sampling="uniform",
        swap_decoders_at=round(0.8 * total),
        model=model,
        loss=loss,
        augment=AugmentConfig(
            warp=0.032, rotation=10.0, zoom=0.1, shift=0.05, colour=0.0, colour_match=0.5,
            continue_face=False,
        ),
        optimiser=OptimiserConfig(
            generator_rate=1e-4,
            discriminator_rate=2e-4,
            generator_betas=(0.5, 0.999),
            discriminator_betas=(0.5, 0.999),
            warmup=0,
            final_rate=1.0,
            rate=_steps(total, (0, 1.0), (0.667, 0.3), (0.9, 0.1)),
            clip=1e9,
            weight_decay=0.0,
            l2=1e-4,
        ),
    )  # fmt: skip


def _sagan(name: str, model: ModelConfig, *, images: int, rate: float) -> Config:
    """Everything but networks, length and rate as `demo64`, whose settings are measured."""
    return Config(
        preset=name,
        images=images,
        preview_every=images // 40,
        model=model,
        loss=LossConfig(adversarial=((0.28 * images, 0.0), (0.38 * images, 0.03))),
        optimiser=OptimiserConfig(generator_rate=rate),
    )


def _steps(total: int, *rows: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """A table of weights that jump at shares of the run."""
    table: list[tuple[float, float]] = []
    for share, weight in rows:
        if table:
            table.append((share * total, table[-1][1]))
        table.append((share * total, weight))
    return tuple(table)


PRESETS = {
    preset.__name__: preset
    for preset in (demo64, sagan64, sagan128, sagan256, sagan512, ancestor64)
}
