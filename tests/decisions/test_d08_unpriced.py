"""D8: one call without a price, and the whole pool is weighed by tokens and says so; else by the fallback.

Ruled out: unpriced usage weighs nothing (its team pays nothing); two bases in one pool; the standard price
stands in for an unknown tier; calls without tokens are counted instead of using the declared fallback.
"""

from __future__ import annotations

from tests.decisions.company import DIRECT, TEAM, call, charge
from tests.decisions.conftest import Make

PRICES = """
prices:
  - {provider: pelion, model: test-1, from: 2026-01-01, source: test, checked: 2026-11-23, input: 10000, output: 30000}
"""


def test_the_whole_pool_is_weighed_by_tokens(company: Make) -> None:
    """Tokens: a 100 + 100, b 200. By list cost alone b paid nothing; with mixed bases a paid more than half."""
    calls = [call(100, "a", output_tokens=100), call(200, "b", model="unheard-of")]
    found = company(TEAM + "\n" + DIRECT, [charge("100.00")], calls, {"prices.yaml": PRICES}).run()
    assert found.owed() == {"a": "50.00", "b": "50.00"}
    (pool,) = found.table("pools")
    assert pool["basis"] == "tokens"
    assert "tokens" in pool["note"]
    assert "unpriced-usage" in found.slugs()


def test_another_pool_keeps_its_list_cost(company: Make) -> None:
    calls = [
        call(100, "a", output_tokens=100),
        call(400, "b"),
        call(100, "a", model="unheard-of"),
        call(300, "b", model="unheard-of"),
    ]
    rows = [charge("80.00", x_Model="test-1"), charge("80.00", x_Model="unheard-of")]
    found = company(TEAM + "\n" + DIRECT, rows, calls, {"prices.yaml": PRICES}).run()
    # 100 x 1 + 100 x 3 against 400 is half and half; 100 against 300 tokens is a quarter.
    assert found.owed() == {"b": "100.00", "a": "60.00"}
    assert sorted(row["basis"] for row in found.table("pools")) == ["list cost", "tokens"]


def test_an_unknown_tier_is_not_the_standard_one(company: Make) -> None:
    calls = [call(100, "a", output_tokens=100), call(200, "b", service_tier="golden")]
    found = company(TEAM + "\n" + DIRECT, [charge("100.00")], calls, {"prices.yaml": PRICES}).run()
    assert found.owed() == {"a": "50.00", "b": "50.00"}


def test_without_tokens_the_declared_fallback_weighs(company: Make) -> None:
    """Three unpriced calls of a and one of b say nothing about cost: the fallback decides, not the count."""
    calls = [call(0, "a", model="images-1", requests=3), call(0, "b", model="images-1")]
    rules = """
allocate: [{name: inference, when: "category = 'inference'", method: direct, fallback: {fixed: {a: 20, b: 80}}}]"""
    found = company(TEAM + rules, [charge("100.00")], calls).run()
    assert found.owed() == {"b": "80.00", "a": "20.00"}
    (pool,) = found.table("pools")
    assert pool["fallback"].startswith("fixed")
