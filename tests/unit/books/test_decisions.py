"""Decisions are only ever added to; what holds is what nobody has undone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from apportion.books import Books
from apportion.books.decisions import Decision, in_force
from apportion.errors import ApportionError

APPROVAL = Decision("approve", "P-000001", "{}", "{}", "ana", "2026-11-05T08:00:00Z", "as agreed")


def every(books: Books) -> list[Decision]:
    with books.reading() as view:
        return view.decisions()


def undo(number: int, subject: str = "P-000001") -> Decision:
    return Decision("undo", subject, "{}", "{}", "ben", "2026-11-06T08:00:00Z", undoes=number)


def test_what_is_decided_is_read_back_in_order(books: Books) -> None:
    other = replace(APPROVAL, subject_id="P-000002", kind="reject")
    assert books.decide([APPROVAL, other]) == every(books)
    assert [(one.number, one.kind, one.subject_id) for one in every(books)] == [
        (1, "approve", "P-000001"),
        (2, "reject", "P-000002"),
    ]


def test_undone_it_does_not_hold_and_can_be_decided_again(books: Books) -> None:
    books.decide([APPROVAL])
    books.decide([undo(1)])
    assert in_force(every(books)) == []
    books.decide([APPROVAL])
    assert [one.number for one in in_force(every(books))] == [3]


def test_nothing_is_decided_twice(books: Books) -> None:
    books.decide([APPROVAL])
    with pytest.raises(ApportionError, match="approved by ana on 2026-11-05") as caught:
        books.decide([replace(APPROVAL, kind="reject")])
    assert (caught.value.slug, caught.value.cure) == ("already-decided", "apportion undo P-000001")
    assert len(every(books)) == 1


@pytest.mark.parametrize("number", [1, 2, 7])
def test_only_what_holds_can_be_undone(books: Books, number: int) -> None:
    books.decide([APPROVAL])
    books.decide([undo(1)])
    with pytest.raises(ApportionError, match="nothing was undone"):
        books.decide([undo(number)])
    assert len(every(books)) == 2


def test_all_of_them_or_none(books: Books) -> None:
    with pytest.raises(ApportionError):
        books.decide([APPROVAL, replace(APPROVAL, subject_id="P-000002"), APPROVAL])
    assert every(books) == []


def test_a_guard_sees_what_holds(books: Books) -> None:
    books.decide([APPROVAL])
    seen: list[list[str]] = []
    books.decide([replace(APPROVAL, subject_id="P-000002")], lambda held, _: seen.append([h.subject_id for h in held]))
    assert seen == [["P-000001"]]


@pytest.mark.parametrize("change", ["UPDATE decisions SET person = 'x'", "DELETE FROM decisions"])
def test_the_database_itself_lets_nobody_change_one(books: Books, tmp_path: Path, change: str) -> None:
    books.decide([APPROVAL])
    with (
        closing(sqlite3.connect(tmp_path / ".apportion" / "books.db", isolation_level=None)) as raw,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        raw.execute(change)
