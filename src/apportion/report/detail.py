"""One owner's statement in detail: what it was charged, for which calls, its part of each pool."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from duckdb import DuckDBPyConnection

from apportion.money import apportion, half_up_div, minor_digits, show
from apportion.period import Period
from apportion.report import queries
from apportion.report.cents import PARTS, USAGE_KINDS, Cents, cents, ranked, sums
from apportion.report.context import Context, is_rest
from apportion.report.evidence import evidence_of
from apportion.report.notes import counted, pool_notes, standing_notes
from apportion.report.percentages import change, percent, quotient
from apportion.report.reason_tables import Reasons
from apportion.report.table import Column, Row, Table
from apportion.report.weights import LIST_COSTS, Measure

_PICO_DIGITS = 12
_MILLION = 10**6

_LINES = {
    "direct": "Direct: calls and charges that carry the name",
    "rule": "By rule",
    "default": "By default",
    "shared": "Shared pools",
    "unallocated": "Without an owner",
    "credits": "Credits",
    "tax": "Tax",
    "adjustments": "Corrections of earlier periods",
}
_OF_CALLS = frozenset({*LIST_COSTS, "tokens", "requests"})
_ROLES = {"idle": ", idle", "own_idle": ", own idle"}


@dataclass(frozen=True)
class _Claim:
    pool: str
    rule: str
    version: int
    item: str | None
    method: str
    basis: str | None
    kind: str
    status: str
    category: str
    provider: str | None
    model: str | None
    invoice: str | None
    pool_minor: int
    weight_total: int | None
    fallback: str | None
    layer: str
    role: str
    weight: int
    evidence: str | None
    minor: int

    @property
    def name(self) -> str:
        item = (self.item or "").strip("/")
        return f"{self.rule}: {item}" if item and item != self.rule else self.rule

    def measure(self, currency: str) -> Measure:
        return Measure(self.method, self.basis or "", self.fallback or "", currency)

    @property
    def called(self) -> str:
        """Its model, or its rule where no calls weigh it: the seats of a tool, a job with its own tag."""
        return self.model or ("" if self.basis in _OF_CALLS else self.rule)

    @property
    def is_usage(self) -> bool:
        return self.kind in USAGE_KINDS


def detail(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    *,
    dimension: str,
    value: str,
    every: Table,
    now: Cents,
    before: Cents | None,
    why: Reasons,
) -> list[Table]:
    """The tables of one value's statement, each of whose sums stands in the summary.

    Args:
        con: A connection that has the tables.
        context: The project's settings.
        period: The accounting period.
        dimension: Of the value.
        value: As a reader may see it.
        every: The table of all statements that this one is a row of.
        now: What that table shows.
        before: What it compares with; None if there is no month before.
        why: The reasons for the change of this value, among others perhaps.
    """
    blank = replace(every, rows=(), total=None, notes=(), columns=())
    tables = [_summary(con, context, period, value=value, every=every, now=now, before=before), why.table(value)]
    if dimension != context.owner:
        return [*tables, _by_category(blank, now.of(value=value))]
    names = {"d": queries.shown(context, dimension, "owner")}
    parameters = {"period": str(period), "value": value}
    claims = [_Claim(*row) for row in queries.run(con, "owner_claims", parameters, names)]
    tables.append(_by_category(blank, cents(con, context, period, dimension, categories=True).of(value=value)))
    made = [
        _direct(con, context, period, blank=blank, value=value, claims=claims),
        _by_rule(con, context, period, blank=blank, value=value, claims=claims),
        _shared(blank, claims),
        _others(blank, claims),
    ]
    notes = pool_notes(con, context, period, {claim.pool for claim in claims}, told=True)
    tables[0] = replace(tables[0], notes=(*notes, *tables[0].notes))
    return [*tables, *(table for table in made if table.rows)]


def _summary(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    *,
    value: str,
    every: Table,
    now: Cents,
    before: Cents | None,
) -> Table:
    mine = now.of(value=value)
    last = None if before is None else before.of(value=value)
    rows = []
    parts, earlier = mine.by_part, {} if last is None else last.by_part
    for part, title in _LINES.items():
        if part in parts or part in earlier:
            rows.append(_line(title, parts.get(part, 0), None if last is None else earlier.get(part, 0)))
    return Table(
        name="summary",
        title=f"{value}, {'credit note' if now.total < 0 else 'statement'}, {period.title}, {context.currency}",
        columns=(
            Column("line", "Summary"),
            Column("now", f"{period.start:%B}", "money"),
            Column("before", f"{period.previous.start:%B}", "money"),
            Column("change", "Change", "money", signed=True),
            Column("change_percent", "%", "percent", signed=True),
        ),
        rows=tuple(rows),
        total=_line(f"Charged to {value}", mine.total, None if last is None else last.total),
        notes=(_adds_up(every), *standing_notes(con, context, period)),
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )


def _line(title: str, now: int, before: int | None) -> Row:
    moved = None if before is None else now - before
    return (title, now, before, moved, change(now, before))


def _adds_up(every: Table) -> str:
    total = 0 if every.total is None else every.row(every.total[0])["total"]
    whole = f"{show(total, every.currency)} {every.currency}" if isinstance(total, int) else "all AI cost"
    others = counted(max(len([row for row in every.rows if not is_rest(row[0])]) - 1, 0), "other")
    return f"This statement, {others} and what is unallocated add up to {whole}, all AI cost of the period"


def _by_category(blank: Table, now: Cents) -> Table:
    found = sums((p.category, p.minor) for p in now)
    return replace(
        blank,
        name="categories",
        title="By category",
        columns=(Column("category", "Category"), Column("amount", "Amount", "money")),
        rows=tuple((category, found[category]) for category in ranked(found)),
        total=("All categories", now.total),
    )


def _direct(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    *,
    blank: Table,
    value: str,
    claims: list[_Claim],
) -> Table:
    """Billed money per provider and model, with the calls and the list price that divided it."""
    billed: dict[tuple[str, str], int] = defaultdict(int)
    for claim in claims:
        if claim.layer == "direct" and claim.is_usage:
            billed[claim.provider or "", claim.called] += claim.minor
    parameters = {"dimension": context.owner, "value": value, "start": period.start, "end": period.end}
    used: dict[tuple[str, str], list[int]] = {}
    names = queries.cut_by_columns(context, context.owner)
    for provider, model, *numbers in queries.run(con, "direct_usage", parameters, names):
        # A bill that names no model still has its calls; calls that no direct pool billed stand elsewhere.
        found = [k for k in ((provider or "", model or ""), (provider or "", "")) if k in billed]
        if found:
            sums_so_far = used.setdefault(found[0], [0] * len(numbers))
            used[found[0]] = [a + int(b) for a, b in zip(sums_so_far, numbers, strict=True)]
    order = sorted(billed, key=lambda key: (-billed[key], key))
    listed = _list_prices(context, used, order)
    rows = tuple(_direct_row(key, used.get(key), listed.get(key), billed[key]) for key in order)
    calls = sum(numbers[0] for numbers in used.values())
    list_total = sum(listed.values()) if listed else None
    return replace(
        blank,
        name="direct",
        title="Direct, by provider and model",
        columns=(
            Column("model", "Model"),
            Column("calls", "Calls", "integer"),
            Column("input_million_tokens", "Input, M", "decimal"),
            Column("cached_percent", "cached", "percent"),
            Column("output_million_tokens", "Output, M", "decimal"),
            Column("list_price", "List price", "money"),
            Column("billed", "Billed", "money"),
        ),
        rows=rows,
        total=("Direct", calls, "", "", "", list_total, sum(billed.values())),
    )


def _list_prices(
    context: Context, used: dict[tuple[str, str], list[int]], order: list[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """List prices in minor units whose sum is the rounded sum: the rows are rounded to it."""
    priced = [key for key in order if key in used and used[key][4] and not used[key][5]]
    picos = [used[key][4] for key in priced]
    unit = 10 ** (_PICO_DIGITS - minor_digits(context.currency))
    total = half_up_div(sum(picos), unit)
    rounded = apportion(total, picos, ["\t".join(key) for key in priced], unit)
    return dict(zip(priced, rounded, strict=True))


def _direct_row(key: tuple[str, str], used: list[int] | None, listed: int | None, billed: int) -> Row:
    name = " · ".join(part for part in key if part) or "(no provider named)"
    if used is None:
        return (name, "", "", "", "", "", billed)
    calls, inputs, cached, outputs, _picos, _unpriced = used
    return (
        name,
        calls,
        quotient(inputs, _MILLION, 1),
        percent(cached, inputs, 1),
        quotient(outputs, _MILLION, 1),
        listed,
        billed,
    )


def _by_rule(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    *,
    blank: Table,
    value: str,
    claims: list[_Claim],
) -> Table:
    """What stood in for the owner's name: an alias, a map, a default, each with its money."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    amounts: dict[tuple[str, str, str], int] = defaultdict(int)
    rules: dict[str, str] = {}
    for claim in claims:
        if claim.layer in ("rule", "default") and claim.is_usage:
            amounts[claim.pool, value, claim.layer] += claim.minor
            rules[claim.pool] = f"{claim.rule} v{claim.version}"
    for way in evidence_of(con, context, period, amounts):
        found[way.words, PARTS[way.layer], rules[way.pool]] += way.minor
        amounts[way.pool, value, way.layer] -= way.minor
    for (pool, _, layer), minor in amounts.items():
        if minor:
            found["(no cell says)", PARTS[layer], rules[pool]] += minor
    return replace(
        blank,
        name="rules",
        title="By rule: what stood in for the name",
        columns=(
            Column("evidence", "Evidence"),
            Column("layer", "Layer"),
            Column("rule", "Rule"),
            Column("amount", "Amount", "money"),
        ),
        rows=tuple((*key, found[key]) for key in sorted(found, key=lambda key: (-found[key], key))),
        total=("By rule", "", "", sum(found.values())),
    )


