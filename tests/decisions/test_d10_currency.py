"""D10: invoice total times rate, HALF_UP, is the control, and the rows are weights. Zero decimals: 6 nano digits.

Ruled out: each row is converted and rounded; a currency without a rate is converted at 1; yen get cents,
dinars only two decimals; large yen amounts overflow.
"""

from __future__ import annotations

from tests.decisions.company import TEAM, charge
from tests.decisions.conftest import Make

RATES = {"fx.csv": "currency,period,rate\nEUR,2026-11,1.0837\nJPY,2026-11,0.0067\n"}
FX = "fx: {path: fx.csv}\n" + TEAM
EVEN = "\nallocate: [{name: shared, when: \"provider = 'pelion'\", method: even, among: [a, b, c]}]"


def test_the_total_is_converted_and_the_rows_are_weights(company: Make) -> None:
    """30.00 EUR x 1.0837 = 32.511 -> 32.51; each 10.00 alone is 10.84, together 32.52."""
    rows = [charge("10.00", team=team, BillingCurrency="EUR") for team in "abc"]
    found = company(FX, rows, files=RATES).run()
    assert sorted(found.owed().values()) == ["10.83", "10.84", "10.84"]
    (invoice,) = found.table("invoices")
    assert (invoice["invoice"], invoice["rate"]) == ("32.51", "1.083700000")


def test_the_invoice_has_whole_cents_before_it_is_converted(company: Make) -> None:
    """46.00 x 1.0837 = 49.8502 -> 49.85; the unrounded 46.0046 x 1.0837 = 49.85518... would be 49.86."""
    rows = [charge("46.0046", team="a", BillingCurrency="EUR")]
    found = company(FX, rows, files=RATES).run()
    assert found.owed() == {"a": "49.85"}


def test_yen_into_dollars(company: Make) -> None:
    found = company(FX + EVEN, [charge("100000", BillingCurrency="JPY")], files=RATES).run()
    assert found.owed() == {"a": "223.34", "b": "223.33", "c": "223.33"}


def test_a_ledger_in_yen_has_no_cents_and_room_for_large_amounts(company: Make) -> None:
    found = company(TEAM + EVEN, [charge("20000000000", BillingCurrency="JPY")], currency="JPY").run()
    assert found.owed() == {"a": "6666666667", "b": "6666666667", "c": "6666666666"}


def test_a_ledger_in_dinars_has_three_decimals(company: Make) -> None:
    found = company(TEAM + EVEN, [charge("10.000", BillingCurrency="KWD")], currency="KWD").run()
    assert found.owed() == {"a": "3.334", "b": "3.333", "c": "3.333"}


def test_no_rate_is_not_a_rate_of_one(company: Make) -> None:
    rows = [charge("10.00", team="a"), charge("77.00", team="b", InvoiceId="P-2", BillingCurrency="CHF")]
    found = company(FX, rows, files=RATES).run()
    assert found.owed() == {"a": "10.00"}
    (problem,) = [problem for problem in found.problems if problem.slug == "missing-rate"]
    assert problem.amount == "77.00 CHF"
