"""Rows that cannot be read: kept with file, row, reason and amount until they are dealt with (law L3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import duckdb
import pyarrow as pa

from apportion.errors import Place, Problem

COLUMNS: Mapping[str, str] = {
    "table_name": "VARCHAR",
    "source": "VARCHAR",
    "source_file": "VARCHAR",
    "source_row": "BIGINT",
    "reason": "VARCHAR",
    "detail": "VARCHAR",
    "amount": "VARCHAR",
    "currency": "VARCHAR",
    "excerpt": "VARCHAR",
}
_EXCERPT_CHARACTERS = 160
# Tables whose rows are money: where it cannot be read it is not 0.00, and the message says so.
_MONEY = frozenset({"charges", "invoices"})

# What to do about each reason; the reason is also the slug of the problem that tells of it.
CURES: Mapping[str, str] = {
    "row-broken": "correct the line, or export the file again",
    "number-unreadable": "write a plain number such as 1234.50, or say how numbers are written with"
    ' `set: {number_format: "1.234,56"}`',
    "number-too-precise": "write at most 18 decimals, 9 of an exchange rate",
    "amount-too-large": "check the row: one amount may be at most 9,223,372,036 (9,223,372,036,854 where the"
    " currency has no minor unit)",
    "amount-missing": "fill the column, or say with `columns:` which column holds it",
    "currency-unknown": "write the ISO 4217 code in capitals, such as USD, or give one with `set:`",
    "date-unreadable": "write it as 2026-11-03, or say how it is written with"
    ' `set: {date_format: "%m/%d/%Y"}` (month first; "%d/%m/%Y" is day first, %y a year of two digits)',
    "period-missing": "fill `billing_period_start`, or give it with `set:`",
    "period-reversed": "write the start before the end; an end is the first day that no longer counts",
    "negative-weight": "correct the row; a weight or a seat's price is never below zero",
    "policy-unknown": "write month_average or invoice_date, or leave it empty",
    "key-missing": "fill the column, or delete the row",
    "tokens-missing": "write 0 where a call used none; a missing count is not 0",
    "tokens-impossible": "correct the row, or say with `tokens: exclusive` that cached tokens are counted"
    " beside the input",
    "tags-unreadable": 'write the tags as a JSON object: {"team": "search"}',
}


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table `quarantine`, empty, unless it is there."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    con.execute(f"CREATE TABLE IF NOT EXISTS quarantine ({columns})")


def hold(
    con: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    file: str,
    rows: Iterable[tuple[int, str, str | None]],
) -> int:
    """Set rows aside whose structure is broken, before they are rows of any table.

    Args:
        con: Holds the table `quarantine`.
        table: What the file holds.
        source: The source's name.
        file: The file's name as shown.
        rows: Row number, what is wrong, and an excerpt.

    Returns:
        How many.
    """
    held = [(number, detail, clip(excerpt)) for number, detail, excerpt in rows]
    if held:
        arrow = pa.table(
            {
                "source_row": pa.array([row[0] for row in held], pa.int64()),
                "detail": pa.array([row[1] for row in held], pa.string()),
                "excerpt": pa.array([row[2] for row in held], pa.string()),
            }
        )
        con.register("_broken_rows", arrow)
        con.execute(
            "INSERT INTO quarantine SELECT $1, $2, $3, source_row, 'row-broken', detail, NULL, NULL, excerpt"
            " FROM _broken_rows",
            [table, source, file],
        )
        con.unregister("_broken_rows")
    return len(held)


def release(con: duckdb.DuckDBPyConnection, table: str, source: str, file: str) -> None:
    """Forget the rows of a file of which nothing is used at all: the file's own problem speaks for them."""
    con.execute(
        "DELETE FROM quarantine WHERE table_name = $1 AND source = $2 AND source_file = $3",
        [table, source, file],
    )


def clip(text: str | None) -> str | None:
    """The start of a text on one line, for an excerpt."""
    if text is None:
        return None
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXCERPT_CHARACTERS else flat[: _EXCERPT_CHARACTERS - 1] + "…"


def problems(con: duckdb.DuckDBPyConnection, *, usage: bool = False) -> list[Problem]:
    """One problem per file and reason, with its first row, the count and the money.

    The rows are held, so that the rest can go on; each row stands in the table `quarantine`.

    Args:
        con: Holds the table.
        usage: Only the rows of usage, which are set aside later than all others; else only the others.
    """
    chosen = f"(SELECT * FROM quarantine WHERE table_name {'=' if usage else '<>'} 'usage')"
    found = con.execute(
        "SELECT source_file, reason, count(*), min(source_row), arg_min(detail, source_row),"
        f" arg_min(excerpt, source_row), any_value(table_name) FROM {chosen} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    sums = con.execute(
        "SELECT source_file, reason, coalesce(currency, '?'), sum(TRY_CAST(amount AS DECIMAL(38, 18)))"
        f" FROM {chosen} WHERE TRY_CAST(amount AS DECIMAL(38, 18)) IS NOT NULL GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    money: dict[tuple[str, str], list[str]] = {}
    for file, reason, currency, amount in sums:
        money.setdefault((file, reason), []).append(f"{_plain(amount)} {currency}".removesuffix(" ?"))
    made = []
    for file, reason, count, row, detail, excerpt, table in found:
        unknown = "unknown: no amount can be read" if table in _MONEY else None
        more = "" if count == 1 else f" ({count - 1:,} more rows of the file for the same reason)"
        made.append(
            Problem(
                slug=reason,
                message=f"{detail}{more}; set aside and counted in every report",
                place=Place(file, row=row),
                excerpt=excerpt,
                amount=" and ".join(money.get((file, reason), [])) or unknown,
                cure=CURES.get(reason),
                held=True,
            )
        )
    return made


def _plain(amount: Decimal) -> str:
    """An amount with every digit that counts, and at least two decimals."""
    whole, _, fraction = f"{amount:,f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
