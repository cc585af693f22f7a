"""Starting from another run: from its encoder, its people, or all of it."""

from __future__ import annotations

import dataclasses
import pathlib

import jax
from absl import logging

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.checkpoints.facts import IdentityFacts
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start, Take
from sagan_jax.training import train_state
from sagan_jax.training.train_state import TrainState

# For A and B, index of the person of the other run whose decoder they start with.
_Origins = tuple[int | None, int | None]


def ancestry(start: Start) -> tuple[IdentityFacts, ...]:
    """People whose faces the networks of another run learned from, there or in runs before it.

    Raises:
      InputError: if the other run has no usable checkpoint.
    """
    with checkpoint.Checkpoints(start.workdir) as checkpoints:
        return checkpoints.facts(start.step, to_continue=True).learned_from


def initialise(
    state: TrainState, start: Start, config: Config, names: tuple[str, str]
) -> TrainState:
    """Replaces parts of a fresh state by those of another run.

    The averaged generator is taken, the one that renders. Optimiser and schedule begin anew.

    Args:
      state: fresh state, on its devices.
      start: the other run, and what to take of it.
      config: config of the new run.
      names: names of A and B.

    Raises:
      InputError: if the other run has no usable checkpoint, its networks have other shapes, or
        a decoder is to be frozen that is not taken from it.
    """
    with checkpoint.Checkpoints(start.workdir) as checkpoints:
        facts = checkpoints.facts(start.step, to_continue=True)
        _require_equal_networks(start.workdir, facts.config, config)
        # The optimiser's state has the shape that the config of the other run gave it.
        shapes = jax.eval_shape(lambda: train_state.create(jax.random.key(0), facts.config))
        abstract = checkpoint.abstract_like(shapes, state.step.sharding)
        items = checkpoints.restore(
            start.step, training=dataclasses.replace(abstract, ema=None), ema=abstract.ema
        )
    source = dataclasses.replace(items["training"], ema=items["ema"])
    origins = _origins(facts.names, names, start.take)
    taken = "".join(
        f", {names[i]}'s decoder" for i, origin in enumerate(origins) if origin is not None
    )
    logging.info("From %s: the encoder%s.", start.workdir, taken)
    _require_origin_of_frozen(config, origins, names)
    return _with_parts(state, source, origins)


def _origins(theirs: tuple[str, str], ours: tuple[str, str], take: Take) -> _Origins:
    """For A and B, which person of the other run they start as; None for a fresh decoder."""
    if take is Take.ENCODER:
        return None, None
    a, b = (theirs.index(name) if name in theirs else None for name in ours)
    if take is Take.ALL:
        free = [i for i in (0, 1) if i not in (a, b)]
        a = free.pop(0) if a is None else a
        b = free.pop(0) if b is None else b
    return a, b


def _with_parts(state: TrainState, source: TrainState, origins: _Origins) -> TrainState:
    """The state with the encoder of another run, and the decoders and discriminators it has."""
    taken = {"encoder": source.ema["encoder"]}
    discriminators, vectors = list(state.discriminator), list(state.power_vectors)
    for ours, theirs in enumerate(origins):
        if theirs is not None:
            taken[f"decoders_{ours}"] = source.ema[f"decoders_{theirs}"]
            discriminators[ours] = source.discriminator[theirs]
            vectors[ours] = source.power_vectors[theirs]
    # The state is donated, and no buffer can be donated twice: each use gets its own copy.
    generator, ema = (jax.tree.map(lambda leaf: leaf.copy(), taken) for _ in range(2))
    return dataclasses.replace(
        state,
        generator={**state.generator, **generator},
        ema={**state.ema, **ema},
        discriminator=tuple(discriminators),
        power_vectors=tuple(vectors),
    )


def _require_equal_networks(workdir: pathlib.Path, theirs: Config, ours: Config) -> None:
    different = [
        f"{field.name} is {getattr(theirs.model, field.name)} there"
        for field in dataclasses.fields(ours.model)
        if getattr(theirs.model, field.name) != getattr(ours.model, field.name)
    ]
    if different:
        raise InputError(
            f"{workdir}: its networks are others ({'; '.join(different[:3])}); start with its "
            "preset and width"
        )


def _require_origin_of_frozen(config: Config, origins: _Origins, names: tuple[str, str]) -> None:
    """Raises an `InputError` if a decoder of random numbers would be frozen."""
    for origin, part, name in zip(origins, ("decoder_a", "decoder_b"), names, strict=True):
        if origin is None and part in config.freeze:
            raise InputError(
                f"freeze={part}: {name} is not in the run this starts from, so there is nothing "
                "to keep; freeze the decoder of a person who is",
                setting="freeze",
            )
