"""Facts of checkpoints for tests, without a training."""

from data_prep.dataset.identity_card import IdentityCard
from data_prep.segmentation.mask_source import MaskSource
from sagan_jax.checkpoints.facts import CheckpointFacts, IdentityFacts
from sagan_jax.configs import presets


def identity_facts(
    name: str, masks: MaskSource = MaskSource.MESH, models: tuple = (), videos: tuple = ()
) -> IdentityFacts:
    """Returns facts of a person who agrees to the test.

    Args:
      name: name of the person.
      masks: source of the masks of the person's data set.
      models: models that the data set was made with.
      videos: cards of its videos.
    """
    card = IdentityCard(
        identity=name,
        consent=f"{name} agrees to this test",
        videos=videos,
        settings={"face": {"masks": masks.value}},
        models=models,
        fingerprint=name.encode().hex().ljust(64, "0"),
    )
    return IdentityFacts(card)


def checkpoint_facts(a: IdentityFacts, b: IdentityFacts) -> CheckpointFacts:
    """Returns facts of a model of two people, with the config of a preset."""
    return CheckpointFacts(presets.demo64(), (a, b))
