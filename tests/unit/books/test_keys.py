"""Keys of the gateway are only ever added to; what holds is told from everything that was done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from apportion.books import Books
from apportion.books.keys import KeyChange, KeySays, StandingKey, known, standing
from apportion.errors import ApportionError

SAYS = KeySays("search", {"team": "search"}, ("openai",), ("customer",), rejects=True)
MADE = KeyChange("create", "ak_1", SAYS, "ana", "2026-11-05T08:00:00Z", "aa" * 32)


def every(books: Books) -> dict[str, StandingKey]:
    with books.reading() as view:
        return standing(view.key_changes())


def rotated(number: int, at: str, until: str) -> KeyChange:
    return replace(MADE, kind="rotate", secret_sha256=f"{number:02x}" * 32, changed_at=at, others_until=until)


def test_what_was_done_is_read_back_in_order(books: Books) -> None:
    changed = replace(MADE, kind="change", says=replace(SAYS, tags={"team": "ml"}), secret_sha256=None)
    made = [books.change_key(MADE), books.change_key(changed)]
    with books.reading() as view:
        assert view.key_changes() == made
        assert view.latest_key_change() == 2
    assert [one.number for one in made] == [1, 2]
    assert every(books)["ak_1"].says == replace(SAYS, tags={"team": "ml"})


def test_a_new_secret_leaves_the_old_one_of_use_for_a_while(books: Books) -> None:
    books.change_key(MADE)
    books.change_key(rotated(2, "2026-11-06T08:00:00Z", "2026-11-07T08:00:00Z"))
    assert every(books)["ak_1"].secrets == {"aa" * 32: "2026-11-07T08:00:00Z", "02" * 32: None}


def test_a_second_one_never_prolongs_the_first(books: Books) -> None:
    books.change_key(MADE)
    books.change_key(rotated(2, "2026-11-06T08:00:00Z", "2026-11-07T08:00:00Z"))
    books.change_key(rotated(3, "2026-11-06T09:00:00Z", "2026-11-09T09:00:00Z"))
    assert every(books)["ak_1"].secrets == {
        "aa" * 32: "2026-11-07T08:00:00Z",
        "02" * 32: "2026-11-09T09:00:00Z",
        "03" * 32: None,
    }


@pytest.mark.parametrize("kind", ["change", "rotate", "revoke"])
def test_a_revoked_key_stays_revoked(books: Books, kind: str) -> None:
    books.change_key(MADE)
    books.change_key(replace(MADE, kind="revoke", secret_sha256=None, person="ben", changed_at="2026-11-06T08:00:00Z"))
    assert every(books)["ak_1"].state("2026-11-06T08:00:00Z") == "revoked"
    secret = "bb" * 32 if kind == "rotate" else None
    with pytest.raises(ApportionError, match="revoked by ben on 2026-11-06") as caught:
        books.change_key(replace(MADE, kind=kind, secret_sha256=secret))  # type: ignore[arg-type]
    assert caught.value.slug == "key-revoked"


def test_two_keys_of_use_do_not_share_a_name(books: Books) -> None:
    books.change_key(MADE)
    other = replace(MADE, key_id="ak_2", secret_sha256="bb" * 32)
    with pytest.raises(ApportionError, match="a key search already, ak_1") as caught:
        books.change_key(other)
    assert caught.value.slug == "key-name-taken"
    books.change_key(replace(MADE, kind="revoke", secret_sha256=None))
    books.change_key(other)
    keys = every(books)
    assert known(keys, "search").key_id == "ak_2"
    assert known(keys, "ak_1").revoked_at is not None


def test_a_key_that_nobody_made_is_not_found(books: Books) -> None:
    books.change_key(MADE)
    with pytest.raises(ApportionError, match="no key ml; there is search") as caught:
        known(every(books), "ml")
    assert caught.value.cure == "apportion key list"
    with pytest.raises(ApportionError, match="no key ak_9"):
        books.change_key(replace(MADE, kind="revoke", key_id="ak_9", secret_sha256=None))


@pytest.mark.parametrize(("now", "state"), [("2027-01-30T23:59:59Z", "active"), ("2027-01-31T00:00:00Z", "expired")])
def test_a_key_ends_at_the_instant_that_it_says(books: Books, now: str, state: str) -> None:
    books.change_key(replace(MADE, says=replace(SAYS, expires_at="2027-01-31T00:00:00Z")))
    assert every(books)["ak_1"].state(now) == state


@pytest.mark.parametrize("change", ["UPDATE key_changes SET key_id = 'x'", "DELETE FROM key_changes"])
def test_the_database_keeps_what_was_done(books: Books, tmp_path: Path, change: str) -> None:
    books.change_key(MADE)
    with (
        closing(sqlite3.connect(tmp_path / ".apportion" / "books.db")) as raw,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        raw.execute(change)
