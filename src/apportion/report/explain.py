"""Explain: from any amount to its pool, rule and version, weights, source rows and run (law L8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context
from apportion.report.evidence import Found, evidence_of
from apportion.report.explained import Claim, Pool, Told, block, closing
from apportion.report.notes import pool_notes
from apportion.report.percentages import percent
from apportion.report.references import resolve
from apportion.report.table import Column, Row, Table
from apportion.report.usage_doubts import pool_doubts
from apportion.report.weight_sources import OF_CALLS, WeightSource, rows_of_files, weight_source


@dataclass(frozen=True)
class Explanation:
    """Why an amount is what it is: for people as text, for machines as tables."""

    text: str
    tables: tuple[Table, ...]


def explain(
    con: DuckDBPyConnection,
    context: Context,
    reference: str,
    *,
    period: Period | None = None,
    owner: str | None = None,
) -> Explanation:
    """Explain whatever a reader may call an amount by: an owner, a pool, a rule, an item, an invoice, a posting.

    Args:
        con: A connection that has the tables; `allocation_steps` for source rows, `postings` for posting ids.
        context: The project's settings.
        reference: See `references.resolve`.
        period: The accounting period of everything but pools, which have their own.
        owner: Only this owner's part.

    Raises:
        WrongUsage: The reference means nothing, or the owner has no part in it.
    """
    meant = resolve(con, context, reference, period=period, owner=owner)
    blocks: list[tuple[int, str]] = []
    summary: list[Row] = []
    evidence: list[Row] = []
    tables: list[Table] = []
    for pool_id in meant.pools:
        pool = Pool(context.currency, *queries.run(con, "pool_facts", {"pool": pool_id})[0])
        told = _told(con, context, pool, meant.owner)
        blocks.append((told.amount, block(context, pool, told)))
        cells = (pool.pool, pool.title, pool.words, pool.kind, pool.origin, pool.minor, told.amount)
        summary.append((*cells, told.rows, told.weights.words))
        evidence += [(pool.title, found.owner, found.layer, found.words, found.minor) for found in told.found]
        if len(meant.pools) == 1:
            tables.append(_claims_table(context, pool, told.claims))
    period_text = str(period or "")
    whose = f" → {meant.owner}" if meant.owner else ""
    head = _head_table(context, period_text, whose, summary)
    if evidence:
        tables.append(_evidence_table(context, period_text, evidence))
    blocks.sort(key=lambda found: -found[0])
    texts = [text for _, text in blocks]
    if meant.owner is not None and len(blocks) > 1:
        texts.append(closing(context, meant.owner, period, [amount for amount, _ in blocks]))
    return Explanation("\n\n".join(texts), (head, *tables))


def _told(con: DuckDBPyConnection, context: Context, pool: Pool, owner: str | None) -> Told:
    """Everything that is known of a pool."""
    names = {"d": queries.shown(context, context.owner, "owner")}
    claims = [Claim(*row) for row in queries.run(con, "pool_claims", {"pool": pool.pool}, names)]
    charges, rows = _source(con, pool.pool)
    period = Period.parse(pool.period)
    mine = [claim for claim in claims if owner is None or claim.owner == owner]
    return Told(
        claims=claims,
        owner=owner,
        charges=charges,
        rows=rows,
        weights=_weights_from(con, context, pool, owner),
        found=_evidence(con, context, pool, mine),
        notes=[*pool_notes(con, context, period, {pool.pool}), *_not_measured(con, pool)],
    )


def _not_measured(con: DuckDBPyConnection, pool: Pool) -> list[str]:
    """How much of the calls that weigh a pool is estimated or missing."""
    if (pool.fallback or pool.basis or "") not in OF_CALLS:
        return []
    return pool_doubts(con, Period.parse(pool.period), pool.provider or "", pool.account or "", pool.model or "")


def _source(con: DuckDBPyConnection, pool: str) -> tuple[int, str]:
    """How many source rows a pool has, and where: `bills/a.csv rows 2, 7`."""
    if not queries.has(con, "allocation_steps"):
        return 0, ""
    rows = [(str(file), int(row)) for file, row in queries.run(con, "source_rows", {"pool": pool})]
    return len(rows), rows_of_files(rows)


def _weights_from(con: DuckDBPyConnection, context: Context, pool: Pool, owner: str | None) -> WeightSource:
    return weight_source(
        con,
        context,
        Period.parse(pool.period),
        method=pool.method,
        basis=pool.fallback or pool.basis or "",
        item=pool.item or "",
        rule=pool.rule,
        provider=pool.provider or "",
        account=pool.account or "",
        model=pool.model or "",
        owner=owner,
    )


def _evidence(con: DuckDBPyConnection, context: Context, pool: Pool, claims: Sequence[Claim]) -> list[Found]:
    amounts: dict[tuple[str, str, str], int] = defaultdict(int)
    for claim in claims:
        amounts[pool.pool, claim.owner, claim.layer] += claim.minor
    return evidence_of(con, context, Period.parse(pool.period), amounts)


def _int(cell: object) -> int:
    return cell if isinstance(cell, int) else 0


def _head_table(context: Context, period: str, whose: str, rows: list[Row]) -> Table:
    ordered = tuple(sorted(rows, key=lambda row: (-_int(row[6]), str(row[0]))))
    return Table(
        name="explain",
        title=f"Where it comes from{whose}, {context.currency}",
        columns=(
            Column("pool_id", "Pool id"),
            Column("pool", "Pool"),
            Column("rule", "Rule and method"),
            Column("kind", "Kind"),
            Column("origin", "From"),
            Column("pool_amount", "Pool", "money"),
            Column("amount", "Amount", "money"),
            Column("source_rows", "Source rows"),
            Column("weight_rows", "Weights from"),
        ),
        rows=ordered,
        total=("Sum", "", "", "", "", "", sum(_int(row[6]) for row in ordered), "", ""),
        currency=context.currency,
        period=period,
        company=context.company,
        run=context.run,
    )


def _evidence_table(context: Context, period: str, rows: list[Row]) -> Table:
    ordered = tuple(sorted(rows, key=lambda row: (-_int(row[4]), *map(str, row[:4]))))
    return Table(
        name="evidence",
        title=f"What named the owner, {context.currency}",
        columns=(
            Column("pool", "Pool"),
            Column("owner", "Owner"),
            Column("layer", "Layer"),
            Column("evidence", "Evidence"),
            Column("amount", "Amount", "money"),
        ),
        rows=ordered,
        total=("Named", "", "", "", sum(_int(row[4]) for row in ordered)),
        currency=context.currency,
        period=period,
        company=context.company,
        run=context.run,
    )


def _claims_table(context: Context, pool: Pool, claims: Sequence[Claim]) -> Table:
    rows: list[Row] = [
        (
            claim.owner,
            claim.layer,
            claim.role,
            pool.measure.counted(claim.weight),
            percent(claim.weight, pool.weight_total or 0),
            pool.exact(claim.weight),
            claim.minor,
            claim.evidence or "",
        )
        for claim in claims
    ]
    every = pool.measure.counted(pool.weight_total)
    return Table(
        name="claims",
        title=f"Claims to {pool.title}, {pool.words}",
        columns=(
            Column("owner", "Owner"),
            Column("layer", "Layer"),
            Column("role", "Role"),
            Column("weight", "Weight", "decimal"),
            Column("share", "Share", "percent"),
            Column("exact", "Exact share", "money"),
            Column("amount", "Amount", "money"),
            Column("weighed_by", "Weighed by"),
        ),
        rows=tuple(rows),
        total=("Pool", "", "", every, "", "", sum(claim.minor for claim in claims), ""),
        notes=(pool.by_windows,) if pool.by_windows else (),
        currency=context.currency,
        period=pool.period,
        company=context.company,
        run=context.run,
    )
