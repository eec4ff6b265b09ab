"""D3: bill meets usage on provider, account, model where known and charge period: the most specific match.

Ruled out: a less specific match weighs although a more specific one exists; usage outside the charge period,
of another account or another provider weighs; usage overwrites a value that the charge carries itself; a
charge with neither usage nor tag is spread over whoever else is there.
"""

from __future__ import annotations

import json

import pytest

from tests.decisions.company import DIRECT, TEAM, call, charge
from tests.decisions.conftest import Make

BOTH = "dimensions: {team: [{tag: team}], customer: [{tag: customer}]}\n"
OF_MODEL = {"x_Model": "test-1"}


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        # account and model, before account alone, before model alone
        ([call(10, "exact"), call(90, "account", model=None), call(90, "model", billing_account_id=None)], "exact"),
        ([call(10, "account", model=None), call(90, "other", model="test-2")], "account"),
        ([call(10, "model", billing_account_id=None), call(90, "other", billing_account_id="acct-2")], "model"),
        ([call(10, "loose", billing_account_id=None, model=None), call(90, "other", provider="vexel")], "loose"),
        ([call(10, "inside"), call(90, "outside", called_at="2026-10-31T23:59:59Z")], "inside"),
        ([call(10, "inside"), call(90, "outside", called_at="2026-12-01T00:00:00Z")], "inside"),
    ],
)  # fmt: skip
def test_the_most_specific_match_weighs_alone(company: Make, calls: list[dict[str, object]], expected: str) -> None:
    found = company(TEAM + "\n" + DIRECT, [charge("100.00", **OF_MODEL)], calls).run("2026-11")
    (billed,) = [row for row in found.table("pools") if row["status"] == "final"]
    owners = {row["owner"]: row["amount"] for row in found.table("claims") if row["pool_id"] == billed["pool_id"]}
    assert owners == {expected: "100.00"}


def test_a_charge_without_a_model_meets_every_model(company: Make) -> None:
    calls = [call(30, "a"), call(70, "b", model="test-2")]
    found = company(TEAM + "\n" + DIRECT, [charge("200.00")], calls).run()
    assert found.owed() == {"b": "140.00", "a": "60.00"}


def test_only_usage_of_the_charges_own_days_weighs(company: Make) -> None:
    halves = [
        charge("10.00", ChargePeriodEnd="2026-11-16T00:00:00Z", **OF_MODEL),
        charge("20.00", ChargePeriodStart="2026-11-16T00:00:00Z", **OF_MODEL),
    ]
    calls = [call(1, "a"), call(99, "b", called_at="2026-11-16T00:00:00Z")]
    found = company(TEAM + "\n" + DIRECT, halves, calls).run()
    assert found.owed() == {"b": "20.00", "a": "10.00"}


def test_the_charges_own_value_wins_and_usage_supplies_the_rest(company: Make) -> None:
    calls = [
        call(30, "a", tags={"customer": "x"}),
        call(10, "a", tags={"customer": "y"}),
        call(60, "b", tags={"customer": "z"}),
    ]
    found = company(BOTH + DIRECT, [charge("100.00", team="a")], calls).run()
    assert found.owed() == {"a": "100.00"}, "usage overwrote the charge's own tag"
    assert found.owed(by="customer") == {"x": "75.00", "y": "25.00"}


def test_another_dimension_of_the_charge_wins_too(company: Make) -> None:
    own = charge("100.00", Tags=json.dumps({"customer": "x"}))
    calls = [call(30, "a", tags={"customer": "y"}), call(70, "b", tags={"customer": "z"})]
    found = company(BOTH + DIRECT, [own], calls).run()
    assert found.owed() == {"b": "70.00", "a": "30.00"}
    assert found.owed(by="customer") == {"x": "100.00"}


def test_neither_usage_nor_tag_is_unallocated(company: Make) -> None:
    rows = [charge("40.00"), charge("60.00", team="a", BillingAccountId="acct-9", InvoiceId="P-9")]
    found = company(TEAM + "\n" + DIRECT, rows).run()
    assert found.owed() == {"a": "60.00", "unallocated": "40.00"}
