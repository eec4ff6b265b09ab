"""S04: an untagged remainder, a rule of the user's own, and honest coverage."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Cell, Project

LAYERS = ("direct", "rule", "shared", "unallocated")
LOADED = {"support": "4200.00", "search": "2900.00", "growth": "1150.00", "unallocated": "1750.00"}


def percents(project: Project) -> tuple[Cell, ...]:
    layers = project.coverage().column("percent")
    assert list(layers) == list(LAYERS)
    return tuple(layers.values())


def test_as_loaded(scenario: Opened) -> None:
    project = scenario("s04/as_loaded")
    assert project.owed() == LOADED
    assert percents(project) == ("82.50", "0.00", "0.00", "17.50")


def test_the_rule_moves_six_hundred(scenario: Opened) -> None:
    project = scenario("s04/key_rule")
    assert project.owed() == LOADED | {"search": "3500.00", "unallocated": "1150.00"}
    assert percents(project) == ("82.50", "6.00", "0.00", "11.50")
    search = project.statement().row("search")
    assert (search["direct"], search["rule"]) == ("2900.00", "600.00")


def test_the_remainder_is_spread_by_attributed_cost(scenario: Opened) -> None:
    project = scenario("s04/spread")
    assert project.owed() == {"support": "4745.76", "search": "3954.80", "growth": "1299.44"}
    shared = project.statement().column("shared")
    shared.pop("unallocated", None)
    assert shared == {"support": "545.76", "search": "454.80", "growth": "149.44"}


def test_spreading_does_not_raise_attributed_coverage(scenario: Opened) -> None:
    project = scenario("s04/spread")
    assert percents(project) == ("82.50", "6.00", "11.50", "0.00")
    for name in ("s04/spread", "s04/key_rule"):
        (attributed,) = scenario(name).coverage().below
        assert (attributed["amount"], attributed["percent"]) == ("8850.00", "88.50")


def test_the_date_of_the_rule_counts(fresh: Opened) -> None:
    project = fresh("s04/key_rule")
    project.edit("apportion.yaml", "from: 2026-11-01", "from: 2026-11-02")
    assert project.owed() == LOADED


def test_taking_the_rule_back_restores_the_first_row(fresh: Opened) -> None:
    project = fresh("s04/key_rule")
    before = project.owed()
    text = (project.folder / "apportion.yaml").read_text(encoding="utf-8")
    rule = next(line for line in text.splitlines() if "value: search" in line)
    project.edit("apportion.yaml", rule, "")
    assert before != project.owed() == LOADED


@pytest.mark.parametrize("name", ["s04/as_loaded", "s04/key_rule", "s04/spread"])
def test_every_layer_adds_up_to_the_invoice(scenario: Opened, name: str) -> None:
    assert scenario(name).statement().all_total("total") == "10000.00"
