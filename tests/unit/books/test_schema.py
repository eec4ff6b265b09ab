"""The database itself keeps the journal append-only, sealed and balanced."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import apportion.books.migrations as migrations_package
from apportion.books import Books
from apportion.books.migrations import HEAD
from apportion.books.schema import METADATA
from apportion.errors import ApportionError
from tests.unit.books.conftest import PERIOD, entry, publish


@pytest.fixture
def raw(books: Books, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    publish(books, 1, [entry("p", 500)])
    with closing(sqlite3.connect(tmp_path / ".apportion" / "books.db", isolation_level=None)) as connection:
        yield connection


def test_the_migrations_make_what_the_schema_says(books: Books, tmp_path: Path) -> None:
    books.close()
    engine = sa.create_engine(f"sqlite:///{tmp_path}/.apportion/books.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_the_head_is_the_last_migration() -> None:
    (folder,) = migrations_package.__path__
    assert ScriptDirectory(folder).get_current_head() == HEAD


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE postings SET amount_minor = amount_minor + 1",
        "DELETE FROM postings",
        "UPDATE journal_entries SET memo = 'x'",
        "DELETE FROM journal_entries",
    ],
)
def test_nothing_in_the_journal_is_changed_or_deleted(raw: sqlite3.Connection, change: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        raw.execute(change)


def test_an_entry_is_sealed(raw: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="sealed"):
        raw.execute("INSERT INTO postings SELECT 'new', entry_id, 'x', NULL, 0, 'USD' FROM journal_entries")


@pytest.mark.parametrize(
    "sides",
    [
        [],
        [("a", 1, "USD")],
        [("a", 1, "USD"), ("b", -2, "USD")],
        [("a", 1, "USD"), ("b", -1, "EUR")],
    ],
)
def test_an_entry_that_does_not_balance_is_refused(raw: sqlite3.Connection, sides: list[tuple[str, int, str]]) -> None:
    raw.execute("BEGIN")
    for n, (account, amount, currency) in enumerate(sides):
        raw.execute("INSERT INTO postings VALUES (?, 'new', ?, NULL, ?, ?)", [f"new/{n}", account, amount, currency])
    with pytest.raises(sqlite3.IntegrityError, match="balance"):
        raw.execute(
            "INSERT INTO journal_entries SELECT 'new', period, 'q', kind, status, memo, 'sha', run_id, NULL"
            " FROM journal_entries"
        )


def test_a_closed_period_takes_no_entry(raw: sqlite3.Connection) -> None:
    raw.execute("UPDATE periods SET state = 'closed'")
    raw.execute("INSERT INTO postings VALUES ('n/1', 'n', 'a', NULL, 1, 'USD'), ('n/2', 'n', 'b', NULL, -1, 'USD')")
    with pytest.raises(sqlite3.IntegrityError, match="closed"):
        raw.execute(
            "INSERT INTO journal_entries SELECT 'n', period, 'q', kind, status, memo, 'sha', run_id, NULL"
            " FROM journal_entries"
        )


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "books.db").write_text("these are no books, " * 400)
    with pytest.raises(ApportionError) as caught:
        Books.open(tmp_path / "books.db")
    assert caught.value.slug == "books-unreadable"


@pytest.mark.parametrize(
    ("url", "slug"),
    [("mysql+nothing://host/x", "books-driver-missing"), ("://:p4ssword", "books-unreadable")],
)
def test_an_address_that_cannot_be_opened_is_told_without_its_password(url: str, slug: str) -> None:
    with pytest.raises(ApportionError) as caught:
        Books.open(url)
    assert caught.value.slug == slug
    assert "p4ssword" not in caught.value.text()


def test_books_of_a_newer_program_are_left_alone(books: Books, tmp_path: Path) -> None:
    books.close()
    path = tmp_path / ".apportion" / "books.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.commit()
    with pytest.raises(ApportionError) as caught:
        Books.open(path)
    assert caught.value.slug == "books-newer"


def test_no_books_are_told_when_none_shall_be_made(tmp_path: Path) -> None:
    with pytest.raises(ApportionError) as caught:
        Books.open(tmp_path / ".apportion" / "books.db", create=False)
    assert caught.value.slug == "no-books"
    assert not (tmp_path / ".apportion").exists()


def test_a_writer_that_waits_too_long_is_told_to_try_again(books: Books, tmp_path: Path) -> None:
    publish(books, 1, [])
    path = tmp_path / ".apportion" / "books.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        Books.open(path, busy_seconds=0.05) as mine,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ApportionError) as caught:
            publish(mine, 2, [])
        current = mine.current_run(PERIOD)
    assert (caught.value.slug, caught.value.retry) == ("books-busy", True)
    assert current is not None
    assert current.run_id == "run-0001"
