"""The arrows of the design, which hold for files that are not written yet, too."""

import ast
import functools
import pathlib

import pytest

from tests.support import ROOT

_MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for package in ("data_prep", "sagan_jax", "launch")
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py"
}


@functools.cache
def _imports(path: pathlib.Path, *, at_the_top: bool = False) -> frozenset[str]:
    """Every module a file imports, `from a import b` as both `a` and `a.b`.

    Args:
      path: the file.
      at_the_top: whether only what importing the file brings in counts; otherwise also what is
        imported inside functions, and for the types alone.
    """
    found = set()
    tree = ast.parse(path.read_text())
    for node in tree.body if at_the_top else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@functools.cache
def _reaches(start: str, *, at_the_top: bool = False) -> frozenset[str]:
    """Modules that one brings in, ours and the first names of others."""
    seen, todo = set(), [start]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        if module in _MODULES:
            todo += _imports(_MODULES[module], at_the_top=at_the_top)
    return frozenset(seen)


def _within(package: str) -> list[str]:
    """Our modules below a package."""
    return sorted(module for module in _MODULES if module.startswith(f"{package}."))


def _package(module: str) -> str:
    return module.rpartition(".")[0]


@pytest.mark.parametrize("module", sorted(_MODULES))
def test_layers_only_look_down(module):
    below = {"data_prep": {"sagan_jax", "launch"}, "sagan_jax": {"launch"}, "launch": set()}
    tops = {name.split(".")[0] for name in _imports(_MODULES[module])}
    assert not tops & below[module.split(".")[0]]


_FORBIDDEN = {
    "sagan_jax.training": ("sagan_jax.evaluation", "sagan_jax.rendering"),
    "sagan_jax.rendering": ("sagan_jax.data", "sagan_jax.training", "sagan_jax.losses"),
    "sagan_jax.conversion": ("sagan_jax.data", "sagan_jax.training", "sagan_jax.losses"),
    "sagan_jax.evaluation": ("sagan_jax.training",),
    "data_prep.media": ("data_prep.mesh",),
    "data_prep.pipeline": ("data_prep.dataset",),
}


@pytest.mark.parametrize("package", _FORBIDDEN)
def test_what_a_package_must_not_reach(package):
    for module in _within(package):
        reached = {_package(one) for one in _reaches(module)}
        assert not reached & set(_FORBIDDEN[package]), module


@pytest.mark.parametrize("package", ["sagan_jax.rendering", "sagan_jax.provenance"])
def test_rendering_and_verifying_need_no_training_libraries(package):
    for module in _within(package):
        tops = {name.split(".")[0] for name in _reaches(module, at_the_top=True)}
        assert not tops & {"tensorflow", "tensorflow_datasets", "optax", "matplotlib"}, module


def test_no_package_imports_one_that_imports_it():
    arrows = {
        (_package(module), _package(other))
        for module, path in _MODULES.items()
        for other in _imports(path) & _MODULES.keys()
        if _package(module) != _package(other)
    }
    packages = {package for arrow in arrows for package in arrow}
    while leaves := packages - {start for start, end in arrows if end in packages}:
        packages -= leaves
    assert not packages


def _outside_imports(package: str) -> set[str]:
    """Modules of a package that the sources of other packages import."""
    return {
        other
        for module, path in _MODULES.items()
        for other in _imports(path) & _MODULES.keys()
        if _package(other) == package != _package(module)
    }


# The packages of the programs have no face: nothing below them imports them.
_PACKAGES = sorted({_package(module) for module in _MODULES if module.count(".") > 1})
_LIBRARIES = [package for package in _PACKAGES if not package.startswith("launch.")]


