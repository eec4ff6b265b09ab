"""Coverage stands in layers, and its percentages add up to 100."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apportion.report.coverage import coverage, coverage_by_dimension
from apportion.report.percentages import change, percent, shares_of_hundred
from apportion.report.table import Cell
from tests.unit.report.company import PERIOD, Claim, Company, context, larkspur


def four(rule: int, unallocated: int, shared: int) -> dict[str, Cell]:
    made = Company()
    claims = [Claim("support", 420_000), Claim("search", 290_000), Claim("growth", 115_000)]
    claims += [Claim("search", rule, "rule"), Claim("unallocated", unallocated, "unallocated")]
    claims += [Claim("growth", shared, "shared")]
    made.pool("inference", claims)
    table = coverage(made.con, context(), PERIOD)
    found = {str(row[0]): row[2] for row in (*table.rows, *table.below)}
    assert table.total == ("all AI cost", 1_000_000, Decimal("100.00"))
    return found


def test_s04_to_the_digit() -> None:
    direct, attributed = Decimal("82.50"), "attributed (direct + rule)"
    assert four(0, 175_000, 0) == {
        "direct": direct,
        "rule": Decimal("0.00"),
        "shared": Decimal("0.00"),
        "unallocated": Decimal("17.50"),
        attributed: direct,
    }
    approved = four(60_000, 115_000, 0)
    assert approved["rule"] == Decimal("6.00")
    assert approved["unallocated"] == Decimal("11.50")
    assert approved[attributed] == Decimal("88.50")
    spread = four(60_000, 0, 115_000)
    assert spread["shared"] == Decimal("11.50")
    assert spread["unallocated"] == Decimal("0.00")
    assert spread[attributed] == Decimal("88.50")


def test_defaults_raise_nothing() -> None:
    made = Company()
    made.pool("a", [Claim("x", 50), Claim("x", 50, "default")])
    table = coverage(made.con, context(), PERIOD)
    assert table.row("default")["amount"] == 50
    assert table.below[0][2] == Decimal("50.00")


def test_every_dimension_has_the_same_total() -> None:
    table = coverage_by_dimension(larkspur().con, context(), PERIOD)
    assert set(table.column("total")) == {108_000}
    assert table.row("team")["direct"] == 38_000
    customer = table.row("customer")
    assert (customer["direct"], customer["rule"], customer["shared"]) == (53_332, 1, 13_334)
    shares = [Decimal(str(cell)) for key, cell in customer.items() if key.endswith("_percent")]
    assert sum(shares[:-1]) == 100


def test_no_cost_has_no_percentages() -> None:
    made = Company()
    table = coverage(made.con, context(), PERIOD)
    assert table.total == ("all AI cost", 0, None)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=6))
def test_percentages_add_up(parts: list[int]) -> None:
    shares = shares_of_hundred(parts, [str(n) for n in range(len(parts))])
    if sum(parts):
        assert sum(share for share in shares if share is not None) == 100
    else:
        assert set(shares) == {None}


def test_a_percentage_needs_a_denominator() -> None:
    assert percent(22763, 964000) == Decimal("2.36")
    assert percent(1, 0) is None
    assert change(1, 0) is None
    assert change(5, None) is None
    assert change(-150, -100) == Decimal("-50.0")
