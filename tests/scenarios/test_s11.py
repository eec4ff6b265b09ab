"""S11: what each customer brings in and costs."""

from __future__ import annotations

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Cell

COST = {"acme": "808.95", "birch": "625.25", "cedar": "114.80", "dune": "12.40"}


def customers(scenario: Opened, name: str) -> dict[str, Cell]:
    return scenario("s11").table("customers").column(name)


def test_the_statement_by_customer(scenario: Opened) -> None:
    project = scenario("s11")
    assert project.owed() == COST
    assert project.statement().all_total("total") == "1561.40"
    assert project.statement().column("direct") == {
        "acme": "640.20",
        "birch": "512.75",
        "cedar": "96.05",
        "dune": "12.40",
    }


def test_the_overhead_goes_by_requests(scenario: Opened) -> None:
    assert scenario("s11").statement().column("shared") == {
        "acme": "168.75",
        "birch": "112.50",
        "cedar": "18.75",
        "dune": "0.00",
    }


def test_cost_to_serve_and_revenue(scenario: Opened) -> None:
    assert customers(scenario, "revenue") == {
        "acme": "2000.00",
        "birch": "500.00",
        "cedar": "1200.00",
        "dune": "0.00",
    }
    assert customers(scenario, "cost") == COST


def test_the_margin(scenario: Opened) -> None:
    assert customers(scenario, "margin") == {
        "acme": "1191.05",
        "birch": "-125.25",
        "cedar": "1085.20",
        "dune": "-12.40",
    }
    assert customers(scenario, "margin_percent") == {
        "acme": "59.55",
        "birch": "-25.05",
        "cedar": "90.43",
        "dune": None,
    }


def test_the_total_margin_is_no_mean_of_percentages(scenario: Opened) -> None:
    table = scenario("s11").table("customers")
    found = [table.all_total(name) for name in ("revenue", "cost", "margin", "margin_percent")]
    assert found == ["3700.00", "1561.40", "2138.60", "57.80"]


def test_the_cost_of_a_thousand_requests(scenario: Opened) -> None:
    assert customers(scenario, "per_1000_requests") == {
        "acme": "89.88",
        "birch": "104.21",
        "cedar": "114.80",
        "dune": None,
    }


def test_no_margin_is_last_in_both_directions(scenario: Opened) -> None:
    project = scenario("s11")
    sort = ("2026-11", "--sort", "margin_percent")
    up = project.table("customers", *sort).column("margin_percent")
    down = project.table("customers", *sort, "--descending").column("margin_percent")
    assert list(up) == ["birch", "acme", "cedar", "dune"]
    assert list(down) == ["cedar", "acme", "birch", "dune"]