@pytest.mark.parametrize("package", _LIBRARIES)
def test_a_package_has_a_public_face(package):
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text())
    lines = (ast.get_docstring(tree) or "").splitlines()
    assert 1 < len(lines) <= 7
    # Nothing is imported there, so that using one module does not load the others.
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    (names,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert list(names) == sorted(names) and 1 <= len(names) <= 6
    assert {f"{package}.{name}" for name in names} <= _MODULES.keys()


@pytest.mark.parametrize("package", _LIBRARIES)
def test_from_outside_only_the_public_modules_are_imported(package):
    tree = ast.parse((ROOT / package.replace(".", "/") / "__init__.py").read_text())
    public = {
        f"{package}.{name}"
        for node in tree.body
        if isinstance(node, ast.Assign)
        for name in ast.literal_eval(node.value)
    }
    assert not _outside_imports(package) - public


def test_no_private_name_is_imported():
    for module, path in _MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not [a.name for a in node.names if a.name.startswith("_")], module


def test_media_are_read_in_one_place():
    users = {module for module, path in _MODULES.items() if "av" in _imports(path)}
    # The benchmark compares with coding a video anew by PyAV alone.
    assert {m for m in users if _package(m) != "data_prep.media"} == {
        "launch.benchmarks.conversion"
    }


def _names(path: pathlib.Path) -> set[str]:
    """Every attribute and name that a file mentions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


_EVALUATION = "sagan_jax.evaluation"


@pytest.mark.parametrize(
    ("names", "users"),
    [
        ({"SFACE", "FaceRecognizerSF"}, {f"{_EVALUATION}.sface", f"{_EVALUATION}.results"}),
        ({"EFFICIENTNET"}, {f"{_EVALUATION}.fid_kid", f"{_EVALUATION}.results"}),
        ({"landmark_model"}, {"data_prep.mesh.face_mesh"}),
        ({"blendshape_model"}, {"data_prep.mesh.blendshapes"}),
    ],
)
def test_the_weights_of_a_judge_are_opened_in_one_place(names, users):
    known = {m for m, path in _MODULES.items() if _names(path) & names} - {"data_prep.weights"}
    assert known == users


def test_the_judges_serve_evaluation_alone():
    judges = {f"{_EVALUATION}.sface", f"{_EVALUATION}.fid_kid", "data_prep.mesh.blendshapes"}
    users = {m for m, path in _MODULES.items() if _imports(path) & judges}
    assert users == {f"{_EVALUATION}.gallery", f"{_EVALUATION}.scoring"}


_JUDGES = {"data_prep.mesh.face_mesh", "data_prep.mesh.blendshapes"}
# Packages that a loss or its gradient can be made of; `training.train` brings in all of them.
_LEARNING = ("training", "losses", "networks", "data", "validation")


@pytest.mark.parametrize("module", [m for name in _LEARNING for m in _within(f"sagan_jax.{name}")])
def test_no_judge_takes_part_in_training(module):
    reached = _reaches(module)
    assert not reached & _JUDGES
    assert not {_package(one) for one in reached} & {_EVALUATION}


def test_training_brings_in_all_that_learns():
    parts = {"training.train_step", "training.objective", "losses.pixelwise"}
    assert {f"sagan_jax.{part}" for part in parts} <= _reaches("sagan_jax.training.train")


def test_a_loss_can_open_the_networks_of_lpips_and_dlib_and_no_others():
    perceptual = "sagan_jax.losses.perceptual"
    learning = {m for m in _reaches("sagan_jax.training.train") if m.startswith("sagan_jax.")}
    users = {m for m in learning & _MODULES.keys() if "data_prep.weights" in _imports(_MODULES[m])}
    # But for `perceptual` these only say which licences there are.
    cards = {
        "sagan_jax.checkpoints.facts",
        "sagan_jax.checkpoints.model_card",
        "sagan_jax.provenance.manifest",
        "sagan_jax.training.train_report",
    }
    assert users == {perceptual} | cards
    opening = {name for name in _names(_MODULES[perceptual]) if "load" in name}
    assert opening == {"load", "load_lpips"}  # the first is its own, and that of dlib's network
    known = _imports(_MODULES[perceptual]) & _MODULES.keys()
    assert {m for m in known if m.startswith("data_prep.")} == {
        "data_prep.identity.dlib_resnet",
        "data_prep.weights",
    }
