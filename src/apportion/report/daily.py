"""Cost per day: the cells of a period by the day of their charge and by owner."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import ranked, sums
from apportion.report.context import Context, is_rest
from apportion.report.notes import counted
from apportion.report.table import Cell, Column, Row, Table

EVERYTHING_ELSE = "everything else"
_MOST_OWNERS = 6
_ROUNDED = "Cells are rounded for display: where they miss their sum by a cent, the sum is exact"
_FIRST_DAYS = "What is billed for a longer time than a day, such as a month's fee, stands on its first day"


def daily(con: DuckDBPyConnection, context: Context, period: Period, *, most_owners: int = _MOST_OWNERS) -> Table:
    """One row per day, one column per owner, the largest first, unallocated last.

    Charges of an accounting period may be for days before or after it; they have a row each way, so that the
    sum is the AI cost of the period.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        most_owners: The smaller ones share the column `everything else`.

    Returns:
        A table named `days`; empty where nothing was allocated. A blank cell had no charge at all.
    """
    names = {"d": queries.shown(context, context.owner, "owner")}
    found = [
        (day, str(owner), int(nano)) for day, owner, nano in queries.run(con, "daily", {"period": str(period)}, names)
    ]
    totals = sums((owner, nano) for _, owner, nano in found)
    heads = [owner for owner in ranked(totals) if not is_rest(owner)]
    kept, others = heads[:most_owners], heads[most_owners:]
    if len(others) == 1:
        kept, others = heads, []
    shown = [*kept, *([EVERYTHING_ELSE] if others else []), *(owner for owner in ranked(totals) if is_rest(owner))]
    cells: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for day, owner, nano in found:
        cells[_when(day, period)][EVERYTHING_ELSE if owner in others else owner] += nano
    rows = [_row(context, when, cells.get(str(when), {}), shown) for when in _days(period, cells)] if found else []
    columns = defaultdict(int, sums((owner, nano) for row in cells.values() for owner, nano in row.items()))
    whole = all(nano % context.unit == 0 for row in cells.values() for nano in row.values())
    told = (f"{EVERYTHING_ELSE.capitalize()} is {counted(len(others), 'owner')}",) if others else ()
    return Table(
        name="days",
        title=f"Cost per day by {context.owner.replace('_', ' ')}, {period.title}, {context.currency}",
        columns=(
            Column("day", "Day", "date"),
            *(Column(owner if owner not in ("day", "total") else f"owner: {owner}", owner, "money") for owner in shown),
            Column("total", "Total", "money"),
        ),
        rows=tuple(rows),
        total=("All AI cost", *_cents(context, columns, shown), half_up_div(sum(totals.values()), context.unit)),
        notes=(*told, _FIRST_DAYS, *(() if whole else (_ROUNDED,))) if rows else (),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _when(day: date | None, period: Period) -> str:
    if day is None:
        return "no day"
    if day < period.start:
        return "before"
    return "after" if day >= period.end else day.isoformat()


def _days(period: Period, cells: dict[str, dict[str, int]]) -> list[date | str]:
    inside: list[date | str] = [period.start + timedelta(days=at) for at in range(period.days)]
    before: list[date | str] = [word for word in ("before",) if word in cells]
    return [*before, *inside, *(word for word in ("after", "no day") if word in cells)]


def _cents(context: Context, nanos: dict[str, int], shown: list[str]) -> list[Cell]:
    return [half_up_div(nanos[owner], context.unit) if owner in nanos else "" for owner in shown]


def _row(context: Context, when: date | str, nanos: dict[str, int], shown: list[str]) -> Row:
    total: Cell = half_up_div(sum(nanos.values()), context.unit) if nanos else ""
    return (when, *_cents(context, nanos, shown), total)
