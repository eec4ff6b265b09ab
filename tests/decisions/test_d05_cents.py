"""D5: an invoice's cents over its pools by `apportion`; the total is HALF_UP of the sum.

Ruled out: each part is rounded by itself; the total is the sum of rounded parts, or rounded half to even;
leftover cents go to a part of the other sign; a different printed total changes what is allocated.
"""

from __future__ import annotations

from decimal import Decimal

from tests.decisions.company import TEAM, charge
from tests.decisions.conftest import Make


def test_three_halves_are_not_rounded_one_by_one(company: Make) -> None:
    """0.335 three times is 1.005, so 1.01; rounded one by one it were 1.02, half to even 1.00."""
    found = company(TEAM, [charge("0.335", team=team) for team in "abc"]).run()
    assert sorted(found.owed().values()) == ["0.33", "0.34", "0.34"]
    (invoice,) = found.table("invoices")
    assert invoice["invoice"] == "1.01"


def test_cents_left_over_go_to_the_largest_remainder(company: Make) -> None:
    """1.006 + 9.004 = 10.01: cut off 1.00 and 9.00; the cent goes to .006, not to the larger part."""
    found = company(TEAM, [charge("1.006", team="small"), charge("9.004", team="big")]).run()
    assert found.owed() == {"big": "9.00", "small": "1.01"}


def test_ties_go_to_the_larger_magnitude(company: Make) -> None:
    """1.005 + 9.005 = 10.01: both remainders are one half."""
    found = company(TEAM, [charge("1.005", team="a"), charge("9.005", team="b")]).run()
    assert found.owed() == {"b": "9.01", "a": "1.00"}


def test_parts_of_mixed_sign(company: Make) -> None:
    """10.004 + 5.004 - 0.002 = 15.006, so 15.01; one by one it were 15.00. The credit has no remainder of that sign."""
    rows = [
        charge("10.004", team="a"),
        charge("5.004", team="b"),
        charge("-0.002", team="c", ChargeCategory="Credit"),
    ]
    found = company(TEAM, rows).run()
    owed = found.owed()
    assert (owed["a"], owed["b"], owed["c"]) == ("10.01", "5.00", "0.00")


def test_a_refund_is_the_mirror(company: Make) -> None:
    rows = [charge("-10.004", team="a"), charge("-5.004", team="b"), charge("0.002", team="c", ChargeCategory="Credit")]
    owed = company(TEAM, rows).run().owed()
    assert (owed["a"], owed["b"], owed["c"]) == ("-10.01", "-5.00", "0.00")


def test_a_different_printed_total_is_a_rounding_of_its_own(company: Make) -> None:
    printed = "issuer,invoice_id,period,currency,total\nPelion,P-1,2026-11,USD,1.02\n"
    settings = (
        'bills:\n  - {name: bill, path: "bills/*.csv"}\n  - {name: printed, type: invoices, path: printed.csv}\n' + TEAM
    )
    found = company(settings, (), files={"printed.csv": printed})
    found.bill([charge("0.335", team=team) for team in "abc"])
    text = (found.folder / "apportion.yaml").read_text(encoding="utf-8")
    found.write("apportion.yaml", text.replace('bills: [{name: bill, path: "bills/*.csv"}]\n', ""))
    found.run()
    assert sum(map(Decimal, found.owed().values())) == Decimal("1.01")
    assert found.query("SELECT printed_minor, rounding_minor FROM invoices") == [(102, 1)]


def test_split_ties_go_to_the_larger_weight_then_the_key(company: Make) -> None:
    even = "\nallocate: [{name: shared, when: \"provider = 'pelion'\", method: even, among: [Zoe, bob, Ada]}]"
    found = company(TEAM + even, [charge("100.00")]).run()
    # In UTF-8 bytes capitals come first.
    assert found.owed() == {"Ada": "33.34", "Zoe": "33.33", "bob": "33.33"}
