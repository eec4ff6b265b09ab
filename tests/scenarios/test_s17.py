"""S17: a price that changes in mid-month, and a training run."""

from __future__ import annotations

from decimal import Decimal

from tests.scenarios.conftest import Opened
from tests.scenarios.project import added


def test_calls_pay_the_price_of_their_own_moment(scenario: Opened) -> None:
    cells = scenario("s17").table("usage-cells").rows
    listed: dict[str, Decimal] = {}
    for cell in cells:
        moment = str(cell["moment"])
        listed[moment] = listed.get(moment, Decimal(0)) + added([cell["list_cost"]])
    assert listed == {
        "before": Decimal("97.50"),
        "last-second": Decimal("2.50"),
        "first-second": Decimal("2.00"),
        "local-evening": Decimal("2.00"),
        "after": Decimal("46.00"),
    }


def test_the_estimate_is_both_prices(scenario: Opened) -> None:
    project = scenario("s17")
    pool = project.pool(status="estimate")
    assert pool["amount"] == "150.00"
    assert project.divided(pool) == {"assist": Decimal("150.00")}


def test_the_job_goes_whole_to_its_project(scenario: Opened) -> None:
    project = scenario("s17")
    assert project.owed() == {"assist": "150.00", "intent-v3": "1899.96"}
    # The notice of an estimate stays with the calls: the job has been billed.
    assert {pool["status"] for pool in project.pools().where(category="training")} == {"final"}


def test_the_job_is_training(scenario: Opened) -> None:
    table = scenario("s17").table("category-by-owner")
    training = {owner: table.row(owner)["training"] for owner in ("assist", "intent-v3")}
    assert training == {"assist": "0.00", "intent-v3": "1899.96"}


def test_training_is_in_no_unit_cost_of_inference(scenario: Opened) -> None:
    table = scenario("s17").table("unit-costs")
    assert table.all_total("cost") == "150.00"
    # 150.00 over 65 million tokens; with the job it would be 31.54.
    assert added([table.all_total("per_million_tokens")]).quantize(Decimal("0.01")) == Decimal("2.31")
    assert added([table.column("cost").get("intent-v3", "0")]) == 0
