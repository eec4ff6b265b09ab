"""One unit has one spelling, and an unknown one keeps its own."""

from __future__ import annotations

import pytest

from apportion.units import known_units, spelled


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("gpu_hours", "GPU-Hours"),
        ("GPU-Hours", "GPU-Hours"),
        ("GPU hour", "GPU-Hours"),
        ("1M tokens", "1000000 Tokens"),
        (" USD ", "USD"),
        ("Widgets", "Widgets"),
    ],
)
def test_spellings(written: str, usual: str) -> None:
    assert spelled(written) == usual


def test_each_unit_says_what_it_measures() -> None:
    assert all(unit.measures for unit in known_units().values())
