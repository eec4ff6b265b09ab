"""What a decision moved, in the percentages that `coverage` shows."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apportion.period import Period
from apportion.propose.tables import Totals, moved
from apportion.report.context import Context
from apportion.report.coverage import LAYERS

_MINOR = st.integers(0, 10**9)
_LAYERS = st.fixed_dictionaries({}, optional=dict.fromkeys(LAYERS, _MINOR))


@given(_LAYERS, _LAYERS)
def test_the_layers_add_up_to_a_hundred_and_attributed_is_the_sum_of_its_two(
    before: dict[str, int], after: dict[str, int]
) -> None:
    totals = [Totals({"search": sum(layers.values())}, layers) for layers in (before, after)]
    owners, coverage = moved(totals[0], totals[1], Context("USD"), Period.parse("2026-11"), title="Approved")
    assert owners.total == ("All AI cost", totals[0].whole, totals[1].whole, totals[1].whole - totals[0].whole)
    names = [row[0] for row in coverage.rows]
    for layers, at in ((before, 4), (after, 5)):
        shares = [cell for row in coverage.rows if isinstance(cell := row[at], Decimal)]
        if not sum(layers.values()):
            assert shares == []
            continue
        assert sum(shares) == 100
        both = [share for name, share in zip(names, shares, strict=True) if name in {"direct", "rule"}]
        assert coverage.below[0][at] == sum(both, Decimal(0))
