"""The README and the documentation name only files, programs, flags and figures that exist."""

import ast
import functools
import json
import pathlib
import re
import tomllib

import pytest

from tests.support import ROOT

_PAGES = sorted([
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / name for name in ("ACCEPTABLE_USE.md", "SECURITY.md")),
    *(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts),
])  # fmt: skip
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INCLUDE = re.compile(r'^--8<-- "generated/(\w+)\.md"$', re.MULTILINE)
_COMMAND = re.compile(r"python -m launch\.(\w+)((?:[^\n`]|\\\n)*)")
_FLAG = re.compile(r"(?<![\w-])--([a-z_]+)")
# Flags of other programs, which the pages name as well.
_FOREIGN = {"help", "logdir", "compile"}


def _name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=_PAGES, ids=_name)
def page(request) -> pathlib.Path:
    return request.param


@functools.cache
def _flags(program: str) -> frozenset[str]:
    """Names of the flags that a program of `launch` defines, from its source."""
    calls = (
        node
        for node in ast.walk(ast.parse((ROOT / "launch" / f"{program}.py").read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )
    names, switches = set(), set()
    for call in calls:
        if call.func.attr.startswith("DEFINE_"):
            names.add(call.args[0].value)
            if call.func.attr in ("DEFINE_bool", "DEFINE_boolean"):
                switches.add(f"no{call.args[0].value}")
    return frozenset(names | switches)


def _programs() -> set[str]:
    return {path.stem for path in (ROOT / "launch").glob("*.py")}


def _anchors(path: pathlib.Path) -> set[str]:
    """Anchors of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 220


def test_experiments_are_pages():
    assert not (ROOT / "EXPERIMENTS.md").exists()
    index = (ROOT / "docs/experiments/index.md").read_text()
    navigation = (ROOT / "mkdocs.yml").read_text()
    for path in (ROOT / "docs/experiments").glob("2*.md"):
        assert f"({path.name})" in index and f"experiments/{path.name}" in navigation


def test_links_lead_somewhere(page):
    for link in _LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        path = page.parent / file if file else page
        assert path.is_file(), link
        assert not anchor or anchor in _anchors(path), link


def test_included_tables_are_of_programs(page):
    from launch import docs_flags

    assert set(_INCLUDE.findall(page.read_text())) <= set(docs_flags.PROGRAMS)


def test_programs_and_their_flags_exist(page):
    text = page.read_text()
    assert set(re.findall(r"`launch\.(\w+)", text)) <= _programs() | {"readme_tables", "benchmarks"}
    for program, arguments in _COMMAND.findall(text):
        assert program in _programs(), program
        assert set(_FLAG.findall(arguments)) <= _flags(program) | {"help", "compile"}, arguments


def test_flags_exist_somewhere(page):
    known = frozenset[str]().union(*(_flags(program) for program in _programs()))
    assert set(_FLAG.findall(page.read_text())) <= known | _FOREIGN


def test_installed_commands_exist(page):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(re.findall(r"`(sagan-\w+)`", page.read_text())) - {"sagan-jax"} <= set(scripts)


def test_targets_of_make_exist(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= targets


def test_paths_exist(page):
    if page.name == "CHANGELOG.md":
        return
    for path in re.findall(
        r"`((?:data_prep|sagan_jax|launch|tests|docs)/[\w/.-]+)`", page.read_text()
    ):
        generated = path.startswith("docs/generated") or "YYYY" in path
        assert generated or (ROOT / path).exists(), path


def test_the_readme_reports_the_demo_as_it_was_measured():
    demo = json.loads((ROOT / "benchmarks/demo.json").read_text())
    measured: dict[str, list[str]] = {}
    for record in demo["tables"][0]["records"]:
        values = [record[clip].split(" (")[0] for clip in ("swapped.mp4", "swapped_reverse.mp4")]
        # Sharpness comes twice, first against the target.
        measured.setdefault(record["figure"].split(",")[0], values)
    rows = re.findall(r"^\| ([^|(,]+?)(?: \(.*?\)|, [^|]*)? \| ([\d.]+) / ([\d.]+) \|",
                      (ROOT / "README.md").read_text(), re.MULTILINE)  # fmt: skip
    shown = {name: [a, b] for name, a, b in rows}
    ssim = shown.pop("holdout SSIM")
    assert ssim == [measured[f"reconstruction SSIM of {person}"][0] for person in "AB"]
    assert len(shown) >= 8
    assert shown == {name: measured[name] for name in shown}
    assert demo["date"] in (ROOT / "README.md").read_text()
