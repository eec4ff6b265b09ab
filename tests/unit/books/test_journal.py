"""Append-only semantics: the sum of everything ever posted is the sum of what is in force."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.books import Books, Entry, Posting
from apportion.books.journal import compare
from apportion.books.records import EntryStatus
from apportion.errors import InvariantError
from tests.unit.books.conftest import PERIOD, entry, publish

OTHER = "2026-12"


def test_an_estimate_is_literally_reversed_when_the_bill_arrives(books: Books) -> None:
    assert publish(books, 1, [entry("p", 900, status="estimate")]).posted == 1
    done = publish(books, 2, [entry("p", 1000)])
    assert (done.kept, done.posted, done.reversed) == (0, 1, 1)
    with books.reading() as view:
        journal = {booked.entry_id: booked for booked in view.journal(PERIOD)}
    (reversal,) = [booked for booked in journal.values() if booked.reverses_entry_id]
    first = journal[str(reversal.reverses_entry_id)]
    assert first.entry.status == reversal.entry.status == "estimate"
    assert {(s.account, -s.amount_minor) for s in first.entry.postings} == {
        (s.account, s.amount_minor) for s in reversal.entry.postings
    }
    assert books.balances(PERIOD, "owner:%") == {"owner:search": 1000}
    assert [booked.entry.status for booked in books.in_force(PERIOD)] == ["final"]


def test_publishing_twice_posts_nothing_the_second_time(books: Books) -> None:
    said = [entry("p", 1), entry("q", -1)]
    publish(books, 1, said)
    done = publish(books, 2, list(reversed(said)))
    assert (done.kept, done.posted, done.reversed) == (2, 0, 0)
    assert {booked.run_id for booked in books.in_force(PERIOD)} == {"run-0001"}


def test_what_comes_back_after_a_reversal_is_a_new_entry(books: Books) -> None:
    for number, said in enumerate([[entry("p", 1)], [], [entry("p", 1)], [], [entry("p", 1)]]):
        publish(books, number, said)
    with books.reading() as view:
        ids = sorted(booked.entry_id.split("-", 1)[1] for booked in view.journal(PERIOD))
    assert ids == ["1", "1-r", "2", "2-r", "3"]
    assert books.balances(PERIOD) == {"clearing:i": -1, "owner:search": 1}


def test_a_new_version_of_a_rule_is_a_new_entry(books: Books) -> None:
    publish(books, 1, [entry("p", 1)])
    assert publish(books, 2, [replace(entry("p", 1), memo="rule v2")]).reversed == 1


def test_the_order_of_postings_says_nothing() -> None:
    one = entry("p", 5)
    assert replace(one, postings=one.postings[::-1]).content_sha256 == one.content_sha256


@pytest.mark.parametrize(
    "bad",
    [
        [replace(entry("p", 5), postings=(Posting("a", 5), Posting("b", -4)))],
        [replace(entry("p", 5), postings=())],
        [replace(entry("p", 5), kind="reversal")],
        [entry("p", 5), entry("p", 6)],
    ],
)
def test_entries_that_break_a_law_are_refused_before_anything_is_written(books: Books, bad: list[Entry]) -> None:
    publish(books, 1, [entry("q", 1)])
    with pytest.raises(InvariantError, match="L1"):
        publish(books, 2, bad)
    with pytest.raises(InvariantError, match="L1"):
        compare(bad, [])
    assert len(books.in_force(PERIOD)) == 1


def test_an_entry_outside_the_periods_of_the_run_is_refused(books: Books) -> None:
    with pytest.raises(InvariantError, match="period of the entry"):
        publish(books, 1, [entry("q", 1, period=OTHER)])


STATUS: st.SearchStrategy[EntryStatus] = st.sampled_from(["final", "estimate"])
SAID = st.lists(
    st.builds(
        entry,
        st.sampled_from(["p", "q", "r"]),
        st.integers(-3, 3) | st.just(10**15),
        owner=st.sampled_from(["a", "b", "unallocated"]),
        status=STATUS,
        period=st.sampled_from([PERIOD, OTHER]),
    ),
    unique_by=lambda said: said.key,
    max_size=5,
)
PERIODS = st.sampled_from([(PERIOD,), (OTHER,), (PERIOD, OTHER)])


@given(st.lists(st.tuples(PERIODS, SAID), min_size=1, max_size=6))
def test_l1_all_that_was_posted_is_all_that_is_in_force(
    rounds: list[tuple[tuple[str, ...], list[Entry]]],
) -> None:
    now: dict[str, list[Entry]] = {}
    numbers = count()
    with TemporaryDirectory() as folder, Books.open(Path(folder) / "x" / "books.db") as books:
        for periods, mixed in rounds:
            said = [one for one in mixed if one.period in periods]
            done = publish(books, next(numbers), said, periods)
            now.update({period: [one for one in said if one.period == period] for period in periods})
            again = publish(books, next(numbers), said, periods)
            assert (again.kept, again.posted, again.reversed) == (done.kept + done.posted, 0, 0)
        for period, held in now.items():
            expected: Counter[str] = Counter()
            for one in held:
                for side in one.postings:
                    expected[side.account] += side.amount_minor
            with books.reading() as view:
                balances, in_force, journal = (
                    view.balances(period),
                    view.in_force(period),
                    view.journal(period),
                )
            assert {k: v for k, v in balances.items() if v} == {k: v for k, v in expected.items() if v}
            assert sorted(b.entry.content_sha256 for b in in_force) == sorted(o.content_sha256 for o in held)
            assert all(sum(s.amount_minor for s in b.entry.postings) == 0 for b in journal)
