"""Fair timing, and tables that go unchanged from the measurement into the documentation."""

import json

import pytest

from data_prep.errors import InputError
from launch import docs_tables
from launch.benchmarks import harness
from launch.benchmarks.harness import Cost, Measurement, Table
from tests.support import ROOT


def _scripted(milliseconds, ran, name):
    """Makes a contestant that takes the given times."""
    times = iter(milliseconds)

    def run():
        ran.append(name)
        return Cost(cpu_ms=2 * (time := next(times)), wall_ms=time)

    return run


def test_contestants_alternate_and_the_first_round_does_not_count():
    ran = []
    contestants = {
        "ours": _scripted([500, 10, 30, 11], ran, "ours"),
        "other": _scripted([900, 40, 120, 44], ran, "other"),
    }
    costs = harness.alternate(contestants, 3)
    assert ran == ["ours", "other"] * 4
    assert costs["ours"] == (Cost(20, 10), Cost(22, 11))


@pytest.fixture
def measured(tmp_path):
    machine = {"processor": "P", "cores": 2, "devices": "1 cpu", "python": "3.11.0"}
    measurement = Measurement("python -m x", "2026-01-02", machine, {"jax": "0.10.1"})
    table = Table("Speed", [{"what": "a", "ms": 1.2345}, {"what": "b", "ms": None}], ["A note."])
    measurement.write(tmp_path / "speed.json", [table])
    return tmp_path


def test_a_measurement_is_read_back_from_its_file(measured):
    read = Measurement.from_json(json.loads((measured / "speed.json").read_text()))
    assert read.tables[0].records[0]["ms"] == 1.2345
    assert read.heading() == "P, 2 cores, JAX on 1 cpu; Python 3.11.0, jax 0.10.1; 2026-01-02"


def test_a_table_is_set_between_its_marks_and_nowhere_else(measured):
    text = "before\n<!-- table: speed -->\nold\n<!-- end of table -->\nafter\n"
    once = docs_tables.filled(text, measured)
    assert once.startswith("before\n<!-- table: speed -->\nSpeed\n\n| what | ms |\n| --- | --- |\n")
    assert "| a | 1.23 |\n| b | - |\n\nA note.\n" in once and "old" not in once
    assert once.endswith("<!-- end of table -->\nafter\n")
    assert docs_tables.filled(once, measured) == once


def test_a_table_that_was_not_measured_is_an_error(measured):
    text = "<!-- table: other -->\n<!-- end of table -->"
    with pytest.raises(InputError, match=r"other\.json"):
        docs_tables.filled(text, measured)
    (measured / "other.json").write_text('{"schema_version": "0"}')
    with pytest.raises(InputError, match="measure again"):
        docs_tables.filled(text, measured)


def test_the_tables_of_the_documentation_are_those_that_were_measured():
    pages = {path: path.read_text() for path in (ROOT / "docs").rglob("*.md")}
    with_tables = {path: text for path, text in pages.items() if "<!-- table: " in text}
    assert ROOT / "docs" / "benchmarks.md" in with_tables
    for path, text in with_tables.items():
        assert docs_tables.filled(text, ROOT / "benchmarks") == text, path
