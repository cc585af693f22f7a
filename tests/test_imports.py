"""The arrows of the design: launch -> sagan_jax -> data_prep, and what may not know what."""

import ast
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).parent.parent
_MODULES = {
    f"{path.parent.name}.{path.stem}": path
    for package in ("data_prep", "sagan_jax", "launch")
    for path in (_ROOT / package).glob("*.py")
}
# The modules that know PyAV: files opened, pictures read and written, sound, both joined; and
# what is compared with coding a video anew by PyAV alone.
_MEDIA = [
    *(f"data_prep.{m}" for m in ("audio", "container", "picture", "segments", "video")),
    "data_prep.video_writer",
    "launch.benchmark_convert",
]


def _imports(path: pathlib.Path) -> set[str]:
    """Every module a file imports, at any depth, `from a import b` as both `a` and `a.b`."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _reaches(start: str) -> set[str]:
    """Our modules that importing one brings in."""
    seen, todo = set(), [start]
    while todo:
        module = todo.pop()
        if module in _MODULES and module not in seen:
            seen.add(module)
            todo += _imports(_MODULES[module])
    return seen


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_layers_only_look_down(module):
    below = {"data_prep": {"sagan_jax", "launch"}, "sagan_jax": {"launch"}, "launch": set()}
    tops = {name.split(".")[0] for name in _imports(_MODULES[module])}
    assert not tops & below[module.split(".")[0]]


def test_media_are_read_in_one_place():
    assert sorted(m for m, path in _MODULES.items() if "av" in _imports(path)) == _MEDIA


def _names(path: pathlib.Path) -> set[str]:
    """Every attribute and name that a file mentions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(
    ("names", "users"),
    [
        ({"SFACE", "FaceRecognizerSF"}, {"sagan_jax.recogniser", "sagan_jax.evaluation"}),
        ({"EFFICIENTNET"}, {"sagan_jax.distribution", "sagan_jax.evaluation"}),
        ({"landmark_model"}, {"data_prep.landmarks"}),
        ({"blendshape_model"}, {"data_prep.blendshapes"}),
    ],
)
def test_the_weights_of_a_judge_are_opened_in_one_place(names, users):
    known = {m for m, path in _MODULES.items() if _names(path) & names} - {"data_prep.weights"}
    assert known == users


def test_the_judges_serve_evaluation_alone():
    judges = {"sagan_jax.recogniser", "sagan_jax.distribution", "data_prep.blendshapes"}
    users = {m for m, path in _MODULES.items() if _imports(path) & judges}
    assert users == {"sagan_jax.gallery", "sagan_jax.evaluate"}


@pytest.mark.parametrize("module", ["sagan_jax.convert", "sagan_jax.swap"])
def test_rendering_needs_no_training(module):
    assert not _reaches(module) & {f"sagan_jax.{name}" for name in ("train", "step", "data")}


# What a loss or its gradient can be made of; `train` brings in all of it.
_LEARNING = (
    "train", "step", "objective", "losses", "perceptual", "generator", "discriminator", "augment",
    "data", "holdout", "preview", "state",
)  # fmt: skip
_JUDGES = {
    *(f"sagan_jax.{m}" for m in ("recogniser", "distribution", "metrics", "gallery", "evaluate")),
    *(f"data_prep.{m}" for m in ("landmarks", "blendshapes")),
}


@pytest.mark.parametrize("name", _LEARNING)
def test_no_judge_takes_part_in_training(name):
    module = f"sagan_jax.{name}"
    assert module in _MODULES
    assert not _reaches(module) & _JUDGES
    if name == "train":
        assert {f"sagan_jax.{m}" for m in ("step", "objective", "losses")} <= _reaches(module)


def test_a_loss_can_open_the_networks_of_lpips_and_dlib_and_no_others():
    learning = {m for m in _reaches("sagan_jax.train") if m.startswith("sagan_jax.")}
    users = {m for m in learning if "data_prep.weights" in _imports(_MODULES[m])}
    # But for `perceptual` these only say which licences there are.
    cards = {
        "sagan_jax.model_card", "sagan_jax.provenance", "sagan_jax.train", "sagan_jax.train_report",
    }  # fmt: skip
    assert users == {"sagan_jax.perceptual"} | cards
    opening = {name for name in _names(_MODULES["sagan_jax.perceptual"]) if "load" in name}
    assert opening == {"load", "load_lpips"}  # the first is its own, and that of dlib's network
    known = _imports(_MODULES["sagan_jax.perceptual"]) & _MODULES.keys()
    assert {m for m in known if m.startswith("data_prep.")} == {
        "data_prep.identity_network", "data_prep.weights",
    }  # fmt: skip
