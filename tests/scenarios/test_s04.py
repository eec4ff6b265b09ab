"""S04: an untagged remainder, a rule of the user's own, and honest coverage."""

from __future__ import annotations

import json
import re

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


KEY, APP = "api_key_id k-7f → search", "app notebook → growth"
TABLES = ("statements", "pools", "claims", "invoices", "allocated-charges", "usage-cells", "coverage-by-dimension")


def proposed(project: Project) -> str:
    """The id of the one proposal, after its figures have been looked at."""
    table, missed = project.ready().data("propose", "--period", "2026-11", "--all")
    first, shared, rest = table["rows"]
    assert (first["says"], first["kind"], first["amount"]["amount"]) == (KEY, "owner", "600.00")
    assert first["evidence"] == "1,842 of 1,860 owned calls (99.0 %, at least 98.5 %), 23 days"
    assert str(first["attributed_percent"]) == "88.50"
    assert (shared["says"], shared["kind"]) == ("app notebook → growth 71.00 %, support 29.00 %", "split")
    amounts = [row["amount"]["amount"] for row in (shared, rest)]
    assert (amounts, table["total"]["amount"]["amount"]) == (["400.00", "750.00"], "1750.00")
    (app,) = [row for row in missed["rows"] if row["says"] == APP]
    assert app["why_not"] == "71.0 % of its owned calls agree, at least 61.5 % for certain; 90 % is asked"
    return str(first["proposal"])


def everything(project: Project) -> list[object]:
    return [project.data("export", "--period", "2026-11", name) for name in TABLES]


def without_runs(tables: list[object]) -> str:
    """The tables as they are read, without the names of the runs that made them."""
    return re.sub(r"\d{8}T\d{12}Z-[0-9a-f]{6}", "", json.dumps(tables, default=str))


def test_a_proposal_moves_nothing(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    proposed(project)
    assert project.owed() == LOADED
    assert percents(project) == ("82.50", "0.00", "0.00", "17.50")


def test_approved_it_moves_its_six_hundred_and_the_other_moves_nothing(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    name = proposed(project)
    project.decide("approve", name, "--from", "2026-11-01", "--by", "Ana Lima")
    assert project.owed() == LOADED | {"search": "3500.00", "unallocated": "1150.00"}
    assert percents(project) == ("82.50", "6.00", "0.00", "11.50")
    (held,) = project.data("export", "decisions")["rows"]
    assert (held["person"], held["decision"], held["from"], held["in_force"]) == (
        "Ana Lima", "approve", "2026-11-01", "yes",
    )  # fmt: skip


def test_approved_and_the_rest_spread(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    project.decide("approve", proposed(project), "--from", "2026-11-01")
    file = project.folder / "apportion.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "unallocated: {spread_by: attributed_cost}\n", encoding="utf-8")
    project.run()
    assert project.owed() == {"support": "4745.76", "search": "3954.80", "growth": "1299.44"}
    assert percents(project) == ("82.50", "6.00", "11.50", "0.00")
    (attributed,) = project.coverage().below
    assert (attributed["amount"], attributed["percent"]) == ("8850.00", "88.50")


def test_undone_every_table_is_what_it_was(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    name = proposed(project)
    before = without_runs(everything(project))
    project.decide("approve", name)
    assert without_runs(everything(project)) != before
    project.decide("undo", name)
    assert without_runs(everything(project)) == before
    assert project.certificate()["ok"] is True
    assert project.owed() == LOADED
    assert percents(project) == ("82.50", "0.00", "0.00", "17.50")
    proposed(project)


def test_a_preview_decides_nothing(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    name = proposed(project)
    said = project.decide("approve", name, "--preview")
    assert "+600.00" in said.out
    assert "nothing was decided" in said.err
    assert project.owed() == LOADED
    assert project.data("export", "decisions")["rows"] == []


def test_the_day_of_an_approval_counts(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    project.decide("approve", proposed(project), "--from", "2026-11-14")
    # 12,000 tokens each on the 14th, the 19th and the 23rd.
    assert project.owed() == LOADED | {"search": "3260.00", "unallocated": "1390.00"}


def test_what_came_near_cannot_be_approved(fresh: Opened) -> None:
    project = fresh("s04/proposals")
    proposed(project)
    said = project.call("approve", "P-000000", code=2)
    assert "no-such-proposal" in said.err
    assert project.owed() == LOADED
