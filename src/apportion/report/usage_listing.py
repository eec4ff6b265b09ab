"""Usage cells and postings as tables: the evidence and the books, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.table import Column, Row, Table

_PICO_DIGITS = 12
_TOKENS = (
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "tool_prompt_tokens",
    "output_tokens",
)
_TEXTS = ("provider", "model", "service_tier", "processing", "region")


def usage_cells(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """Folded calls with their tokens, their list price and why they have none."""
    others = [dim for dim in context.dimensions if dim not in _TEXTS]
    shown = ", ".join(f'{queries.shown(context, dim).sql(dialect="duckdb")} AS "{dim}"' for dim in others)
    rows: list[Row] = []
    if queries.has(con, "usage_cells"):
        found = con.execute(
            f"SELECT day, {', '.join(_TEXTS)}, {shown}, calls, {', '.join(_TOKENS)}, list_cost_picos, price_state,"
            " price_id, price_reason FROM usage_cells AS a WHERE day >= $start AND day < $end ORDER BY ALL",
            {"start": period.start, "end": period.end},
        ).fetchall()
        at = len(found[0]) - 4 if found else 0
        rows = [(*row[:at], _dollars(row[at]), *row[at + 1 :]) for row in found]
    columns = (
        Column("day", "Day", "date"),
        *(Column(name, name.replace("_", " ").capitalize()) for name in (*_TEXTS, *others)),
        Column("calls", "Calls", "integer"),
        *(Column(name, name.removesuffix("_tokens").replace("_", " ").capitalize(), "integer") for name in _TOKENS),
        Column("list_cost", "List cost, USD", "decimal"),
        Column("price_state", "Price"),
        Column("price_id", "Price id"),
        Column("price_reason", "Why there is none"),
    )
    return Table(
        name="usage-cells", title=f"Usage cells, {period.title}", columns=columns, rows=tuple(rows),
        notes=("List cost divides billed money; it is not what was billed.",), currency=context.currency,
        period=str(period), company=context.company, run=context.run,
    )  # fmt: skip


def postings(context: Context, period: Period, lines: Sequence[tuple[str, str, str, str, str, int]]) -> Table:
    """The period's journal as it is in force.

    Args:
        context: The project's settings.
        period: The accounting period.
        lines: Entry, pool, kind, memo, account and minor units, debits positive.
    """
    columns = (
        Column("entry_id", "Entry"),
        Column("pool_id", "Pool"),
        Column("kind", "Kind"),
        Column("memo", "Memo"),
        Column("account", "Account"),
        Column("amount", "Amount", "money"),
    )
    return Table(
        name="postings", title=f"Postings, {period.title}", columns=columns, rows=tuple(lines),
        total=("All", "", "", "", "", sum(line[5] for line in lines)),
        notes=("Debits are positive, credits negative; every entry adds up to 0.",), currency=context.currency,
        period=str(period), company=context.company, run=context.run,
    )  # fmt: skip


def _dollars(picos: Decimal | int | None) -> Decimal | None:
    return None if picos is None else Decimal(picos).scaleb(-_PICO_DIGITS)
