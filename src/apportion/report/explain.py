"""Explain: from any amount to its pool, rule and version, weights, source rows and run (law L8)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from duckdb import DuckDBPyConnection

from apportion.errors import ApportionError
from apportion.money import minor_digits, show
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import Context, shown_value
from apportion.report.notes import pool_notes
from apportion.report.percentages import percent, quotient
from apportion.report.table import Column, Row, Table
from apportion.report.weights import Measure

_EXACT_DIGITS = 4
_MOST_RANGES = 12
_LABEL = 9


@dataclass(frozen=True)
class Explanation:
    """Why an amount is what it is: for people as text, for machines as tables."""

    text: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class _Claim:
    owner: str
    layer: str
    role: str
    weight: int
    evidence: str | None
    minor: int


@dataclass(frozen=True)
class _Pool:
    currency: str
    pool: str
    period: str
    rule: str
    version: int
    method: str
    kind: str
    status: str
    category: str
    invoice: str | None
    item: str | None
    provider: str | None
    model: str | None
    minor: int
    basis: str | None
    weight_total: int | None
    fallback: str | None
    note: str | None

    @property
    def title(self) -> str:
        return (self.item or "").strip("/") or self.rule

    @property
    def measure(self) -> Measure:
        return Measure(self.method, self.basis or "", self.fallback or "", self.currency)

    @property
    def words(self) -> str:
        return f"rule {self.rule} v{self.version}, {self.measure.words}"

    @property
    def origin(self) -> str:
        if not self.invoice:
            return "no invoice yet, an estimate" if self.status == "estimate" else "no invoice"
        return "invoice " + self.invoice.replace("|", " ")


def explain(
    con: DuckDBPyConnection,
    context: Context,
    reference: str,
    *,
    period: Period | None = None,
    owner: str | None = None,
) -> Explanation:
    """Explain a pool, an owner's amounts of a period, or a posting.

    Args:
        con: A connection that has the tables; `allocation_steps` for source rows, `postings` for posting ids.
        context: The project's settings.
        reference: A pool, a posting, or an owner.
        period: The accounting period of an owner's amounts.
        owner: Only this owner's part of a pool.

    Raises:
        ApportionError: There is no such pool, posting or owner.
    """
    if queries.has(con, "postings"):
        found = con.execute("SELECT pool_id, owner FROM postings WHERE posting_id = $id", {"id": reference}).fetchone()
        if found:
            reference, owner = str(found[0]), str(found[1])
    shown = None if owner is None else shown_value(context, context.owner, owner)
    pool = _pool(con, context, reference)
    if pool is not None:
        return _explained(con, context, [pool], shown)
    if period is None:
        raise _unknown(con, context, reference)
    value = shown_value(context, context.owner, reference)
    names = {"d": queries.shown(context, context.owner, "owner")}
    asked = {"period": str(period)}
    for name in dict.fromkeys((reference, value)):
        rows = queries.run(con, "owner_claims", {**asked, "value": name}, names)
        if rows:
            pools = [_pool(con, context, pool_id) for pool_id in dict.fromkeys(row[0] for row in rows)]
            return _explained(con, context, [pool for pool in pools if pool is not None], name)
    raise _unknown(con, context, reference)


def _unknown(con: DuckDBPyConnection, context: Context, reference: str) -> ApportionError:
    known = [str(row[0]) for row in con.execute("SELECT pool_id FROM pools ORDER BY pool_id").fetchall()]
    owners = con.execute("SELECT DISTINCT owner FROM claims ORDER BY owner").fetchall()
    known += [shown_value(context, context.owner, str(row[0])) for row in owners]
    near = difflib.get_close_matches(reference, known, n=1)
    return ApportionError(
        "unknown-reference",
        f"{reference!r} is no pool, no posting and no owner with an amount in the period",
        cure=f"did you mean {near[0]!r}?" if near else "take one from a statement or its JSON",
    )


def _pool(con: DuckDBPyConnection, context: Context, reference: str) -> _Pool | None:
    rows = queries.run(con, "pool_facts", {"pool": reference})
    return _Pool(context.currency, *rows[0]) if rows else None


def _explained(con: DuckDBPyConnection, context: Context, pools: Sequence[_Pool], owner: str | None) -> Explanation:
    blocks: list[tuple[int, str]] = []
    tables = []
    summary: list[Row] = []
    names = {"d": queries.shown(context, context.owner, "owner")}
    for pool in pools:
        claims = [_Claim(*row) for row in queries.run(con, "pool_claims", {"pool": pool.pool}, names)]
        mine = [claim for claim in claims if owner is None or claim.owner == owner]
        amount = sum(claim.minor for claim in mine)
        source = _source(con, pool.pool)
        blocks.append((amount, _block(con, context, pool, claims, owner=owner, source=source)))
        summary.append((pool.pool, pool.title, pool.words, pool.kind, pool.origin, pool.minor, amount, source[1]))
        if len(pools) == 1:
            tables.append(_claims_table(context, pool, claims))
    summary.sort(key=lambda row: (-_int(row[6]), str(row[0])))
    whose = f" → {owner}" if owner else ""
    head = Table(
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
        ),
        rows=tuple(summary),
        total=("Sum", "", "", "", "", "", sum(_int(row[6]) for row in summary), ""),
        currency=context.currency,
        period=pools[0].period,
        company=context.company,
        run=context.run,
    )
    blocks.sort(key=lambda block: -block[0])
    return Explanation("\n\n".join(text for _, text in blocks), (head, *tables))


def _int(cell: object) -> int:
    return cell if isinstance(cell, int) else 0


def _source(con: DuckDBPyConnection, pool: str) -> tuple[int, str]:
    """How many source rows a pool has, and where: `bills/a.csv rows 2, 7`."""
    if not queries.has(con, "allocation_steps"):
        return 0, ""
    files: dict[str, list[int]] = {}
    for file, row in queries.run(con, "source_rows", {"pool": pool}):
        files.setdefault(file, []).append(int(row))
    count = sum(map(len, files.values()))
    return count, "; ".join(f"{file} rows {row_ranges(rows)}" for file, rows in files.items())


def row_ranges(rows: Iterable[int]) -> str:
    """Row numbers as ranges: 2, 3, 4 and 7 make two of them; after a dozen ranges the rest is counted."""
    spans: list[list[int]] = []
    for row in sorted(set(rows)):
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    texts = [str(a) if a == b else f"{a}\N{EN DASH}{b}" for a, b in spans[:_MOST_RANGES]]
    rest = sum(b - a + 1 for a, b in spans[_MOST_RANGES:])
    return ", ".join(texts) + (f" and {rest:,} more" if rest else "")


def _claims_table(context: Context, pool: _Pool, claims: Sequence[_Claim]) -> Table:
    rows: list[Row] = [
        (
            claim.owner,
            claim.layer,
            claim.role,
            pool.measure.counted(claim.weight),
            percent(claim.weight, pool.weight_total or 0),
            _exact(context, pool, claim.weight),
            claim.minor,
            claim.evidence or "",
        )
        for claim in claims
    ]
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
            Column("evidence", "Evidence"),
        ),
        rows=tuple(rows),
        total=(
            "Pool",
            "",
            "",
            pool.measure.counted(pool.weight_total),
            "",
            "",
            sum(claim.minor for claim in claims),
            "",
        ),
        currency=context.currency,
        period=pool.period,
        company=context.company,
        run=context.run,
    )


def _exact(context: Context, pool: _Pool, weight: int) -> Decimal | None:
    """The share before rounding, as an amount; None where nothing was weighed."""
    return quotient(pool.minor * weight, (pool.weight_total or 0) * 10 ** minor_digits(context.currency), _EXACT_DIGITS)


def _block(
    con: DuckDBPyConnection,
    context: Context,
    pool: _Pool,
    claims: Sequence[_Claim],
    *,
    owner: str | None,
    source: tuple[int, str],
) -> str:
    mine = [claim for claim in claims if owner is None or claim.owner == owner]
    amount = sum(claim.minor for claim in mine)
    target = f" → {owner}" if owner else ""
    head = f"{pool.title}{target}  {show(amount, context.currency)} {context.currency}"
    charges = f"{source[0]:,} charges, " if source[0] else ""
    origin = charges + pool.origin + (f"  ({source[1]})" if source[1] else "")
    lines = [f"{head:<60}{pool.words}"]
    lines.append(_labelled("pool", f"{show(pool.minor, context.currency)}   {origin}"))
    lines += [_labelled("weight", _weight_words(pool, claim, named=owner is None)) for claim in mine]
    if owner is not None:
        lines.append(_labelled("split", _split_words(context, pool, claims, mine, amount)))
    lines.append(_labelled("layer", ", ".join(dict.fromkeys(claim.layer for claim in mine)) or "none"))
    evidence = "; ".join(dict.fromkeys(claim.evidence for claim in mine if claim.evidence))
    if evidence:
        lines.append(_labelled("evidence", evidence))
    period = Period.parse(pool.period)
    lines += [_labelled("note", note) for note in pool_notes(con, context, period, {pool.pool})]
    if context.run:
        lines.append(_labelled("run", context.run))
    return "\n".join(lines)


def _labelled(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{text}"


def _weight_words(pool: _Pool, claim: _Claim, *, named: bool) -> str:
    who = f"{claim.owner}, " if named else ""
    who += "" if claim.role in ("use", "whole") else f"{claim.role.replace('_', ' ')}, "
    share = percent(claim.weight, pool.weight_total or 0)
    if share is None:
        return f"{who}the whole pool"
    mine = pool.measure.counted(claim.weight)
    every = pool.measure.counted(pool.weight_total)
    return f"{who}{mine:,f} of {every:,f} {pool.basis or ''} = {share} %".replace("  ", " ")


def _split_words(context: Context, pool: _Pool, claims: Sequence[_Claim], mine: Sequence[_Claim], amount: int) -> str:
    weights: dict[str, int] = {}
    for claim in claims:
        weights[claim.owner] = weights.get(claim.owner, 0) + claim.weight
    exact = _exact(context, pool, sum(claim.weight for claim in mine))
    shown = show(amount, context.currency)
    if exact is None or pool.weight_total != sum(weights.values()):
        return f"{shown}   nothing was divided by one sum of weights"
    total = pool.weight_total
    floors = {name: abs(pool.minor) * weight // total for name, weight in weights.items()}
    left = abs(pool.minor) - sum(floors.values())
    got = abs(amount) - floors[mine[0].owner]
    if got not in (0, 1):
        return f"{exact:,f} → {shown}   divided by the days of its charges, window by window"
    cent = "cent" if left == 1 else "cents"
    rest = f"largest remainder: {got} of {left} left-over {cent}" if left else "no cent was left over"
    return f"{exact:,f} → {shown}   {rest}"
