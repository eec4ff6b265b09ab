"""D4: usage without a bill for its provider, account and period is an estimate at list cost, reversed by the bill.

Ruled out: estimate and bill both count; neither counts; a bill of another account, provider or period stands
in for the missing one.
"""

from __future__ import annotations

import pytest

from tests.decisions.company import DIRECT, TEAM, call, charge
from tests.decisions.conftest import Make

SETTINGS = TEAM + "\n" + DIRECT


def test_first_the_estimate_then_the_bill_never_both(company: Make) -> None:
    other = charge("5.00", team="z", InvoiceId="V-1", ProviderName="Vexel", InvoiceIssuerName="Vexel")
    found = company(SETTINGS, [other], [call(3000, "a"), call(1000, "b")]).run()
    assert found.owed() == {"a": "30.00", "b": "10.00", "z": "5.00"}, "no estimate"
    assert {row["status"]: row["amount"] for row in found.table("pools")} == {"estimate": "40.00", "final": "5.00"}
    found.bill([charge("50.00")], "bills/pelion.csv")
    found.run()
    assert found.owed() == {"a": "37.50", "b": "12.50", "z": "5.00"}, "estimate and bill together, or none"
    assert {row["status"] for row in found.table("pools")} == {"final"}
    assert found.outcome is not None
    assert found.outcome.reversed >= 1
    owners = [row for row in found.table("postings") if row["account"] == "owner:a"]
    assert [row["amount"] for row in owners] == ["37.50"]


OCTOBER = {
    "BillingPeriodStart": "2026-10-01T00:00:00Z",
    "BillingPeriodEnd": "",
    "ChargePeriodStart": "",
    "ChargePeriodEnd": "",
}
VEXEL = {"ProviderName": "Vexel", "InvoiceIssuerName": "Vexel"}


@pytest.mark.parametrize("column", [{"BillingAccountId": "acct-2"}, VEXEL, OCTOBER])
def test_another_bill_does_not_stand_in(company: Make, column: dict[str, str]) -> None:
    found = company(SETTINGS, [charge("50.00", team="z", **column)], [call(3000, "a")]).run()
    assert found.owed()["a"] == "30.00"


def test_a_bill_that_the_user_left_out_of_scope_has_arrived(company: Make) -> None:
    """Its usage is not estimated: the money is known, and it is said not to be AI."""
    excluded = "scope: {exclude: [\"provider = 'pelion'\"]}\n" + SETTINGS
    found = company(excluded, [charge("50.00")], [call(3000, "a")]).run()
    assert found.owed() == {}


def test_what_has_no_price_is_not_estimated_as_nothing(company: Make) -> None:
    found = company(SETTINGS, (), [call(3000, "a"), call(500, "b", model="unheard-of")]).run()
    assert found.owed() == {"a": "30.00"}
    assert "unpriced-estimate" in found.slugs()
