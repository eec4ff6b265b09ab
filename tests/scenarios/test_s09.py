"""S09: a month with no usage but a minimum fee."""

from __future__ import annotations

from decimal import Decimal

from tests.scenarios.conftest import Opened
from tests.scenarios.project import added


def test_the_zero_month_is_divided_by_the_contract(scenario: Opened) -> None:
    project = scenario("s09/zero")
    assert project.owed() == {"platform": "300.00", "ml": "200.00"}
    pool = project.pool(kind="shortfall")
    assert (pool["amount"], pool["rule"], pool["version"]) == ("500.00", "inference", 1)
    weights = {str(claim["owner"]): added([claim["weight"]]) for claim in project.claims(pool=pool)}
    assert weights["platform"] / 60 == weights["ml"] / 40


def test_the_partial_month_divides_the_shortfall_only(scenario: Opened) -> None:
    project = scenario("s09/partial")
    assert project.owed() == {"platform": "308.00", "ml": "192.00"}
    assert project.divided(project.pool(kind="usage")) == {
        "platform": Decimal("200.00"),
        "ml": Decimal("120.00"),
    }
    assert project.pool(kind="shortfall")["amount"] == "180.00"
    assert project.divided(project.pool(kind="shortfall")) == {
        "platform": Decimal("108.00"),
        "ml": Decimal("72.00"),
    }


def test_above_the_minimum_there_is_no_shortfall(scenario: Opened) -> None:
    project = scenario("s09/above")
    assert project.owed() == {"platform": "400.00", "ml": "240.00"}
    assert project.pools().where(kind="shortfall") == []


def test_without_a_fallback_the_fee_is_unallocated_and_said(scenario: Opened) -> None:
    project = scenario("s09/zero_no_fallback")
    said = project.run().err
    assert project.owed() == {"unallocated": "500.00"}
    assert "500.00 USD" in said


def test_the_whole_fee_is_in_every_month(scenario: Opened) -> None:
    invoices = {"zero": "500.00", "partial": "500.00", "above": "640.00", "zero_no_fallback": "500.00"}
    for name, invoice in invoices.items():
        assert scenario(f"s09/{name}").statement().all_total("total") == invoice


def test_the_cost_of_a_million_tokens_is_not_available_in_the_zero_month(scenario: Opened) -> None:
    for name in ("s09/zero", "s09/zero_no_fallback"):
        table = scenario(name).table("unit-costs")
        assert table.all_total("per_million_tokens") is None
        assert {row["per_million_tokens"] for row in table.rows} <= {None}