def _shared(blank: Table, claims: list[_Claim]) -> Table:
    rows: list[Row] = []
    listed = [claim for claim in claims if claim.layer == "shared" and claim.is_usage]
    ranked_claims = sorted(listed, key=lambda claim: (-claim.minor, claim.name, claim.pool, claim.role))
    for claim in ranked_claims:
        share = percent(claim.weight, claim.weight_total or 0)
        measure = claim.measure(blank.currency)
        rows.append(
            (
                claim.name,
                claim.pool_minor,
                measure.words + _ROLES.get(claim.role, ""),
                measure.counted(claim.weight),
                measure.counted(claim.weight_total),
                share,
                claim.minor,
            )
        )
    return replace(
        blank,
        name="shared",
        title="Shared pools: what was split, by what, and your part",
        columns=(
            Column("pool", "Pool"),
            Column("billed", "Billed", "money"),
            Column("method", "Method and weight"),
            Column("yours", "Yours", "decimal"),
            Column("of_all", "of all", "decimal"),
            Column("share", "Share", "percent"),
            Column("amount", "Amount", "money"),
        ),
        rows=tuple(rows),
        total=("Shared", "", "", "", "", "", sum(claim.minor for claim in listed)),
        leads=tuple(claim.pool for claim in ranked_claims),
    )


