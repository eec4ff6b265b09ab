"""Periods are those of a calendar on a wall: days of 23 and of 25 hours, weeks over new year, quarters."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.windows import Per, shown, window

BERLIN = ZoneInfo("Europe/Berlin")
PERS: tuple[Per, ...] = ("minute", "hour", "day", "week", "month", "quarter", "year")


def at(text: str, zone: str = "Europe/Berlin") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("per", "when", "start", "end", "name"),
    [
        ("minute", "2026-11-27T14:31:59", "2026-11-27T14:31", "2026-11-27T14:32", "2026-11-27T14:31"),
        ("hour", "2026-11-27T14:31", "2026-11-27T14:00", "2026-11-27T15:00", "2026-11-27T14:00"),
        ("day", "2026-11-27T00:00", "2026-11-27", "2026-11-28", "2026-11-27"),
        ("week", "2027-01-02T12:00", "2026-12-28", "2027-01-04", "2026-W53"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01", "2026-12"),
        ("quarter", "2026-11-27", "2026-10-01", "2027-01-01", "2026-Q4"),
        ("year", "2026-11-27", "2026-01-01", "2027-01-01", "2026"),
    ],
)
def test_a_period_of_the_calendar(per: Per, when: str, start: str, end: str, name: str) -> None:
    found = window(per, at(when), BERLIN)
    assert found == (at(start), at(end))
    assert shown(found, per, BERLIN) == name


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-27", 24)])
def test_a_day_is_as_long_as_it_is_there(day: str, hours: int) -> None:
    found = window("day", at(f"{day}T12:00"), BERLIN)
    assert found.end - found.start == hours * 3600


def test_an_hour_of_a_zone_with_half_an_hour() -> None:
    found = window("hour", at("2026-11-27T14:31", "Asia/Kolkata"), ZoneInfo("Asia/Kolkata"))
    assert found.start == at("2026-11-27T14:00", "Asia/Kolkata")
    assert datetime.fromtimestamp(found.start, UTC).minute == 30


@given(
    st.sampled_from(PERS),
    st.floats(0, 4e9),
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe"]
    ),
)
def test_every_instant_lies_in_one_period_and_the_next_begins_where_it_ends(per: Per, when: float, name: str) -> None:
    zone = ZoneInfo(name)
    found = window(per, when, zone)
    assert found.start <= when < found.end
    assert window(per, found.start, zone) == found
    if per not in {"minute", "hour"}:
        assert window(per, found.end, zone).start == found.end
