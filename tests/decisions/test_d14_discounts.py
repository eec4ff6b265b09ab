"""D14: a discounted list price is rounded HALF_UP to a pico once.

Ruled out: the price is truncated; rounded half to even; rounded again at each modifier; the call's cost is
discounted and rounded instead of the price of one token.
"""

from __future__ import annotations

import pytest

from tests.decisions.company import DIRECT, TEAM, call
from tests.decisions.conftest import Make


@pytest.mark.parametrize(
    ("price", "processing", "picos"),
    [
        ("1.000001", None, 875_001),  # 875,000.875: truncated 875,000
        ("1.000012", None, 875_011),  # 875,010.5: half to even 875,010
        ("1.000001", "batch", 437_500),  # 437,500.4375; rounded at each step 500,001 and then 437,501
    ],
)
def test_the_price_is_rounded_once(company: Make, price: str, processing: str | None, picos: int) -> None:
    prices = f"""
prices:
  - {{provider: pelion, model: test-1, from: 2026-01-01, source: list, checked: 2026-11-23, input: {price}, batch: 0.5}}
discounts:
  - {{provider: pelion, model: test-1, percent: 12.5, from: 2026-01-01, source: contract}}
"""
    calls = [call(1_000_000, "a", processing=processing)]
    found = company(TEAM + "\n" + DIRECT, (), calls, {"prices.yaml": prices}).run()
    # A million tokens: the cost in micro-dollars is the price of one token in picos.
    (cost,) = found.query("SELECT list_cost_picos FROM usage_cells")
    assert int(cost[0]) == picos * 1_000_000