def _others(blank: Table, claims: list[_Claim]) -> Table:
    titles = {"credit": "Credit", "tax": "Tax", "correction": "Correction"}
    listed = [claim for claim in claims if not claim.is_usage]
    listed.sort(key=lambda claim: (list(titles).index(claim.kind), claim.invoice or "", claim.name, claim.pool))
    # One line per pool: a reader of a credit does not care in which layers its weights came.
    whole = {claim.pool: claim for claim in reversed(listed)}
    minors = sums((claim.pool, claim.minor) for claim in listed)
    rows: tuple[Row, ...] = tuple(
        (
            titles[claim.kind],
            (claim.invoice or "").replace("|", " "),
            claim.name,
            claim.pool_minor,
            claim.measure(blank.currency).words,
            minors[pool],
        )
        for pool, claim in ((pool, whole[pool]) for pool in minors)
    )
    return replace(
        blank,
        name="credits-tax-corrections",
        title="Credits, tax and corrections",
        columns=(
            Column("line", "Line"),
            Column("invoice", "Invoice"),
            Column("pool", "Pool"),
            Column("billed", "Billed", "money"),
            Column("method", "Method and weight"),
            Column("amount", "Amount", "money"),
        ),
        rows=rows,
        total=("Credits, tax and corrections", "", "", "", "", sum(claim.minor for claim in listed)),
        leads=tuple(minors),
    )
