"""Accounting periods: months, start in and end out (decision D1)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.period import Period, periods_between

periods = st.builds(Period, st.integers(1, 9998), st.integers(1, 12))


def test_a_period_is_written_as_year_and_month() -> None:
    assert Period.parse("2026-11") == Period(2026, 11)
    assert str(Period(987, 3)) == "0987-03"
    assert Period(2026, 11).title == "November 2026"


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", " 2026-11", "2026-11\n"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a period"):
        Period.parse(text)


@given(periods)
def test_reading_undoes_writing(period: Period) -> None:
    assert Period.parse(str(period)) == period


@given(periods)
def test_the_end_is_out_and_is_the_start_of_the_next(period: Period) -> None:
    days = list(period.each_day())
    assert days[0] == period.start
    assert days[-1] == period.end - timedelta(days=1)
    assert len(days) == period.days
    assert {Period.of(day) for day in days} == {period}
    assert period.end == period.next.start
    assert period.next.previous == period
    assert period < period.next


def test_a_leap_day_belongs_to_february() -> None:
    assert Period(2028, 2).days == 29
    assert Period.of(date(2028, 2, 29)) == Period(2028, 2)
    assert Period(2100, 2).days == 28


def test_a_year_ends_in_december() -> None:
    assert Period(2026, 12).next == Period(2027, 1)
    assert Period(2027, 1).previous == Period(2026, 12)


def test_a_span_that_ends_on_a_first_day_does_not_touch_that_month() -> None:
    assert periods_between(date(2026, 11, 1), date(2026, 12, 1)) == [Period(2026, 11)]
    assert periods_between(date(2026, 11, 1), date(2026, 12, 2)) == [Period(2026, 11), Period(2026, 12)]
    assert len(periods_between(date(2026, 11, 1), date(2027, 11, 1))) == 12
