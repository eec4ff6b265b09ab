"""Books in a temporary project, and the shortest way to publish into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from apportion.books import Books, Entry, Posting, Publication, Published, Run
from apportion.books.records import EntryStatus

PERIOD = "2026-11"
AT = "2026-12-01T09:00:00+00:00"


def new_run(number: int) -> Run:
    return Run(
        f"run-{number:04d}",
        f"2026-12-01T08:{number // 60:02d}:{number % 60:02d}+00:00",
        "0.1.0",
        "c",
        "duckdb",
    )


def entry(
    pool: str, amount: int, *, owner: str = "search", status: EntryStatus = "final", period: str = PERIOD
) -> Entry:
    sides = (Posting(f"owner:{owner}", amount, owner), Posting("clearing:i", -amount))
    return Entry(period, pool, "allocation", status, "rule v1", "USD", sides)


def publish(books: Books, number: int, entries: Sequence[Entry], periods: Sequence[str] = (PERIOD,)) -> Published:
    run = new_run(number)
    books.start(run)
    return books.publish(run, Publication(periods, entries=entries), AT)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with Books.open(tmp_path / ".apportion" / "books.db") as opened:
        yield opened
