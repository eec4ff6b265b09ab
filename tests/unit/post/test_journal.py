"""Entries balance, clear every invoice, and add up to what the tables say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.books import Books, Entry, Posting, Publication, Run
from apportion.errors import InvariantError
from apportion.money import split
from apportion.post import build_entries, check_balances, check_entries, expected_totals
from apportion.warehouse import DuckDBEngine

PERIOD = "2026-11"

POOLS = {
    "pool_id": "VARCHAR",
    "period": "VARCHAR",
    "rule": "VARCHAR",
    "rule_version": "INTEGER",
    "status": "VARCHAR",
    "basis": "VARCHAR",
    "invoice_key": "VARCHAR",
    "invoice_period": "VARCHAR",
    "amount_minor": "BIGINT",
}
CLAIMS = {"pool_id": "VARCHAR", "owner": "VARCHAR", "layer": "VARCHAR", "amount_minor": "BIGINT"}
INVOICES = {
    "invoice_key": "VARCHAR",
    "period": "VARCHAR",
    "status": "VARCHAR",
    "ledger_minor": "BIGINT",
    "out_of_scope_minor": "BIGINT",
    "prepaid_minor": "BIGINT",
    "tax_account_minor": "BIGINT",
    "rounding_minor": "BIGINT",
}


def pool(name: str, amount: int, invoice: str = "i", **more: Any) -> dict[str, Any]:
    row = {
        "pool_id": name,
        "period": PERIOD,
        "rule": "rule",
        "rule_version": 1,
        "status": "final",
        "basis": "list cost",
        "invoice_key": invoice,
        "invoice_period": PERIOD,
        "amount_minor": amount,
    }
    return row | more


def claim(name: str, owner: str, amount: int, layer: str = "direct") -> dict[str, Any]:
    return {"pool_id": name, "owner": owner, "layer": layer, "amount_minor": amount}


def invoice(ledger: int, name: str = "i", **more: Any) -> dict[str, Any]:
    return {"invoice_key": name, "period": PERIOD, "status": "final", "ledger_minor": ledger} | more


def fill(engine: DuckDBEngine, name: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    engine.run(f"CREATE OR REPLACE TABLE {name} ({listed})")
    marks = ", ".join("?" for _ in columns)
    for row in rows:
        engine.run(f"INSERT INTO {name} VALUES ({marks})", [row.get(column) for column in columns])


def tables(
    engine: DuckDBEngine,
    pools: Sequence[Mapping[str, Any]],
    claims: Sequence[Mapping[str, Any]],
    invoices: Sequence[Mapping[str, Any]],
) -> None:
    fill(engine, "pools", POOLS, pools)
    fill(engine, "claims", CLAIMS, claims)
    fill(engine, "invoices", INVOICES, invoices)


def balances(entries: Sequence[Entry]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for entry in entries:
        for side in entry.postings:
            sums[side.account] += side.amount_minor
    return {account: amount for account, amount in sums.items() if amount}


@pytest.fixture(scope="module")
def engine() -> DuckDBEngine:
    return DuckDBEngine(threads=1)


def built(engine: DuckDBEngine) -> list[Entry]:
    entries = build_entries(engine, PERIOD, "USD")
    check_entries(entries, expected_totals(engine, PERIOD))
    return entries


def test_an_invoice_ends_with_its_owners_and_the_accounts_that_keep_the_rest(engine: DuckDBEngine) -> None:
    tables(
        engine,
        [pool("p", 1000), pool("credit", -100)],
        [
            claim("p", "search", 600),
            claim("p", "search", 100, "shared"),
            claim("p", "unallocated", 300),
            claim("p", "chat", 0),
            claim("credit", "search", -100),
        ],
        [invoice(1400, out_of_scope_minor=350, prepaid_minor=-50, tax_account_minor=200, rounding_minor=1)],
    )
    entries = built(engine)
    assert balances(entries) == {
        "owner:search": 600,
        "owner:unallocated": 300,
        "out_of_scope": 350,
        "prepaid": -50,
        "tax": 200,
        "rounding": 1,
        "invoice:i": -1401,
    }
    assert [(entry.pool_id, entry.kind) for entry in entries] == [
        ("credit", "allocation"),
        ("invoice:i", "invoice"),
        ("invoice:i", "out_of_scope"),
        ("invoice:i", "prepaid"),
        ("invoice:i", "rounding"),
        ("invoice:i", "tax"),
        ("p", "allocation"),
    ]
    assert entries[-1].memo == "rule v1, by list cost"
    assert entries[-1].postings == (
        Posting("owner:search", 700, "search"),
        Posting("owner:unallocated", 300, "unallocated"),
        Posting("clearing:i", -1000),
    )


def test_usage_without_a_bill_is_accrued_as_an_estimate(engine: DuckDBEngine) -> None:
    tables(engine, [pool("e", 70, "no-bill", status="estimate")], [claim("e", "search", 70)], [])
    (entry,) = built(engine)
    assert entry.status == "estimate"
    assert balances([entry]) == {"owner:search": 70, "accrual:no-bill": -70}


@pytest.mark.parametrize("moved", [True, False], ids=["fed pool moves", "fed pool holds"])
def test_a_pool_that_feeds_another_leaves_no_trace_on_the_invoice(engine: DuckDBEngine, *, moved: bool) -> None:
    # The fed pool either holds what it was given, or holds nothing and moves it on.
    held = [claim("fed", "pool:shared", -40)] if moved else []
    tables(
        engine,
        [pool("feeder", 100), pool("fed", 0 if moved else 40)],
        [claim("feeder", "search", 60), claim("feeder", "pool:shared", 40), *held, claim("fed", "chat", 40)],
        [invoice(100)],
    )
    assert balances(built(engine)) == {"owner:search": 60, "owner:chat": 40, "invoice:i": -100}


def test_a_second_pass_moves_money_between_owners_only(engine: DuckDBEngine) -> None:
    tables(
        engine,
        [pool("p", 100), pool("again", 0, "")],
        [claim("p", "unallocated", 100), claim("again", "unallocated", -100), claim("again", "chat", 100)],
        [invoice(100)],
    )
    assert balances(built(engine)) == {"owner:chat": 100, "invoice:i": -100}


def test_an_amortised_month_uses_up_what_an_earlier_period_kept(engine: DuckDBEngine) -> None:
    tables(
        engine,
        [pool("now", 30, "old", invoice_period="2026-10")],
        [claim("now", "search", 30)],
        [],
    )
    assert balances(built(engine)) == {"owner:search": 30, "prepaid": -30}


def test_other_periods_are_left_alone(engine: DuckDBEngine) -> None:
    tables(
        engine,
        [pool("p", 10, period="2026-10")],
        [claim("p", "search", 10)],
        [invoice(10) | {"period": "2026-10"}, invoice(5, "estimated", status="estimate")],
    )
    assert built(engine) == []


@pytest.mark.parametrize(
    ("pools", "claims", "invoices"),
    [
        ([pool("p", 10)], [claim("p", "a", 9)], [invoice(10)]),
        ([pool("p", 10)], [], [invoice(10)]),
        ([pool("p", 10)], [claim("p", "a", 10)], [invoice(11)]),
        ([pool("p", 10)], [claim("p", "a", 10)], []),
        ([pool("p", 10)], [claim("p", "a", 10)], [invoice(10, out_of_scope_minor=1)]),
    ],
    ids=["claims short", "no claims", "invoice short", "no invoice", "too much kept"],
)
def test_tables_that_do_not_add_up_are_refused(
    engine: DuckDBEngine,
    pools: list[dict[str, Any]],
    claims: list[dict[str, Any]],
    invoices: list[dict[str, Any]],
) -> None:
    tables(engine, pools, claims, invoices)
    with pytest.raises(InvariantError, match="L1"):
        build_entries(engine, PERIOD, "USD")


def test_entries_are_held_to_totals_counted_apart(engine: DuckDBEngine) -> None:
    tables(engine, [pool("p", 10)], [claim("p", "a", 10)], [invoice(12, tax_account_minor=2)])
    entries, totals = build_entries(engine, PERIOD, "USD"), expected_totals(engine, PERIOD)
    check_entries(entries, totals)
    for one in entries:
        with pytest.raises(InvariantError, match="L1"):
            check_entries([entry for entry in entries if entry is not one], totals)
    for wrong in (
        replace(totals, owners=11),
        replace(totals, invoices=11),
        replace(totals, accruals=1),
        replace(totals, kept={}),
    ):
        with pytest.raises(InvariantError, match="L1"):
            check_entries(entries, wrong)
    with pytest.raises(InvariantError, match="sum of all accounts"):
        check_balances({**balances(entries), "elsewhere": 1}, totals)


PARTS = st.lists(
    st.tuples(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)),
    max_size=4,
)


@given(PARTS, st.lists(st.integers(-(10**6), 10**6), min_size=4, max_size=4))
def test_l1_every_entry_balances_and_the_books_read_back_the_same(
    engine: DuckDBEngine, tmp_path_factory: pytest.TempPathFactory, parts: Any, kept: list[int]
) -> None:
    pools = [pool(f"p{n}", amount) for n, (amount, _) in enumerate(parts)]
    claims = [
        claim(f"p{n}", f"o{m}", share)
        for n, (amount, weights) in enumerate(parts)
        for m, share in enumerate(split(amount, weights))
    ]
    outside, prepaid, tax, rounding = kept
    total = sum(amount for amount, _ in parts) + outside + prepaid + tax
    columns: dict[str, Any] = {
        "out_of_scope_minor": outside,
        "prepaid_minor": prepaid,
        "tax_account_minor": tax,
        "rounding_minor": rounding,
    }
    tables(engine, pools, claims, [invoice(total, **columns)])
    entries = built(engine)
    folder: Path = tmp_path_factory.mktemp("books")
    with Books.open(folder / "x" / "books.db") as books:
        run = Run("r", "2026-12-01T00:00:00+00:00", "0.1.0", "c", "duckdb")
        books.start(run)
        books.publish(run, Publication([PERIOD], entries=entries), "2026-12-01T00:00:00+00:00")
        check_balances(books.balances(PERIOD), expected_totals(engine, PERIOD))
        owners = books.balances(PERIOD, "owner:%")
    assert sum(owners.values()) == sum(amount for amount, _ in parts)
    assert books.balances(PERIOD).get("clearing:i", 0) == 0
