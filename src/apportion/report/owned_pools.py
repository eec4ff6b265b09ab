"""Every pool that an owner has a part of: the way from a statement to its sources."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.table import Column, Row, Table
from apportion.report.weights import Measure


def owned_pools(con: DuckDBPyConnection, context: Context, period: Period, owner: str) -> Table:
    """An owner's pools, the largest part first; the sum is the owner's statement.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        owner: As a reader may see it.

    Returns:
        A table named `pools`; each row leads to its pool.
    """
    names = {"d": queries.shown(context, context.owner, "owner")}
    parts: dict[str, int] = {}
    facts: dict[str, tuple[str, str, str, int]] = {}
    for found in queries.run(con, "owner_claims", {"period": str(period), "value": owner}, names):
        pool, rule, version, item, method, basis = found[:6]
        measure = Measure(method, basis or "", found[14] or "", context.currency)
        title = (item or "").strip("/") or rule
        facts[pool] = (title, f"{rule} v{version}, {measure.words}", _origin(found[11]), int(found[12]))
        parts[pool] = parts.get(pool, 0) + int(found[19])
    order = sorted(parts, key=lambda pool: (-parts[pool], pool))
    rows: tuple[Row, ...] = tuple((*facts[pool], parts[pool], pool) for pool in order)
    return Table(
        name="pools",
        title="Every pool of it: where the money comes from",
        columns=(
            Column("pool", "Pool"),
            Column("rule", "Rule and method"),
            Column("origin", "Invoice"),
            Column("pool_amount", "Pool", "money"),
            Column("amount", "Amount", "money"),
            Column("pool_id", "Pool id"),
        ),
        rows=rows,
        total=("Sum", "", "", "", sum(parts.values()), ""),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
        leads=tuple(order),
    )


def _origin(invoice: str | None) -> str:
    return (invoice or "").replace("|", " ") or "no invoice yet"
