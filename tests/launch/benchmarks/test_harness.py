"""Fair timing, and tables that go unchanged from the measurement into the README."""

import json

import pytest

from data_prep.errors import InputError
from launch import docs_tables
from launch.benchmarks import harness
from launch.benchmarks.harness import Cost, Measurement, Table
from tests.support import ROOT


def _scripted(milliseconds, ran, name):
    """A contestant that takes as long as it is told."""
    times = iter(milliseconds)

    def run():
        ran.append(name)
        return Cost(cpu_ms=2 * (time := next(times)), wall_ms=time)

    return run


def _race():
    ran = []
    # The first round compiles. The machine is three times as slow in the third one.
    ours, other = [500, 10, 30, 11], [900, 40, 120, 44]
    return ran, {"ours": _scripted(ours, ran, "ours"), "other": _scripted(other, ran, "other")}


def test_contestants_take_turns_and_the_first_round_does_not_count():
    ran, contestants = _race()
    costs = harness.alternate(contestants, 3)
    assert ran == ["ours", "other"] * 4
    assert costs["ours"] == (Cost(20, 10), Cost(22, 11))


def test_a_slow_moment_of_the_machine_does_not_change_the_ratio():
    _, contestants = _race()
    rounds = harness.alternating_rounds(contestants, 3)
    assert harness.ratio(rounds["other"], rounds["ours"]) == 4


def test_a_comparison_says_what_was_measured():
    _, contestants = _race()
    table = harness.comparison("Race", contestants, 3, item="frame", baseline="ours")
    ours, other = table.records
    assert ours["ms a frame"] == 11 and ours["CPU-ms a frame"] == 20
    assert other["frames/s"] == pytest.approx(1000 / 44) and other["time, of ours"] == 4


@pytest.fixture
def measured(tmp_path):
    measurement = Measurement("python -m x", "2026-01-02", {
        "processor": "P", "cores": 2, "devices": "1 cpu", "python": "3.11.0",
    }, {"jax": "0.10.1"})  # fmt: skip
    table = Table("Speed", [{"what": "a", "ms": 1.2345}, {"what": "b", "ms": None}], ["A note."])
    measurement.write(tmp_path / "speed.json", [table])
    return tmp_path


def test_a_measurement_survives_its_file(measured):
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


def test_the_tables_of_the_readme_are_those_that_were_measured():
    text = (ROOT / "README.md").read_text()
    assert docs_tables.filled(text, ROOT / "benchmarks") == text
