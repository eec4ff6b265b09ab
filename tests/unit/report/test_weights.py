"""Weights are shown in the unit that people count in."""

from __future__ import annotations

import pytest

from apportion.report.weights import Measure


@pytest.mark.parametrize(
    ("method", "basis", "fallback", "weight", "shown"),
    [
        ("proportional", "gpu_hours", "", 1_612_400_000, "1612.4"),
        ("proportional", "gpu_hours and gpu_memory_hours", "", 500_000_000, "0.5"),
        ("proportional", "tokens", "", 4_598, "4598"),
        ("proportional", "attributed cost", "", 420_000, "4200"),
        ("direct", "list cost", "", 5_120_110_000_000_000, "5120.11"),
        ("direct", "list cost in nano-units", "", 12_345_678_900_000_000, "12345678.9"),
        ("headcount", "person-days", "", 795, "795"),
        ("seats", "seat-days at their price", "", 39_000_000, "39"),
        ("fixed", "written shares", "", 60_000_000_000, "60"),
        ("even", "written shares", "", 1, "1"),
        ("proportional", "revenue", "headcount", 10, "10"),
        ("proportional", "revenue", "fixed a 60, b 40", 60_000_000_000, "60"),
        ("pro rata", "net cost in the invoice", "", 1_875_000_000_000, "1875"),
    ],
)
def test_scales(method: str, basis: str, fallback: str, weight: int, shown: str) -> None:
    counted = Measure(method, basis, fallback, "USD").counted(weight)
    assert f"{counted:f}" == shown
    assert Measure(method, basis, fallback, "USD").counted(None) is None


def test_words() -> None:
    assert Measure("proportional", "gpu_hours", "", "USD").words == "proportional by gpu-hours"
    assert Measure("proportional", "revenue", "headcount", "USD").words == "proportional, fallback headcount"
    assert Measure("even", "", "", "USD").words == "even"
