"""Cost by category, with the methods that divided it."""

from __future__ import annotations

from collections import defaultdict

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report.cents import cents, ranked
from apportion.report.context import Context
from apportion.report.percentages import shares_of_hundred
from apportion.report.table import Column, Table
from apportion.report.weights import Measure


def by_category(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """A row per category with its methods, its cents and its part of all, in percentages that add up to 100.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
    """
    found = cents(con, context, period, "category")
    totals = found.by_value
    order = ranked(totals)
    shares = shares_of_hundred([totals[value] for value in order], order)
    methods = _methods(con, context, period)
    known = [share for share in shares if share is not None]
    rows = [(v, ", ".join(methods[v]), totals[v], share) for v, share in zip(order, shares, strict=True)]
    return Table(
        name="categories",
        title=f"By category, {period.title}, {context.currency}",
        columns=(
            Column("category", "Category"),
            Column("methods", "Divided"),
            Column("amount", "Amount", "money"),
            Column("percent", "of all", "percent"),
        ),
        rows=tuple(rows),
        total=("All AI cost", "", found.total, sum(known) if known else None),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _methods(con: DuckDBPyConnection, context: Context, period: Period) -> dict[str, list[str]]:
    """How the pools of each category were divided, by the money that went each way; tax and credits follow others."""
    rows = con.execute(
        "SELECT category, method, COALESCE(basis, ''), COALESCE(fallback, ''), SUM(ABS(amount_minor)) AS minor"
        " FROM pools WHERE period = $period AND kind NOT IN ('tax', 'credit')"
        " GROUP BY 1, 2, 3, 4 ORDER BY minor DESC, 1, 2, 3, 4",
        {"period": str(period)},
    ).fetchall()
    found: dict[str, list[str]] = defaultdict(list)
    for category, method, basis, fallback, _minor in rows:
        words = Measure(method, basis, fallback, context.currency).words
        if words not in found[category]:
            found[category].append(words)
    return found
