"""Bills that hold the charges of another file once more: importing twice equals importing once (law L7).

A month is exported again, or saved in another form: the bytes differ and the charges are the same. A file all of whose
rows stand in another one is held out; one that shares most of them is named with the money that may count twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import duckdb

from apportion.errors import Place, Problem
from apportion.money import show, to_minor
from apportion.normalize import quarantine
from apportion.normalize.control import ControlTotal, CurrencyTotal

# What tells two charges apart; a row that agrees in all of them is the same charge.
_SAME = (
    "invoice_key", "billing_period_start", "charge_period_start", "charge_period_end", "billed_cost", "effective_cost",
    "billing_currency", "charge_category", "charge_class", "charge_description", "charge_frequency", "service_name",
    "sku_id", "sku_meter", "sku_price_id", "resource_id", "resource_name", "region_id", "sub_account_id",
    "sub_account_name", "invoice_detail_id", "consumed_quantity", "pricing_quantity", "tags", "extra",
)  # fmt: skip


@dataclass(frozen=True)
class _Pair:
    """A file, another that holds its charges, and how many rows they share."""

    file: str
    other: str
    rows: int
    shared: int
    source: str

    @property
    def whole(self) -> bool:
        return self.shared == self.rows


def hold_repeats(
    con: duckdb.DuckDBPyConnection, control: Sequence[ControlTotal]
) -> tuple[list[Problem], list[ControlTotal]]:
    """Take out of `charges` the files that another file holds, and name those that overlap.

    Args:
        con: Holds `charges` and `quarantine`.
        control: The control totals of all sources.

    Returns:
        The problems, and the control totals without the files that were held out.
    """
    pairs = _pairs(con)
    problems: list[Problem] = []
    totals = list(control)
    gone: set[str] = set()
    for pair in pairs:
        if pair.file in gone or pair.other in gone:
            continue
        money = _money(_sums(con, pair.file) if pair.whole else _shared(con, pair))
        problems.append(_held(pair, money) if pair.whole else _overlap(pair, money))
        if pair.whole:
            gone.add(pair.file)
            totals = [_without(con, total, pair) for total in totals]
            con.execute("DELETE FROM charges WHERE source_file = $1", [pair.file])
            quarantine.release(con, "charges", pair.source, pair.file)
    con.execute("DROP TABLE IF EXISTS _marked")
    return problems, totals


def _pairs(con: duckdb.DuckDBPyConnection) -> list[_Pair]:
    """Files of which at least half the rows stand in another file, those that stand in it whole first."""
    con.execute(
        f"""CREATE OR REPLACE TEMP TABLE _marked AS
        SELECT *, row_number() OVER (PARTITION BY source_file, mark, mark_too ORDER BY source_row) AS nth FROM (
          SELECT source, source_file, source_row, billed_cost, billing_currency,
            hash({", ".join(_SAME)}) AS mark, hash('again', {", ".join(reversed(_SAME))}) AS mark_too
          FROM charges WHERE invoice_key IN (
            SELECT invoice_key FROM charges GROUP BY invoice_key HAVING count(DISTINCT source_file) > 1
          )
        )"""
    )
    # The smaller of two files is the one that is doubted; of two alike the later by name.
    found = con.execute(
        """WITH files AS (
          SELECT source_file, any_value(source) AS source, count(*) AS rows FROM charges GROUP BY source_file
          HAVING sum(abs(billed_cost)) <> 0
        ), shared AS (
          SELECT a.source_file AS file, b.source_file AS other, count(*) AS shared FROM _marked AS a
          JOIN _marked AS b ON a.mark = b.mark AND a.mark_too = b.mark_too AND a.nth = b.nth
            AND a.source_file <> b.source_file GROUP BY ALL
        )
        SELECT shared.file, shared.other, f.rows, shared.shared, f.source FROM shared
        JOIN files AS f ON f.source_file = shared.file JOIN files AS o ON o.source_file = shared.other
        WHERE 2 * shared.shared >= f.rows
          AND (f.rows < o.rows OR (f.rows = o.rows AND shared.file > shared.other))
        ORDER BY shared.shared < f.rows, shared.file, shared.other"""
    ).fetchall()
    return [_Pair(*row) for row in found]


def _sums(con: duckdb.DuckDBPyConnection, file: str) -> list[tuple[str, Decimal, Decimal]]:
    return con.execute(
        "SELECT billing_currency, sum(billed_cost), sum(effective_cost) FROM charges WHERE source_file = $1"
        " GROUP BY ALL ORDER BY ALL",
        [file],
    ).fetchall()


def _shared(con: duckdb.DuckDBPyConnection, pair: _Pair) -> list[tuple[str, Decimal, Decimal]]:
    return con.execute(
        """SELECT a.billing_currency, sum(a.billed_cost), sum(a.billed_cost) FROM _marked AS a SEMI JOIN (
          SELECT mark, mark_too, nth FROM _marked WHERE source_file = $2
        ) AS b ON a.mark = b.mark AND a.mark_too = b.mark_too AND a.nth = b.nth
        WHERE a.source_file = $1 GROUP BY ALL ORDER BY ALL""",
        [pair.file, pair.other],
    ).fetchall()


def _money(sums: Iterable[tuple[str, Decimal, Decimal]]) -> str:
    return " and ".join(f"{show(to_minor(billed, code), code)} {code}" for code, billed, _ in sums)


def _without(con: duckdb.DuckDBPyConnection, total: ControlTotal, pair: _Pair) -> ControlTotal:
    """The control total of a source without one of its files."""
    if (total.table, total.source) != ("charges", pair.source):
        return total
    sums = {code: (billed, effective) for code, billed, effective in _sums(con, pair.file)}
    aside = con.execute(
        "SELECT coalesce(currency, ''), sum(coalesce(TRY_CAST(amount AS DECIMAL(38, 18)), 0)), count(*) FROM quarantine"
        " WHERE table_name = 'charges' AND source_file = $1 GROUP BY ALL",
        [pair.file],
    ).fetchall()
    held = {code: amount for code, amount, _ in aside}
    rows_held = sum(row[2] for row in aside)
    nothing = (Decimal(0), Decimal(0))
    totals = tuple(
        CurrencyTotal(
            each.currency,
            each.billed - sums.get(each.currency, nothing)[0],
            each.effective - sums.get(each.currency, nothing)[1],
            each.quarantined - held.get(each.currency, Decimal(0)),
        )
        for each in total.totals
    )
    return replace(
        total,
        rows_in=total.rows_in - pair.rows - rows_held,
        rows_out=total.rows_out - pair.rows,
        rows_quarantined=total.rows_quarantined - rows_held,
        totals=totals,
    )


def _held(pair: _Pair, money: str) -> Problem:
    rows = "its row stands" if pair.rows == 1 else f"all its {pair.rows:,} rows stand"
    return Problem(
        "same-charges-twice",
        f"source {pair.source!r}: {pair.file!r} holds nothing new: {rows} in {pair.other!r} too;"
        " it is held out so that nothing counts twice",
        place=Place(pair.file),
        amount=f"{money} counts once",
        cure=f"delete {pair.file!r}, or narrow `path:` so that it is not matched; if both are right, tell their"
        " rows apart with `set: {x_part: two}`",
        held=True,
    )


def _overlap(pair: _Pair, money: str) -> Problem:
    return Problem(
        "charges-repeated",
        f"source {pair.source!r}: {pair.shared:,} of the {pair.rows:,} rows of {pair.file!r} stand in"
        f" {pair.other!r} too, as another export of the same invoice would have them; all are counted",
        place=Place(pair.file),
        amount=f"{money} may count twice",
        cure="keep the newer of the two exports; if both are right, there is nothing to do",
        severity="warning",
    )
