"""Starting from another run: its encoder, its people, or all of it."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
from absl import logging

from data_prep.errors import InputError
from sagan_jax.checkpoints import checkpoint
from sagan_jax.checkpoints.checkpoint import learned_from
from sagan_jax.configs import overrides
from sagan_jax.configs.config import Config
from sagan_jax.configs.warm_start import Start, Take
from sagan_jax.training import train_state as state_lib
from sagan_jax.training.train_state import TrainState


def ancestry(start: Start) -> list[dict[str, Any]]:
    """Whose faces the networks of another run learned from, in it or before.

    Raises:
      InputError: if it has no usable checkpoint.
    """
    with checkpoint.Checkpoints(start.workdir) as checkpoints:
        return learned_from(checkpoints.facts(start.step, to_continue=True))


def initialise(
    state: TrainState, start: Start, config: Config, names: tuple[str, str]
) -> TrainState:
    """A fresh state with parts of another run.

    The generator is taken as it renders: averaged. Optimiser and schedule begin anew.

    Args:
      state: fresh, on its devices.
      start: of what.
      config: of the new run.
      names: of its people.

    Raises:
      InputError: if the other run has no usable checkpoint, its networks have other shapes, or
        nothing of it is left frozen that was to be.
    """
    with checkpoint.Checkpoints(start.workdir) as checkpoints:
        facts = checkpoints.facts(start.step, to_continue=True)
        theirs = overrides.from_dict(facts["config"])
        _require_equal_networks(start.workdir, theirs, config)
        shapes = jax.eval_shape(lambda: state_lib.create(jax.random.key(0), theirs))
        wanted = checkpoint.abstract_like(shapes, state.step.sharding)
        items = checkpoints.restore(
            start.step, training=dataclasses.replace(wanted, ema=None), ema=wanted.ema
        )
    before = dataclasses.replace(items["training"], ema=items["ema"])
    places = _places([one["identity"] for one in facts["identities"]], names, start.take)
    known = ", ".join(f"{names[i]}'s decoder" for i, j in enumerate(places) if j is not None)
    logging.info("From %s: the encoder%s.", start.workdir, f", {known}" if known else "")
    _require_known(config, places, names)
    return _with_parts(state, before, places)


def _places(theirs: list[str], ours: tuple[str, str], take: Take) -> tuple[int | None, ...]:
    """For A and B, which person of the other run they start as."""
    if take is Take.ENCODER:
        return None, None
    found = [theirs.index(name) if name in theirs else None for name in ours]
    if take is Take.ALL:
        free = [i for i in (0, 1) if i not in found]
        found = [free.pop(0) if place is None else place for place in found]
    return tuple(found)


def _with_parts(
    state: TrainState, before: TrainState, places: tuple[int | None, ...]
) -> TrainState:
    taken = {"encoder": before.ema["encoder"]}
    discriminators, vectors = list(state.discriminator), list(state.power_vectors)
    for ours, theirs in enumerate(places):
        if theirs is not None:
            taken[f"decoders_{ours}"] = before.ema[f"decoders_{theirs}"]
            discriminators[ours] = before.discriminator[theirs]
            vectors[ours] = before.power_vectors[theirs]
    # Copies, as the state is donated: no buffer can be given away twice.
    own, averaged = (jax.tree.map(lambda leaf: leaf.copy(), taken) for _ in range(2))
    return dataclasses.replace(
        state,
        generator={**state.generator, **own},
        ema={**state.ema, **averaged},
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


def _require_known(config: Config, places: tuple[int | None, ...], names: tuple[str, str]) -> None:
    for place, part, name in zip(places, ("decoder_a", "decoder_b"), names, strict=True):
        if place is None and part in config.freeze:
            raise InputError(
                f"--freeze={part}: {name} is not in the run this starts from, so there is nothing "
                "to keep; freeze the decoder of a person who is"
            )
