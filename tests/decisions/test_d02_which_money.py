"""D2: effective cost is allocated, billed cost is reconciled, the difference lies in `prepaid`.

Ruled out: billed cost is allocated; the difference disappears (the invoice no longer adds up); each month of
an amortised charge is rounded alone, so that the months do not add up to the charge.
"""

from __future__ import annotations

from decimal import Decimal

from tests.decisions.company import TEAM, Company, charge
from tests.decisions.conftest import Make

# 100.00 over the 92 days of October to December: 31/92 = 33.6957, 61/92 = 66.3043 of it.
# Cumulative: 33.70, 66.30 - 33.70 = 32.60, 100.00 - 66.30 = 33.70. Alone: 33.70 + 32.61 + 33.70 = 100.01.
MONTHS = {"2026-10": "33.70", "2026-11": "32.60", "2026-12": "33.70"}
OWNED = """
allocate:
  - {{name: commitment, when: "charge_category = 'Purchase'", method: fixed, shares: {{a: 100}}, amortize: {term}}}
"""


def _commitment(company: Make, term: str, sign: str = "") -> Company:
    bought = charge(
        f"{sign}100.00", ChargeCategory="Purchase", BillingPeriodStart="2026-10-01T00:00:00Z",
        BillingPeriodEnd="2026-11-01T00:00:00Z", ChargePeriodStart="2026-10-01T00:00:00Z",
        ChargePeriodEnd="2027-01-01T00:00:00Z",
    )  # fmt: skip
    return company(TEAM + "\n" + OWNED.format(term=term), [bought]).run(*MONTHS)


def test_effective_cost_is_allocated_and_the_rest_is_prepaid(company: Make) -> None:
    bought = charge("1200.00", effective="0", ChargeCategory="Purchase")
    used = charge("0", effective="70.40", team="a")
    found = company(TEAM, [bought, used]).run()
    assert found.owed() == {"a": "70.40"}, "billed cost was allocated"
    (invoice,) = found.table("invoices")
    assert (invoice["invoice"], invoice["ai"], invoice["prepaid"]) == ("1200.00", "70.40", "1129.60")


def test_the_months_of_an_amortised_charge_add_up_to_it(company: Make) -> None:
    found = _commitment(company, "true")
    assert {period: found.owed(period)["a"] for period in MONTHS} == MONTHS
    (first,) = found.table("invoices", "2026-10")
    assert (first["invoice"], first["ai"], first["prepaid"]) == ("100.00", "33.70", "66.30")
    released = [Decimal(found.table("invoices", period)[0]["prepaid"]) for period in ("2026-11", "2026-12")]
    assert released == [Decimal("-32.60"), Decimal("-33.70")]


def test_days_from_the_start_are_the_same(company: Make) -> None:
    found = _commitment(company, "{days: 92}")
    assert {period: found.owed(period)["a"] for period in MONTHS} == MONTHS


def test_a_refunded_commitment_is_the_mirror(company: Make) -> None:
    """HALF_UP is of the magnitude: no month rounds toward plus infinity."""
    found = _commitment(company, "true", "-")
    assert {period: found.owed(period)["a"] for period in MONTHS} == {m: f"-{amount}" for m, amount in MONTHS.items()}
