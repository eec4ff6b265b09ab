"""Calendar periods of limits, in the project's time zone: from midnight to midnight, whatever a clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

Per = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]

_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}


class Window(NamedTuple):
    """A stretch of time, start in, end out, in seconds of the epoch.

    Attributes:
        start: Of it.
        end: Of it.
    """

    start: float
    end: float


def window(per: Per, at: float, zone: tzinfo) -> Window:
    """The period in which an instant lies.

    Days are as long as they are there: 23 hours where a clock is put forward. Weeks begin on Monday.

    Args:
        per: How long.
        at: The instant, in seconds of the epoch.
        zone: Whose calendar.
    """
    if per in {"minute", "hour"}:
        # Offsets of time zones are whole minutes now, and some are no whole hours.
        local = datetime.fromtimestamp(at, zone)
        seconds = 60 if per == "minute" else 3600
        into = local.second + local.microsecond / 1e6 + (local.minute * 60 if per == "hour" else 0)
        start = at - into
        return Window(round(start), round(start) + seconds)
    today = datetime.fromtimestamp(at, zone).date()
    if per == "day":
        first, last = today, today + timedelta(days=1)
    elif per == "week":
        first = today - timedelta(days=today.weekday())
        last = first + timedelta(days=7)
    else:
        months = _MONTHS[per]
        first = today.replace(month=(today.month - 1) // months * months + 1, day=1)
        index = first.year * 12 + first.month - 1 + months
        last = first.replace(year=index // 12, month=index % 12 + 1)
    return Window(*(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() for day in (first, last)))


def shown(found: Window, per: Per, zone: tzinfo) -> str:
    """A period as people write it: `2026-11`, `2026-Q4`, `2026-11-27`, `2026-11-27T14:00`."""
    start = datetime.fromtimestamp(found.start, UTC).astimezone(zone)
    if per == "quarter":
        return f"{start.year}-Q{(start.month + 2) // 3}"
    forms = {"year": "%Y", "month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d"}
    return start.strftime(forms.get(per, "%Y-%m-%dT%H:%M"))
