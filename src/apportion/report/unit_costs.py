"""Unit costs: per call, per 1,000 requests, per million tokens, and per customer with its margin.

There is no cost per unit without units: it is n/a, never 0 and never an error. Credits and taxes are left
out unless they are asked for, because they say nothing about what a unit costs.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div, minor_digits
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import USAGE_KINDS, cents, sums
from apportion.report.context import UNALLOCATED, Context, is_rest, shown_value
from apportion.report.notes import standing_notes
from apportion.report.percentages import percent, quotient
from apportion.report.table import Cell, Column, Row, Table, ordered, trimmed

_THOUSAND = 1_000
_MILLION = 10**6
# A call costs a fraction of a cent, so a unit cost shows more decimals than a bill.
_CALL_DIGITS = 5
_MICRO_DIGITS = 6
_BEFORE = "before credits, tax and corrections"
_AFTER = "after credits, tax and corrections"


def per(minor: int, count: int, each: int, currency: str, digits: int) -> Decimal | None:
    """A cost per so many units, as a decimal amount; None without units.

    Args:
        minor: The cost, in minor units of the currency.
        count: How many units there were.
        each: Per how many units, such as 1,000 requests.
        currency: ISO 4217.
        digits: Decimals of the result.
    """
    return quotient(minor * each, count * 10 ** minor_digits(currency), digits)


def unit_costs(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    by: str | None = None,
    *,
    category: str = "inference",
    after_credits: bool = False,
) -> Table:
    """What a call, 1,000 requests and a million tokens cost, for one category of cost at a time.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period; usage is counted over its days.
        by: A dimension; the owner's if not given.
        category: Whose cost is divided; training is no part of the cost of an inference call.
        after_credits: Also count credits, tax and corrections, and say so in the title.

    Raises:
        ApportionError: There is no such dimension.
    """
    dimension = context.known(by or context.owner)
    found = cents(con, context, period, dimension, categories=True).of(
        category=category, kinds=None if after_credits else USAGE_KINDS
    )
    cost = found.by_value
    counted: dict[str, tuple[int, int]] = {}
    if dimension != "category":
        parameters = {"start": period.start, "end": period.end, "training": category == "training"}
        names = queries.cut_by_columns(context, dimension)
        rows = queries.run(con, "unit_counts", parameters, names)
        counted = {value: (int(calls or 0), int(tokens or 0)) for value, calls, tokens in rows}
    values = sorted({*cost, *counted}, key=lambda value: (is_rest(value), -cost.get(value, 0), value))
    units = (sum(calls for calls, _ in counted.values()), sum(tokens for _, tokens in counted.values()))

    def row(name: str, minor: int, calls: int, tokens: int) -> Row:
        digits, currency = minor_digits(context.currency), context.currency
        return (
            name,
            minor,
            calls,
            quotient(tokens, _MILLION, 1),
            per(minor, calls, 1, currency, max(_CALL_DIGITS, digits)),
            per(minor, calls, _THOUSAND, currency, digits),
            per(minor, tokens, _MILLION, currency, max(4, digits)),
        )

    return Table(
        name="unit-costs",
        title=f"Cost of a unit, {category}, {_AFTER if after_credits else _BEFORE}, {period.title}",
        columns=(
            Column(dimension, dimension.replace("_", " ").capitalize()),
            Column("cost", "Cost", "money"),
            Column("calls", "Calls", "integer"),
            Column("million_tokens", "Tokens, M", "decimal"),
            Column("per_call", "per call", "money"),
            Column("per_1000_requests", "per 1,000", "money"),
            Column("per_million_tokens", "per 1M tokens", "money"),
        ),
        rows=tuple(row(value, cost.get(value, 0), *counted.get(value, (0, 0))) for value in values),
        total=row(f"All {category}", found.total, *units),
        notes=(
            f"Cost is {_AFTER if after_credits else _BEFORE}, of category {category} alone",
            *standing_notes(con, context, period),
        ),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _meter(
    con: DuckDBPyConnection, context: Context, period: Period, *, meter: str, dimension: str
) -> dict[str, dict[str, int]]:
    """A meter's micro-quantities by value and unit; empty where the meter says nothing in the period."""
    parameters = {"meter": meter, "dimension": dimension, "start": period.start, "end": period.end}
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for value, unit, micro in queries.run(con, "meter_sums", parameters):
        found[shown_value(context, dimension, value)][unit or ""] += int(micro)
    return found


