"""D9: a variance to a central owner makes two pools, of either sign; a minimum splits usage and shortfall.

Ruled out: the metered pool is scaled although the variance has an owner; a negative variance is clipped or
spread; a shortfall is divided by usage, or charged above the minimum.
"""

from __future__ import annotations

import pytest

from tests.decisions.company import DIRECT, TEAM, call, charge
from tests.decisions.conftest import Make

CENTRAL = "policies: {variance: {to: central}}\n" + TEAM + "\n" + DIRECT


@pytest.mark.parametrize(("invoice", "variance"), [("110.00", "10.00"), ("95.50", "-4.50"), ("100.00", None)])
def test_two_pools_metered_and_variance(company: Make, invoice: str, variance: str | None) -> None:
    found = company(CENTRAL, [charge(invoice)], [call(7000, "a"), call(3000, "b")]).run()
    expected = {"a": "70.00", "b": "30.00"} | ({"central": variance} if variance else {})
    assert found.owed() == expected
    kinds = {row["kind"]: row["amount"] for row in found.table("pools")}
    assert kinds == {"usage": "100.00"} | ({"variance": variance} if variance else {})


def test_scaling_is_the_other_policy(company: Make) -> None:
    found = company(TEAM + "\n" + DIRECT, [charge("110.00")], [call(7000, "a"), call(3000, "b")]).run()
    assert found.owed() == {"a": "77.00", "b": "33.00"}


@pytest.mark.parametrize(
    ("invoice", "tokens", "expected"),
    [
        ("500.00", 20000, {"a": "380.00", "b": "120.00"}),  # used 200 by a; shortfall 300 at 60 and 40
        ("500.00", 0, {"a": "300.00", "b": "200.00"}),
        ("620.00", 60000, {"a": "620.00"}),  # above the minimum nothing is short
    ],
)
def test_a_minimum_splits_usage_and_shortfall(
    company: Make, invoice: str, tokens: int, expected: dict[str, str]
) -> None:
    rules = """
allocate:
  - {name: inference, when: "category = 'inference'", method: direct, minimum: {amount: 500, shares: {a: 60, b: 40}}}"""
    calls = [call(tokens, "a")] if tokens else []
    found = company(TEAM + rules, [charge(invoice)], calls).run()
    assert found.owed() == expected
