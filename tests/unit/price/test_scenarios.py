"""Scenarios S02 and S17, worked by hand: the arithmetic stands beside each number."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.unit.price.cells import book, cell, priced

USD = 10**12

S02 = """
prices:
  - provider: anthropic
    model: atlas-large
    input: 3.00
    cache_read: 0.30
    cache_write_5m: 3.75
    output: 15.00
    batch: 0.5
    source: test price list
    checked: 2026-11-23
"""
S17 = """
prices:
  - {provider: openai, model: atlas-large, to: 2026-11-16, input: 2.50, output: 10}
  - {provider: openai, model: atlas-large, from: "2026-11-16T00:00:00Z", input: 2.00, output: 10}
"""


def line(**given: object) -> dict[str, object]:
    return cell(provider="anthropic", model="atlas-large", **given)


def test_cached_tokens_cache_writes_and_the_batch_discount(tmp_path: Path) -> None:
    costs, problems = priced(
        book(tmp_path, S02),
        # L1: 0.3 x 3.00 + 0.8 x 0.30 + 0.1 x 3.75 + 0.15 x 15 = 3.765
        line(
            uncached_input_tokens=300_000,
            cache_read_tokens=800_000,
            cache_write_5m_tokens=100_000,
            output_tokens=150_000,
        ),
        # L2: (2 x 3.00 + 0.4 x 15) x 0.5 = 6.000
        line(processing="batch", uncached_input_tokens=2_000_000, output_tokens=400_000),
        # L3: 0.5 x 3 + 0.02 x 15 = 1.80
        line(uncached_input_tokens=500_000, output_tokens=20_000),
        # L4: (0.4 x 3 + 0.6 x 0.30 + 0.05 x 15) x 0.5 = 1.065; 1.965 would count the cached tokens twice
        line(
            processing="batch",
            uncached_input_tokens=400_000,
            cache_read_tokens=600_000,
            output_tokens=50_000,
        ),
    )
    assert [cost for cost, *_ in costs] == [3765 * USD // 1000, 6 * USD, 18 * USD // 10, 1065 * USD // 1000]
    assert problems == []


def test_a_cache_write_without_a_lifetime_has_the_short_ones_price(tmp_path: Path) -> None:
    costs, _ = priced(book(tmp_path, S02), line(cache_write_other_tokens=100_000))
    assert costs[0][0] == 375 * USD // 1000


def test_a_price_change_in_mid_month(tmp_path: Path) -> None:
    def call(day: int, tokens: int) -> dict[str, object]:
        return cell(provider="openai", model="atlas-large", day=date(2026, 11, day), uncached_input_tokens=tokens)

    costs, problems = priced(book(tmp_path, S17), call(1, 39_999_999), call(15, 1), call(16, 25_000_000))
    # 40M x 2.50 + 25M x 2.00 = 150.00, not 65M at the average of 2.25 = 146.25
    assert sum(cost or 0 for cost, *_ in costs) == 150 * USD
    assert [cost for cost, *_ in costs] == [39_999_999 * 2_500_000, 2_500_000, 50 * USD]
    assert [price_id for _, _, price_id, _ in costs] == [
        "own/openai/atlas-large@0001-01-01",
        "own/openai/atlas-large@0001-01-01",
        "own/openai/atlas-large@2026-11-16",
    ]
    assert problems == []
