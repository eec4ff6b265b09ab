"""Statements: what each value of a dimension receives; together they are the invoices."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from apportion.errors import ApportionError
from apportion.period import Period
from apportion.report.cents import PARTS, Cents, cents, has_period, ranked
from apportion.report.context import UNALLOCATED, Context, is_rest, shown_value
from apportion.report.detail import detail
from apportion.report.notes import pool_notes, standing_notes
from apportion.report.percentages import change
from apportion.report.table import Cell, Column, Row, Table

_TOTAL = "All AI cost"


def _row(name: str, parts: dict[str, int], shown: list[str], total: int, before: int | None) -> Row:
    # What nobody owns has no layer: 0.00 there would read as if it had been looked for and found.
    nothing: Cell = "" if is_rest(name) else 0
    cells = [parts.get(part) or nothing for part in shown]
    moved = None if before is None else total - before
    return (name, *cells, total, moved, change(total, before))


def statements(con: DuckDBPyConnection, context: Context, period: Period, by: str | None = None) -> Table:
    """One row per owner, or per value of another dimension, with its layers, and their sum.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: A dimension; the owner's if not given. The same cents are cut again (D5).

    Returns:
        A table named `statements`, largest first, unallocated last, total = the AI cost of the period.

    Raises:
        ApportionError: There is no such dimension.
    """
    dimension = context.known(by or context.owner)
    now = cents(con, context, period, dimension)
    before: Cents | None = None
    if has_period(con, period.previous):
        before = cents(con, context, period.previous, dimension)
    earlier = before.by_value if before else {}
    totals = {**dict.fromkeys(earlier, 0), **now.by_value}
    everything, parts = now.by_part, now.parts_by_value
    totals.setdefault(UNALLOCATED, 0)
    shown = [part for part in PARTS if part != "default" or everything.get(part)]
    rows = tuple(
        _row(value, parts.get(value, {}), shown, totals[value], earlier.get(value, 0) if before else None)
        for value in ranked(totals)
    )
    month = f"{period.previous.start:%B}"
    columns = (
        Column(dimension, dimension.replace("_", " ").capitalize()),
        *(Column(part, PARTS[part], "money") for part in shown),
        Column("total", "Total", "money"),
        Column("change", f"on {month}", "money", signed=True),
        Column("change_percent", "Change", "percent", signed=True),
    )
    whose = "" if dimension == context.owner else f" by {dimension}, the same cents cut again"
    return Table(
        name="statements",
        title=f"{period.title}{whose}, {context.currency}",
        columns=columns,
        rows=rows,
        total=_row(_TOTAL, everything, shown, now.total, before.total if before else None),
        notes=(*pool_notes(con, context, period), *standing_notes(con, context, period)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def statement(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    owner: str | None = None,
    by: str | None = None,
) -> list[Table]:
    """All statements of a period, or one of them in detail.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        owner: One value; all if not given. A user may be named plainly or by pseudonym.
        by: The dimension of the values; the owner's if not given.

    Returns:
        One table of everyone, or the tables of one value's statement.

    Raises:
        ApportionError: There is no such dimension, or nothing was ever charged to such a value.
    """
    every = statements(con, context, period, by)
    if owner is None:
        return [every]
    dimension = by or context.owner
    names = [str(cell) for cell in every.column(dimension)]
    value = owner if owner in names else shown_value(context, dimension, owner)
    if value not in names:
        raise ApportionError(
            "unknown-owner",
            f"no statement of {period} for {dimension} {owner!r}; there is {', '.join(names[:20])}",
            cure="name one of them",
        )
    return detail(con, context, period, dimension=dimension, value=value, every=every)
