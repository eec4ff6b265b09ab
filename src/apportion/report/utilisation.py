"""Utilisation: seats that were used, GPU-hours that idled, reservations that paid off."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div, minor_digits, to_minor
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context, shown_value
from apportion.report.percentages import percent, quotient
from apportion.report.table import Column, Row, Table

_MICRO = 10**6
_EACH_DIGITS = 4


def _table(
    context: Context, period: Period, *, name: str, title: str, columns: tuple[Column, ...], rows: list[Row]
) -> Table:
    return Table(
        name=name,
        title=f"{title}, {period.title}",
        columns=columns,
        rows=tuple(rows),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def seats(con: DuckDBPyConnection, context: Context, period: Period, *, active_days: int = 30) -> Table:
    """Per tool: seats on its first day in the period, how many were used, and what an active user costs.

    Seats that come later in the period are counted apart, so that a proration bends no ratio. Without any
    activity data the use is n/a, never "all active" (decision D12). Cost is the price of those seats; where
    seats have no price, it is what the pools of the tool hold.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        active_days: Within how many days before the period's end a seat must have been active to be used.
    """
    since = max(period.start, period.end - timedelta(days=active_days))
    parameters = {"start": period.start, "end": period.end, "active_from": since}
    pools = con.execute(
        "SELECT rule, item, SUM(amount_minor) FROM pools WHERE period = $period AND method = 'seats'"
        " AND kind = 'usage' GROUP BY rule, item",
        {"period": str(period)},
    ).fetchall()
    rows: list[Row] = []
    for row in queries.run(con, "seat_counts", parameters):
        tool, (count, assigned, used, known, later, prices) = row[0], map(int, row[1:7])
        cost: int | None = to_minor(row[7], context.currency) if prices == count and prices else None
        if cost is None:
            billed = [int(minor) for rule, item, minor in pools if tool in (rule, item)]
            cost = sum(billed) if billed else None
        users = used if known else None
        each = None
        if users and cost is not None:
            each = quotient(cost, users * 10 ** minor_digits(context.currency), minor_digits(context.currency))
        use: Decimal | None = None if users is None else percent(users, count)
        idle = None if users is None else count - users
        rows.append((tool, count, assigned, users, idle, use, cost, each, later))
    columns = (
        Column("tool", "Tool"),
        Column("seats", "Seats", "integer"),
        Column("assigned", "Assigned", "integer"),
        Column("used", "Used", "integer"),
        Column("idle", "Idle", "integer"),
        Column("utilisation", "Utilisation", "percent"),
        Column("cost", "Cost of seats", "money"),
        Column("per_active_user", "per active user", "money"),
        Column("joined_later", "Joined later", "integer"),
    )
    return _table(context, period, name="seats", title="Seats", columns=columns, rows=rows)


def _pool_money(con: DuckDBPyConnection, period: Period) -> list[tuple[frozenset[str], int]]:
    """What the pools of the period hold, with the words of their basis: the meters are among them."""
    rows = con.execute(
        "SELECT basis, SUM(amount_minor) FROM pools WHERE period = $period AND kind = 'usage'"
        " AND method = 'proportional' GROUP BY basis",
        {"period": str(period)},
    ).fetchall()
    return [(frozenset(re.findall(r"[\w.-]+", basis or "")) | {basis or ""}, int(minor)) for basis, minor in rows]


def capacity(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """Per meter with a capacity: used, idle, what idle cost, and what a used hour really cost.

    The idle cost is the idle part of the money whatever the policy, so that spreading it hides nothing.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
    """
    money = _pool_money(con, period)
    rows: list[Row] = []
    scale = 10 ** minor_digits(context.currency)
    for meter, unit, used, whole, idle in queries.run(con, "meter_use", {"start": period.start, "end": period.end}):
        found = [minor for words, minor in money if meter in words]
        cost = sum(found) if found else None
        idle_cost = half_up_div(cost * int(idle), int(whole)) if cost is not None and whole else None
        each = None if cost is None else quotient(cost * _MICRO, int(used) * scale, _EACH_DIGITS)
        counts = [quotient(int(micro), _MICRO, 1) for micro in (whole, used, idle)]
        rows.append((meter, unit, *counts, percent(int(used), int(whole)), cost, idle_cost, each))
    columns = (
        Column("meter", "Meter"),
        Column("unit", "Unit"),
        Column("capacity", "Capacity", "decimal"),
        Column("used", "Used", "decimal"),
        Column("idle", "Idle", "decimal"),
        Column("utilisation", "Utilisation", "percent"),
        Column("cost", "Cost", "money"),
        Column("idle_cost", "Idle cost", "money"),
        Column("per_used_unit", "per used unit", "money"),
    )
    return _table(context, period, name="capacity", title="Capacity, used and idle", columns=columns, rows=rows)


def reservations(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """Per meter and owner: what was reserved, how much of it was used, and what was borrowed beyond it."""
    parameters = {"dimension": context.owner, "start": period.start, "end": period.end}
    rows: list[Row] = []
    for meter, unit, value, *micros in queries.run(con, "meter_reservations", parameters):
        used, reserved, unused, borrowed = (int(micro) for micro in micros)
        rows.append(
            (
                shown_value(context, context.owner, value),
                meter,
                unit,
                *(quotient(micro, _MICRO, 1) for micro in (reserved, used, unused, borrowed)),
                percent(used, reserved),
            )
        )
    columns = (
        Column(context.owner, context.owner.capitalize()),
        Column("meter", "Meter"),
        Column("unit", "Unit"),
        Column("reserved", "Reserved", "decimal"),
        Column("used", "Used", "decimal"),
        Column("unused", "Unused", "decimal"),
        Column("borrowed", "Borrowed", "decimal"),
        Column("efficiency", "Used of reserved", "percent"),
    )
    title = "Reservations and their use"
    return _table(context, period, name="reservations", title=title, columns=columns, rows=rows)
