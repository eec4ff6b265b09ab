"""D1: the accounting period is the one of `billing_period_start`; the charge period dates the evidence.

Ruled out: an invoice is split over months by its charges' dates; evidence is dated by the billing period;
days and periods are local; without an `invoice_id` the key leaves out the currency (two invoices become one).
"""

from __future__ import annotations

from tests.decisions.company import DIRECT, TEAM, charge
from tests.decisions.conftest import Make

KEYS = """directory: [{name: owners, type: lookup, path: owners.csv}]
dimensions: {team: [{lookup: {key: sub_account_id, in: owners, take: team}}]}
"""
OWNERS = "sub_account_id,team,valid_from,valid_to\ns-1,old,2026-01-01,2026-11-01\ns-1,new,2026-11-01,\n"


def test_a_late_charge_stays_whole_in_its_invoices_period(company: Make) -> None:
    late = charge(
        "30.00", ChargePeriodStart="2026-10-28T00:00:00Z", ChargePeriodEnd="2026-11-02T00:00:00Z", SubAccountId="s-1"
    )
    early = charge(
        "12.00", ChargePeriodStart="2026-12-01T00:00:00Z", ChargePeriodEnd="2026-12-02T00:00:00Z", SubAccountId="s-1"
    )
    found = company(KEYS + DIRECT, [late, early], files={"owners.csv": OWNERS}).run()
    assert found.outcome is not None
    assert found.outcome.periods == ["2026-11"], "split by charge date"
    # The owner is the one of the charge's own first day, not of the first day of the billing period.
    assert found.owed() == {"old": "30.00", "new": "12.00"}


def test_periods_are_utc(company: Make) -> None:
    """00:30 on 1 November in Berlin is still October in UTC; 20:00 on 31 October in New York is November."""
    berlin = charge("5.00", team="a", InvoiceId="P-B", BillingPeriodStart="2026-11-01T00:30:00+01:00")
    york = charge("7.00", team="a", InvoiceId="P-Y", BillingPeriodStart="2026-10-31T20:00:00-04:00")
    found = company(TEAM, [berlin, york]).run()
    assert found.owed("2026-10") == {"a": "5.00"}
    assert found.owed("2026-11") == {"a": "7.00"}


def test_without_an_invoice_id_the_currency_is_part_of_the_key(company: Make) -> None:
    dollars = charge("10.00", team="a", InvoiceId="")
    euros = charge("10.00", team="b", InvoiceId="", BillingCurrency="EUR")
    rates = {"fx.csv": "currency,period,rate\nEUR,2026-11,1.0837\n"}
    found = company('fx: {path: "fx.csv"}\n' + TEAM, [dollars, euros], files=rates).run()
    invoices = {row["currency"]: row["invoice"] for row in found.table("invoices")}
    assert invoices == {"USD": "10.00", "EUR": "10.84"}
    assert found.owed() == {"b": "10.84", "a": "10.00"}


def test_the_key_has_issuer_account_and_period_too(company: Make) -> None:
    rows = [
        charge("1.00", team="a", InvoiceId=""),
        charge("2.00", team="a", InvoiceId="", BillingAccountId="acct-2"),
        charge("4.00", team="a", InvoiceId="", InvoiceIssuerName="Reseller"),
        charge("8.00", team="a", InvoiceId="", BillingPeriodStart="2026-12-01T00:00:00Z", BillingPeriodEnd=""),
    ]  # fmt: skip
    found = company(TEAM, rows).run()
    assert sorted(row["invoice"] for row in found.table("invoices")) == ["1.00", "2.00", "4.00"]
    assert [row["invoice"] for row in found.table("invoices", "2026-12")] == ["8.00"]
