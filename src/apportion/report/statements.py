"""Statements: what each value of a dimension receives; together they are the invoices."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from duckdb import DuckDBPyConnection

from apportion.errors import WrongUsage
from apportion.money import show
from apportion.period import Period
from apportion.report.cents import PARTS, Cents, compared, ranked
from apportion.report.context import UNALLOCATED, Context, is_rest, shown_value
from apportion.report.detail import detail
from apportion.report.notes import pool_notes, standing_notes, unknown_calls
from apportion.report.percentages import change
from apportion.report.reason_tables import reasons
from apportion.report.table import Cell, Column, Row, Table, trimmed

_TOTAL = "All AI cost"
_MOST_NAMES = 8
# The layers are always shown, whatever is in them (law L8).
_ALWAYS = frozenset({"direct", "rule", "shared"})


def _row(name: str, parts: dict[str, int], shown: list[str], total: int, before: int | None) -> Row:
    # What nobody owns has no layer, and what has an owner is not unallocated: 0.00 there would read as if it
    # had been looked for and found.
    cells: list[Cell] = [
        parts.get(part) or ("" if is_rest(name) or (part == UNALLOCATED and name != _TOTAL) else 0) for part in shown
    ]
    moved = None if before is None else total - before
    return (name, *cells, total, moved, change(total, before))


def _not_known(row: Row) -> Row:
    """A row whose amounts are no numbers: nothing was found, which is not 0.00."""
    return (row[0], *(None if cell == 0 else cell for cell in row[1:-3]), None, None, None)


def statements(con: DuckDBPyConnection, context: Context, period: Period, by: str | None = None) -> Table:
    """One row per owner, or per value of another dimension, with its layers, and their sum.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: A dimension; the owner's if not given. The same cents are cut again (D5).

    Returns:
        A table named `statements`, largest first, unallocated last, total = the AI cost of the period. In every
        row the parts add up to the total; parts other than the layers are shown where there are some.

    Raises:
        WrongUsage: There is no such dimension.
    """
    dimension = context.known(by or context.owner)
    return _everyone(con, context, period, dimension, *compared(con, context, period, dimension))


def _everyone(
    con: DuckDBPyConnection, context: Context, period: Period, dimension: str, now: Cents, before: Cents | None
) -> Table:
    earlier = before.by_value if before else {}
    totals = {**dict.fromkeys(earlier, 0), **now.by_value}
    everything, parts = now.by_part, now.parts_by_value
    totals.setdefault(UNALLOCATED, 0)
    shown = [part for part in PARTS if part in _ALWAYS or part in everything]
    rows = tuple(
        _row(value, parts.get(value, {}), shown, totals[value], earlier.get(value, 0) if before else None)
        for value in ranked(totals)
    )
    total = _row(_TOTAL, everything, shown, now.total, before.total if before else None)
    if unknown_calls(con, period):
        rows, total = tuple(_not_known(row) for row in rows), _not_known(total)
    month = f"{period.previous.start:%B}"
    columns = (
        Column(dimension, dimension.replace("_", " ").capitalize()),
        *(Column(part, PARTS[part], "money", spare=part not in _ALWAYS) for part in shown),
        Column("total", "Total", "money"),
        Column("change", f"on {month}", "money", signed=True),
        Column("change_percent", "%", "percent", signed=True),
    )
    whose = "" if dimension == context.owner else f" by {dimension}, the same cents cut again"
    table = Table(
        name="statements",
        title=f"{period.title}{whose}, {context.currency}",
        columns=columns,
        rows=rows,
        total=total,
        notes=(
            *_credit_notes(totals, context.currency),
            *pool_notes(con, context, period, told=True),
            *standing_notes(con, context, period),
        ),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
    return trimmed(table)


def _credit_notes(totals: Mapping[str, int], currency: str) -> tuple[str, ...]:
    """Who is owed more than they were charged: their statement is a credit note, and is never clipped to 0."""
    owed = [value for value in ranked(totals) if totals[value] < 0 and not is_rest(value)]
    if not owed:
        return ()
    named = ", ".join(f"{value} {show(totals[value], currency)}" for value in owed[:_MOST_NAMES])
    more = f" and {len(owed) - _MOST_NAMES:,} more" if len(owed) > _MOST_NAMES else ""
    word = "Credit note" if len(owed) == 1 else "Credit notes"
    return (f"{word}: {named}{more} {currency}, carried and not clipped to 0",)


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
        WrongUsage: There is no such dimension, or nothing was ever charged to such a value.
    """
    dimension = context.known(by or context.owner)
    now, before = compared(con, context, period, dimension)
    every = _everyone(con, context, period, dimension, now, before)
    if owner is None:
        return [every]
    names = [str(cell) for cell in every.column(dimension)]
    value = owner if owner in names else shown_value(context, dimension, owner)
    if value not in names:
        near = difflib.get_close_matches(owner, names, n=1)
        raise WrongUsage(
            "unknown-owner",
            f"There is no statement of {period} for {dimension} {owner!r}; there is {', '.join(names[:20])}.",
            cure=f"did you mean {near[0]!r}?" if near else "name one of them",
        )
    why = reasons(con, context, period, dimension, now, before, values=[value])
    return detail(con, context, period, dimension=dimension, value=value, every=every, now=now, before=before, why=why)
