"""A day is named only where the days show one."""

from __future__ import annotations

from datetime import date

from apportion.report.steps import DayOfCalls, Step, busiest, cache_step


def _days(*shares: int) -> list[DayOfCalls]:
    return [DayOfCalls(date(2026, 10, n), 10, 100, share) for n, share in enumerate(shares, start=1)]


def test_a_share_that_falls_on_a_day_and_stays_there() -> None:
    assert cache_step(_days(71, 70, 72, 12, 11, 13)) == Step(date(2026, 10, 4), 36, 300)
    assert cache_step(_days(12, 13, 70, 71)) == Step(date(2026, 10, 3), 141, 200)


def test_a_share_that_drifts_or_jumps_about_has_no_day() -> None:
    assert cache_step(_days(70, 65, 60, 55, 50, 45, 40, 35)) is None
    assert cache_step(_days(70, 12, 71, 12, 70, 13)) is None
    assert cache_step(_days(50, 50, 50, 50)) is None


def test_one_day_on_a_side_is_no_step() -> None:
    assert cache_step(_days(71, 12, 12, 12)) is None
    assert cache_step(_days(71, 12)) is None
    assert cache_step([]) is None


def test_days_without_input_are_no_days() -> None:
    silent = [DayOfCalls(date(2026, 10, 20 + n), 1, 0, 0) for n in range(4)]
    assert cache_step([*_days(71, 70, 12, 11), *silent]) == Step(date(2026, 10, 3), 23, 200)


def test_the_busiest_day_stands_out_or_is_none() -> None:
    usual = [DayOfCalls(date(2026, 10, n), 40, 0, 0) for n in range(1, 10)]
    loop = DayOfCalls(date(2026, 10, 11), 4_000, 0, 0)
    assert busiest([*usual, loop], 4_100) == loop
    assert busiest([*usual, loop], 10_000) is None
    assert busiest(usual, 10) is None
    assert busiest([], 0) is None
