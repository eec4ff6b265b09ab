"""S15: a prepaid commitment, used and unused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.scenarios.conftest import Opened
from tests.scenarios.project import Project, added

MONTHS = {
    "2026-11": "986.30",
    "2026-12": "1019.18",
    "2027-01": "1019.18",
    "2027-02": "920.55",
    "2027-03": "1019.17",
    "2027-04": "986.30",
    "2027-05": "1019.18",
    "2027-06": "986.30",
    "2027-07": "1019.18",
    "2027-08": "1019.18",
    "2027-09": "986.30",
    "2027-10": "1019.18",
}
NOVEMBER = {"search": "414.25", "support": "276.16", "unused": "295.89"}


@pytest.mark.parametrize("month", MONTHS)
def test_each_month_by_cumulative_rounding(scenario: Opened, month: str) -> None:
    assert scenario("s15/amortize").statement(month).all_total("total") == MONTHS[month]


def test_used_and_unused_over_the_year_are_what_was_paid(scenario: Opened) -> None:
    project = scenario("s15/amortize")
    totals = [total for month in MONTHS for total in project.owed(month).values()]
    assert added(totals) == Decimal("12000.00")


def test_the_month_after_the_last_has_nothing_left(scenario: Opened) -> None:
    project = scenario("s15/amortize")
    said = project.run("2027-11", code=3)
    assert "error[empty-period]" in said.err
    assert "2026-11" in said.err


@pytest.mark.parametrize("name", ["s15/amortize", "s15/focus_rows"])
def test_november_is_used_and_unused(scenario: Opened, name: str) -> None:
    assert scenario(name).owed() == NOVEMBER
    assert scenario(name).statement().all_total("total") == "986.30"


@pytest.mark.parametrize("name", ["s15/amortize", "s15/focus_rows"])
def test_what_is_billed_and_not_used_up_is_prepaid(scenario: Opened, name: str) -> None:
    (invoice,) = scenario(name).table("invoices").rows
    assert (invoice["invoice"], invoice["prepaid"]) == ("12000.00", "11013.70")


def test_unused_time_is_kept_as_idle(scenario: Opened) -> None:
    project = scenario("s15/amortize")
    (unused,) = [claim for claim in project.claims() if claim["role"] == "idle"]
    assert (unused["owner"], unused["amount"]) == ("unused", "295.89")
    weights = {str(claim["owner"]): added([claim["weight"]]) for claim in project.claims()}
    used = weights["search"] + weights["support"]
    assert used / sum(weights.values()) == Decimal("0.70")


def with_term_of_the_charge(project: Project) -> Project:
    project.edit("apportion.yaml", "amortize: {days: 365}", "amortize: true")
    return project


def test_the_term_can_be_the_charge_period(fresh: Opened) -> None:
    project = with_term_of_the_charge(fresh("s15/amortize"))
    assert project.owed() == NOVEMBER
    assert project.statement("2027-03").all_total("total") == "1019.17"
