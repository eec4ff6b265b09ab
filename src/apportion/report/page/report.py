"""What a report of a period holds: its overview, a statement per owner, an explanation per pool, its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report.bridge import invoices_of
from apportion.report.by_category import by_category
from apportion.report.cents import compared
from apportion.report.certificate import Certificate
from apportion.report.context import Context
from apportion.report.coverage import coverage, coverage_by_dimension
from apportion.report.daily import daily
from apportion.report.detail import detail
from apportion.report.explain import explain
from apportion.report.notes import pool_notes
from apportion.report.owned_pools import owned_pools
from apportion.report.reason_tables import reasons
from apportion.report.reconcile import reconcile
from apportion.report.statements import statements
from apportion.report.table import Table
from apportion.report.unit_costs import margins, unit_costs

# A page with more sections than these is slow to open and read by nobody; the rest has a command.
MOST_OWNERS = 50
MOST_POOLS = 100

State = Literal["open", "closed"]


@dataclass(frozen=True)
class OwnerSection:
    """One owner's own statement.

    Attributes:
        owner: As a reader may see it.
        tables: Of the statement, the summary first.
        pools: Every pool of it.
    """

    owner: str
    tables: tuple[Table, ...]
    pools: Table


@dataclass(frozen=True)
class PoolSection:
    """One pool explained.

    Attributes:
        pool: Its id.
        facts: One row: rule, method, origin, source rows, where the weights come from.
        tables: Its claims, and what named their owners.
        notes: Sentences that belong to it.
    """

    pool: str
    facts: Table
    tables: tuple[Table, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Everything that is shown of a period.

    Attributes:
        period: Which.
        context: The project's settings.
        state: A closed period never changes.
        statements: What each owner receives.
        reasons: Why all AI cost is not what it was.
        coverage: The layers.
        by_dimension: The layers of every dimension.
        categories: Cost by category.
        unit_costs: By feature, or by owner where the project has no feature.
        margins: By customer; None where the project has no customers.
        days: Cost per day.
        checks: Billed against metered, its causes.
        certificate: That every cent was placed once.
        owners: The largest, at most `MOST_OWNERS`.
        pools: The largest, at most `MOST_POOLS`.
        pool_count: How many there are.
        claim_count: How many claims they have.
        invoice_count: How many invoices there are.
        invoiced: What they come to, in minor units.
        estimated: What has no bill yet, in minor units.
    """

    period: Period
    context: Context
    state: State
    statements: Table
    reasons: Table
    coverage: Table
    by_dimension: Table
    categories: Table
    unit_costs: Table
    margins: Table | None
    days: Table
    checks: tuple[Table, ...]
    certificate: Certificate
    owners: tuple[OwnerSection, ...]
    pools: tuple[PoolSection, ...]
    pool_count: int
    claim_count: int
    invoice_count: int
    invoiced: int
    estimated: int

    @property
    def overview(self) -> list[Table]:
        """The tables that are about everybody."""
        tables = [self.statements, self.reasons, self.coverage, self.by_dimension, self.categories, self.unit_costs]
        tables += [self.margins] if self.margins else []
        return [*tables, self.days, *self.checks, *self.certificate.tables]

    @property
    def empty(self) -> bool:
        """Whether nothing was billed in the period, nor measured."""
        return not self.pool_count and not self.unit_costs.rows

    @property
    def owners_left_out(self) -> str:
        """What is said where not every owner has a section; nothing where each has."""
        shown, every = len(self.owners), len(self.statements.rows)
        if shown == every:
            return ""
        return (
            f"{shown:,} of {every:,} statements stand here, the largest first. Any other:"
            f" apportion statement --owner NAME --period {self.period}"
        )

    @property
    def pools_left_out(self) -> str:
        """What is said where not every pool has a section; nothing where each has."""
        shown = len(self.pools)
        if shown == self.pool_count:
            return ""
        return (
            f"{shown:,} of {self.pool_count:,} pools are explained here, the largest first. Any other:"
            f" apportion explain POOL --period {self.period}"
        )


def gather(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    certificate: Certificate,
    *,
    state: State = "open",
    most_owners: int = MOST_OWNERS,
    most_pools: int = MOST_POOLS,
) -> Report:
    """Ask every report of a period once.

    Args:
        con: A connection that has the tables.
        context: The project's settings; people are shown as it says (law L9).
        period: The accounting period.
        certificate: Of the same period.
        state: Of the period in the books.
        most_owners: How many owners get a statement of their own, the largest first.
        most_pools: How many pools are explained, the largest first.
    """
    everyone = statements(con, context, period)
    known = {context.owner, *context.dimensions}
    pool_ids, claim_count, estimated = _pools(con, period)
    invoices = [invoice for invoice in invoices_of(con, period) if invoice.status != "estimate"]
    return Report(
        period=period,
        context=context,
        state=state,
        statements=everyone,
        reasons=reasons(con, context, period, None, *compared(con, context, period, context.owner)).table(),
        coverage=coverage(con, context, period),
        by_dimension=coverage_by_dimension(con, context, period),
        categories=by_category(con, context, period),
        unit_costs=unit_costs(con, context, period, "feature" if "feature" in known else None),
        margins=margins(con, context, period) if "customer" in known else None,
        days=daily(con, context, period),
        checks=reconcile(con, context, period).tables[:2],
        certificate=certificate,
        owners=_owners(con, context, period, everyone, most_owners),
        pools=tuple(_pool(con, context, period, pool) for pool in pool_ids[:most_pools]),
        pool_count=len(pool_ids),
        claim_count=claim_count,
        invoice_count=len(invoices),
        invoiced=sum(invoice.ledger for invoice in invoices),
        estimated=estimated,
    )


def _pools(con: DuckDBPyConnection, period: Period) -> tuple[list[str], int, int]:
    """The ids of the period's pools, the largest first; how many claims they have; what is an estimate."""
    rows = con.execute(
        "SELECT pool_id, status, amount_minor FROM pools WHERE period = $period"
        " ORDER BY ABS(amount_minor) DESC, pool_id",
        {"period": str(period)},
    ).fetchall()
    claims = con.execute(
        "SELECT COUNT(*) FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id WHERE p.period = $period",
        {"period": str(period)},
    ).fetchall()
    estimated = sum(int(minor) for _, status, minor in rows if status == "estimate")
    return [str(pool) for pool, _, _ in rows], int(claims[0][0]), estimated


def _owners(
    con: DuckDBPyConnection, context: Context, period: Period, everyone: Table, most: int
) -> tuple[OwnerSection, ...]:
    now, before = compared(con, context, period, context.owner)
    names = [str(cell) for cell in everyone.column(context.owner)]
    listed = names[:most]
    # What nobody owns comes last in the table, and is never what is left out.
    listed += [name for name in names[most:] if name == names[-1]]
    why = reasons(con, context, period, context.owner, now, before, values=listed)
    found = []
    for name in listed:
        tables = detail(
            con, context, period, dimension=context.owner, value=name, every=everyone, now=now, before=before, why=why
        )
        found.append(OwnerSection(name, tuple(tables), owned_pools(con, context, period, name)))
    return tuple(found)


def _pool(con: DuckDBPyConnection, context: Context, period: Period, pool: str) -> PoolSection:
    facts, *tables = explain(con, context, pool, period=period).tables
    notes = pool_notes(con, context, period, {pool})
    return PoolSection(pool, facts, tuple(tables), tuple(notes))
