"""D6: a fed pool keeps one sub-pool per source invoice, receives posted cents, and runs after its feeders.

Ruled out: sources are pooled across invoices before the split; a pool receives unrounded shares; pools run in
the order of the file; the second pass over `unallocated` weighs by all cost, shared included, or raises coverage.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from apportion.errors import ProblemsFound
from tests.decisions.company import TEAM, Company, charge
from tests.decisions.conftest import Make

FEEDER = "  - {name: feeder, when: \"provider = 'pelion'\", method: fixed, shares: {'pool:shared': 100}}"
SHARED = "  - {name: shared, method: even, among: [a, b, c]}"


def test_one_sub_pool_for_each_invoice(company: Make) -> None:
    """Twice 10.00 over three: a 3.34 + 3.34. Pooled, 20.00 over three gave a 6.67, b 6.67, c 6.66."""
    rows = [charge("10.00"), charge("10.00", InvoiceId="P-2")]
    found = company(f"{TEAM}\nallocate:\n{FEEDER}\n{SHARED}", rows).run()
    assert found.owed() == {"a": "6.68", "b": "6.66", "c": "6.66"}
    fed = [row["invoice_key"] for row in found.table("pools") if row["rule"] == "shared"]
    assert fed == ["Pelion|P-1", "Pelion|P-2"]


def test_a_fed_pool_receives_posted_cents(company: Make) -> None:
    """10.00 over a, b and the pool is 3.34, 3.33, 3.33; two shares of 3.33 are 1.67 and 1.66, not 1.6667 each."""
    rules = """
allocate:
  - {name: feeder, when: "provider = 'pelion'", method: even, among: [a, b, 'pool:shared']}
  - {name: shared, method: even, among: [x, y]}"""
    found = company(TEAM + rules, [charge("10.00")]).run()
    assert found.owed() == {"a": "3.34", "b": "3.33", "x": "1.67", "y": "1.66"}


CHAIN = {
    "first": "  - {name: first, when: \"provider = 'pelion'\", method: fixed, shares: {a: 40, 'pool:second': 60}}",
    "second": "  - {name: second, method: fixed, shares: {b: 50, 'pool:third': 50}}",
    "third": "  - {name: third, method: even, among: [c, d]}",
}


@pytest.mark.parametrize("order", ["first second third", "third second first", "second third first"])
def test_pools_run_after_those_that_feed_them(company: Make, order: str) -> None:
    rules = "\n".join(CHAIN[name] for name in order.split())
    found = company(f"{TEAM}\nallocate:\n{rules}", [charge("100.00")]).run()
    assert found.owed() == {"a": "40.00", "b": "30.00", "c": "15.00", "d": "15.00"}


def test_a_circle_is_named(company: Make) -> None:
    rules = """
allocate:
  - {name: one, when: "provider = 'pelion'", method: even, among: [a, 'pool:two']}
  - {name: two, method: even, among: [b, 'pool:one']}"""
    found = company(TEAM + rules, [charge("100.00")])
    with pytest.raises(ProblemsFound) as said:
        found.run()
    assert any("one → two → one" in problem.message for problem in said.value.problems)


SPREAD = """
allocate: [{name: desk, when: "invoice_id = 'P-2'", method: fixed, shares: {c: 100}}]
unallocated: {spread_by: attributed_cost}"""


def _spread(company: Make) -> Company:
    rows = [
        charge("100.00", team="a"),
        charge("300.00", team="b"),
        charge("40.00"),
        charge("1000.00", InvoiceId="P-2"),
    ]
    return company(TEAM + SPREAD, rows).run()


def test_unallocated_is_spread_by_direct_and_rule_cost(company: Make) -> None:
    """40.00 over a 100 : b 300. Were shared cost a weight, c would bear most of it."""
    found = _spread(company)
    assert found.owed() == {"c": "1000.00", "b": "330.00", "a": "110.00"}
    layers = found.layers()
    assert layers["a", "direct"] == Decimal("100.00")
    assert layers["a", "shared"] == Decimal("10.00")


def test_tax_of_an_invoice_that_feeds_a_pool_reaches_its_owners(company: Make) -> None:
    """The whole invoice goes to the pool's owners: so does its tax, by what they owe, and not to nobody."""
    rules = """
allocate:
  - {name: feeder, when: "provider = 'pelion'", method: fixed, shares: {'pool:shared': 100}}
  - {name: shared, method: fixed, shares: {a: 75, b: 25}}"""
    found = company(TEAM + rules, [charge("100.00"), charge("8.00", ChargeCategory="Tax")]).run()
    assert found.owed() == {"a": "81.00", "b": "27.00"}
