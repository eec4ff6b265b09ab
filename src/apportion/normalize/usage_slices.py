"""Which days of which files are folded together: bounded memory, and every row exactly once.

A day never sits in two spans, so that a call repeated in two files of one source is found inside one span. Spans
end with the month, because periods do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from apportion.normalize.usage_parquet import UsageFile
from apportion.period import Period

Part = Literal["whole", "days", "days and odd"]

_DAY = timedelta(days=1)
# Files whose days lie mixed are read whole for every span, so that their spans may be larger.
_MIXED = 3
_MIXED_FACTOR = 4


@dataclass(frozen=True)
class Span:
    """Some days and the files that have calls on them.

    Attributes:
        start: The first day; None for rows that have no usable instant at all.
        end: The day after the last one.
        files: All that have calls in it, in the order of their names.
        rows: About how many rows it has; exact where it takes files whole.
        odd: Names of those files whose rows without a usable instant belong to this span.
    """

    start: date | None
    end: date | None
    files: tuple[UsageFile, ...]
    rows: int
    odd: frozenset[str]

    def part(self, file: UsageFile) -> Part:
        """What of a file belongs to this span."""
        if self.start is None or self.end is None or file.first is None or file.last is None:
            return "whole"
        if self.start <= file.first and file.last < self.end:
            return "whole"
        return "days and odd" if file.name in self.odd else "days"


@dataclass(frozen=True)
class UsageSlice:
    """Some days of a usage source, all within one period.

    Attributes:
        source: The source's name.
        day_from: The first day.
        day_to: The day after the last one.
        period: The month they lie in.
        sql: Yields the usage columns of its rows, each row of the source in exactly one slice.
        rows: How many rows it has; an estimate where a file is shared with another slice.
        files: What it reads, by the name that the user wrote.
        missing: Columns of the query that are NULL, or 0, in every row, because no file has them.
        origin: Its query before repeated rows were left out.
        repeated: How many those are.
    """

    source: str
    day_from: date
    day_to: date
    period: Period
    sql: str
    rows: int
    files: tuple[tuple[str, Path], ...]
    missing: frozenset[str] = frozenset()
    origin: str = ""
    repeated: int = 0

    @property
    def label(self) -> str:
        """Its source and first day, for people."""
        return f"{self.source} from {self.day_from}"


def plan_spans(files: Sequence[UsageFile], rows_per_slice: int | None) -> list[Span]:
    """Spans that cover every row of every file once.

    Args:
        files: Of one source.
        rows_per_slice: About how many rows a span may have, where it has more than one day; None for whole months.

    Returns:
        In the order of days.
    """
    dated = [file for file in files if file.first and file.last]
    undated = tuple(file for file in files if not (file.first and file.last))
    per_day, mixed = _density(dated)
    limit = rows_per_slice * (_MIXED_FACTOR if mixed > _MIXED else 1) if rows_per_slice else None
    spans: list[Span] = []
    seen: set[str] = set()
    for start, end in _cut(sorted(per_day), per_day, limit):
        touching = tuple(f for f in dated if f.first and f.last and f.first < end and f.last >= start)
        odd = frozenset(f.name for f in touching if f.odd and f.name not in seen)
        seen.update(f.name for f in touching)
        inside = all(f.first and f.last and start <= f.first and f.last < end for f in touching)
        days = (d for d in per_day if start <= d < end)
        rows = sum(f.rows for f in touching) if inside else round(sum(per_day[d] for d in days))
        spans.append(Span(start, end, touching, rows, odd))
    if undated:
        spans.append(Span(None, None, undated, sum(f.rows for f in undated), frozenset()))
    return spans


def _density(files: Sequence[UsageFile]) -> tuple[dict[date, float], float]:
    """About how many rows each day has, and how many times a row is read if every day is read alone."""
    per_day: dict[date, float] = {}
    touched = total = 0
    for file in files:
        for first, last, rows in file.chunks:
            days = (last - first).days + 1
            touched += days * rows
            total += rows
            for step in range(days):
                day = first + step * _DAY
                per_day[day] = per_day.get(day, 0) + rows / days
    return per_day, touched / total if total else 0


def _cut(days: Sequence[date], per_day: dict[date, float], limit: int | None) -> list[tuple[date, date]]:
    """Runs of days within a month, each of about as many rows as allowed or of one day."""
    runs: list[tuple[date, date]] = []
    start: date | None = None
    previous: date | None = None
    rows = 0.0
    for day in days:
        if (
            start is None
            or previous is None
            or Period.of(day) != Period.of(start)
            or (limit and rows + per_day[day] > limit)
        ):
            if start is not None and previous is not None:
                runs.append((start, previous + _DAY))
            start, rows = day, 0.0
        rows += per_day[day]
        previous = day
    if start is not None and previous is not None:
        runs.append((start, previous + _DAY))
    return runs
