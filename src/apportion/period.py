"""Accounting periods and the days in them: start in, end out, UTC.

A period is the month of a bill's `billing_period_start` (decision D1) and is written `2026-11`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

_FORM = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MONTHS_A_YEAR = 12

OPEN_START = date(1, 1, 1)
OPEN_END = date(9999, 12, 31)


@dataclass(frozen=True, order=True)
class Period:
    """One calendar month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Period:
        """Read `2026-11`.

        Raises:
            ValueError: The text is not a year and a month.
        """
        found = _FORM.fullmatch(text)
        if not found:
            raise ValueError(f"{text!r} is not a period such as 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> Period:
        """The period a day lies in."""
        return cls(day.year, day.month)

    @property
    def start(self) -> date:
        """The first day."""
        return date(self.year, self.month, 1)

    @property
    def end(self) -> date:
        """The first day after it."""
        return self.next.start

    @property
    def next(self) -> Period:
        """The month after."""
        return self._at(self.year * _MONTHS_A_YEAR + self.month)

    @property
    def previous(self) -> Period:
        """The month before."""
        return self._at(self.year * _MONTHS_A_YEAR + self.month - 2)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.end - self.start).days

    @property
    def title(self) -> str:
        """For people: `November 2026`."""
        return f"{self.start:%B} {self.year}"

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    def each_day(self) -> Iterator[date]:
        """Every day of it, in order."""
        return (self.start + timedelta(days=n) for n in range(self.days))

    @classmethod
    def _at(cls, months: int) -> Period:
        return cls(months // _MONTHS_A_YEAR, months % _MONTHS_A_YEAR + 1)


def periods_between(start: date, end: date) -> list[Period]:
    """The periods that a span of days touches, its end day out."""
    found = [Period.of(start)]
    while found[-1].end < end:
        found.append(found[-1].next)
    return found
