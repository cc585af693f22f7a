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


def test_the_judge_of_identity_serves_evaluation_alone():
    users = [m for m, path in _MODULES.items() if "sagan_jax.recogniser" in _imports(path)]
    assert users == ["sagan_jax.evaluate"]


@pytest.mark.parametrize("module", ["sagan_jax.convert", "sagan_jax.swap"])
def test_rendering_needs_no_training(module):
    assert not _reaches(module) & {f"sagan_jax.{name}" for name in ("train", "step", "data")}


@pytest.mark.parametrize(
    "name", ["train", "step", "losses", "generator", "discriminator", "augment", "data"]
)
def test_no_judge_takes_part_in_training(name):
    module = f"sagan_jax.{name}"
    assert module in _MODULES
    assert not _reaches(module) & {
        "sagan_jax.recogniser",
        "sagan_jax.metrics",
        "data_prep.landmarks",
    }