def _requests(
    con: DuckDBPyConnection, context: Context, period: Period, *, meter: str, dimension: str
) -> dict[str, int]:
    measured = _meter(con, context, period, meter=meter, dimension=dimension)
    if measured:
        return {value: sum(units.values()) // 10**_MICRO_DIGITS for value, units in measured.items()}
    rows = queries.run(
        con,
        "unit_counts",
        {"start": period.start, "end": period.end, "training": False},
        queries.cut_by_columns(context, dimension),
    )
    return {value: int(calls or 0) for value, calls, _tokens in rows}


def margins(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    customer: str = "customer",
    *,
    revenue: str = "revenue",
    requests: str = "requests",
) -> Table:
    """Each customer's revenue, cost to serve and margin; the margin of all is the sum over the sum.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        customer: The dimension of customers.
        revenue: The meter of revenue; its unit must be the ledger currency, or the margin is n/a.
        requests: The meter of requests; without rows of it, the calls of the usage are counted.

    Raises:
        ApportionError: There is no such dimension.
    """
    dimension = context.known(customer)
    found = cents(con, context, period, dimension).of(kinds=USAGE_KINDS)
    shared = sums((p.value, p.minor) for p in found if p.layer == "shared")
    nobodys = sums((p.value, p.minor) for p in found if p.value == UNALLOCATED and p.layer != "shared")
    cost = found.by_value
    earned_micro = _meter(con, context, period, meter=revenue, dimension=dimension)
    foreign = sorted({unit for units in earned_micro.values() for unit in units} - {context.currency})
    scale = 10 ** (_MICRO_DIGITS - minor_digits(context.currency))
    earned = {value: half_up_div(units.get(context.currency, 0), scale) for value, units in earned_micro.items()}
    asked = _requests(con, context, period, meter=requests, dimension=dimension)
    values = {*cost, *earned}
    rows = [
        _margin_row(
            context,
            value,
            # Revenue in another currency is unknown here, which is not the same as none.
            earned=None if set(earned_micro.get(value, {})) - {context.currency} else earned.get(value, 0),
            direct=cost.get(value, 0) - shared.get(value, 0) - nobodys.get(value, 0),
            shared=shared.get(value, 0),
            unallocated=nobodys.get(value, 0) if value == UNALLOCATED else "",
            requests=asked.get(value, 0),
        )
        for value in values
    ]
    notes = [f"Cost to serve is {_BEFORE}, all categories; margin % of all is Σ margin ÷ Σ revenue"]
    if foreign:
        notes.append(f"Revenue in {', '.join(foreign)} is not in {context.currency}: those margins are n/a")
    table = Table(
        name="margins",
        title=f"Margin by {dimension}, {period.title}, {context.currency}",
        columns=(
            Column(dimension, dimension.replace("_", " ").capitalize()),
            Column("revenue", "Revenue", "money"),
            Column("direct", "Direct", "money"),
            Column("shared", "Shared", "money", spare=True),
            Column("unallocated", "Unallocated", "money", spare=True),
            Column("cost", "Cost to serve", "money"),
            Column("margin", "Margin", "money"),
            Column("margin_percent", "%", "percent"),
            Column("requests", "Requests", "integer"),
            Column("per_1000_requests", "per 1,000", "money"),
        ),
        rows=tuple(rows),
        total=_margin_row(
            context,
            "All",
            earned=None if foreign else sum(earned.values()),
            direct=found.total - sum(shared.values()) - sum(nobodys.values()),
            shared=sum(shared.values()),
            unallocated=sum(nobodys.values()),
            requests=sum(asked.get(value, 0) for value in values),
        ),
        notes=(*notes, *standing_notes(con, context, period)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
    return trimmed(ordered(table, "margin_percent"))


def _margin_row(
    context: Context, name: str, *, earned: int | None, direct: int, shared: int, unallocated: int | str, requests: int
) -> Row:
    cost = direct + shared + (unallocated if isinstance(unallocated, int) else 0)
    margin = None if earned is None else earned - cost
    share: Cell = None if earned is None or margin is None else percent(margin, earned)
    each = per(cost, requests, _THOUSAND, context.currency, minor_digits(context.currency))
    own: Cell = "" if name == UNALLOCATED and not direct else direct
    return (name, earned, own, shared, unallocated, cost, margin, share, requests, each)
