"""Reasons as tables: the largest of one value under its summary, and all of them for every value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report.cents import Cents, compared, ranked
from apportion.report.context import EVERYTHING_ELSE, Context, is_rest
from apportion.report.moved import ALL
from apportion.report.notes import counted, unknown_calls
from apportion.report.reasons import Change, changes
from apportion.report.table import Column, Row, Table

MOST_SHOWN = 3
# A company may have a million users; the largest of them are looked at.
_MOST_VALUES = 200
_NUMBERS = ("", "", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_NOTES = (
    "Each reason is rounded to the cent; what that leaves is everything else",
    "Below the sum: the reasons of all AI cost, taken as one",
)
_NOTHING_BEFORE = "No earlier period to compare with"
_NOT_KNOWN = "The cost of this period is not known"


@dataclass(frozen=True)
class Reasons:
    """Why the values of a dimension changed.

    Attributes:
        context: The project's settings.
        period: The later one.
        found: The changes by value; None where there is nothing to compare.
        instead: What is said then.
    """

    context: Context
    period: Period
    found: dict[str, Change] | None
    instead: str = ""

    def table(self, value: str = ALL) -> Table:
        """The reasons of a value, and everything else; their sum is its change.

        Args:
            value: As a reader may see it.

        Returns:
            A table named `reasons`.
        """
        if self.found is None:
            return replace(self.blank, rows=((self.instead, None),))
        change = self.found.get(value, Change(0, ()))
        told = change.reasons
        rows: list[Row] = [(reason.says, reason.minor) for reason in told]
        rows.append((EVERYTHING_ELSE, change.minor - sum(reason.minor for reason in told)))
        number = _NUMBERS[len(told)] if len(told) < len(_NUMBERS) else str(len(told))
        title = f"{number} largest reasons for the change" if len(told) > 1 else self.blank.title
        return replace(self.blank, title=title, rows=tuple(rows), total=(self.on, change.minor))

    @property
    def on(self) -> str:
        """What the sum is called: `Change on September`."""
        return f"Change on {self.period.previous.start:%B}"

    @property
    def blank(self) -> Table:
        """The table without a row."""
        return Table(
            name="reasons",
            title="Reasons for the change",
            columns=(Column("reason", "Reason"), Column("amount", "Change", "money", signed=True)),
            rows=(),
            currency=self.context.currency,
            period=str(self.period),
            company=self.context.company,
            run=self.context.run,
        )


def reasons(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    by: str | None,
    now: Cents,
    before: Cents | None,
    *,
    values: Sequence[str] | None = None,
    most: int | None = MOST_SHOWN,
) -> Reasons:
    """Why the values of a dimension changed, or all AI cost, if no dimension is given.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: The dimension; None for all AI cost as one value.
        now: What was posted, by that dimension.
        before: The same of the period before; None where there is none.
        values: Only these; every one if not given.
        most: How many reasons of each value are told; all of them if None.
    """
    if before is None or unknown_calls(con, period):
        return Reasons(context, period, None, _NOTHING_BEFORE if before is None else _NOT_KNOWN)
    found = changes(con, context, period, by, now, before, values=values, most=most)
    return Reasons(context, period, found)


def every_reason(con: DuckDBPyConnection, context: Context, period: Period, by: str | None = None) -> Table:
    """All reasons of every value of a dimension; below the sum, those of all AI cost taken as one.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        by: A dimension; the owner's if not given.

    Returns:
        A table named `reasons`, values in the order of the statements; the sum is the change of all AI cost.

    Raises:
        WrongUsage: There is no such dimension.
    """
    dimension = context.known(by or context.owner)
    now, before = compared(con, context, period, dimension)
    totals = {**dict.fromkeys(before.by_value if before else (), 0), **now.by_value}
    told = ranked(totals)[:_MOST_VALUES] + [name for name in ranked(totals)[_MOST_VALUES:] if is_rest(name)]
    each = reasons(con, context, period, dimension, now, before, values=told, most=None)
    title = dimension.replace("_", " ").capitalize()
    columns = (
        Column(dimension, title),
        Column("kind", "Kind"),
        Column("reason", "Reason"),
        Column("amount", "Change", "money", signed=True),
    )
    rows: list[Row] = []
    total: Row | None = None
    below: list[Row] = []
    if before is not None and each.found is not None:
        whole = reasons(con, context, period, None, now, before, most=None).found or {}
        for name in ranked(totals):
            moved = totals[name] - before.by_value.get(name, 0)
            rows += _all_of(name, each.found.get(name, Change(moved, ())))
        total = (ALL, "", each.on, now.total - before.total)
        below = _all_of(ALL, whole[ALL])
    untold = len(totals) - len(told)
    more = (
        (f"Of {counted(untold, 'smaller value')} the reasons are not told: {EVERYTHING_ELSE.lower()}",)
        if untold
        else ()
    )
    return replace(
        each.blank,
        title=f"Why it moved, {period.title}, {context.currency}",
        columns=columns,
        rows=tuple(rows),
        total=total,
        below=tuple(below),
        notes=(*_NOTES, *more) if below else (each.instead,),
    )


def _all_of(name: str, change: Change) -> list[Row]:
    rows: list[Row] = [(name, reason.kind, reason.says, reason.minor) for reason in change.reasons]
    rest = change.minor - sum(reason.minor for reason in change.reasons)
    return [*rows, (name, "", EVERYTHING_ELSE, rest)] if rest else rows
