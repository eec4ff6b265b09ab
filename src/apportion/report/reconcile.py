"""Reconciliation: what was billed against what was metered, and where every cent of an invoice went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from duckdb import DuckDBPyConnection

from apportion.money import half_up_div, minor_digits, split
from apportion.period import Period
from apportion.report import queries
from apportion.report.bridge import Invoice, bridge, invoices_of
from apportion.report.cents import USAGE_KINDS
from apportion.report.context import Context
from apportion.report.notes import standing_notes
from apportion.report.percentages import percent
from apportion.report.table import Cell, Column, Row, Table

Status = Literal["ok", "warn", "block"]

_SEVERITY: dict[Status, int] = {"ok": 0, "warn": 1, "block": 2}
_PICO_DIGITS = 12
_ESTIMATE = "estimate"
# Kinds of pools that no meter can be expected to explain, and the name of the cause that they are.
_CAUSES = {"credit": "credits", "tax": "tax", "shortfall": "minimum fee", "correction": "corrections"}
_NO_USAGE = "no usage"
# Usage that the meter's list cost says nothing about.
_APART = {"unpriced": "unpriced usage", "other": "usage not split at list price"}


@dataclass(frozen=True)
class Reconciliation:
    """The tables, and the worst status among the invoices.

    Attributes:
        tables: `reconcile`, `causes` and `bridge`.
        worst: block stops a close (exit code 4), warn and ok do not.
        balanced: Whether every invoice's accounts add up to it.
    """

    tables: tuple[Table, ...]
    worst: Status
    balanced: bool


@dataclass(frozen=True)
class _Line:
    """One invoice, or one estimate, against its meter."""

    title: str
    invoiced: int | None
    compared: int
    metered: int | None
    other: tuple[tuple[str, int], ...]

    @property
    def variance(self) -> int | None:
        return None if self.metered is None else self.compared - self.metered

    @property
    def unmetered(self) -> str:
        """Why there is nothing to compare with."""
        apart = {cause for cause, _ in self.other} & set(_APART.values())
        return "not compared" if apart else _NO_USAGE

    @property
    def percent(self) -> Decimal | None:
        return None if self.variance is None else percent(self.variance, self.compared)


def reconcile(con: DuckDBPyConnection, context: Context, period: Period) -> Reconciliation:
    """Compare each invoice's metered AI usage with its list cost, and name what else is on the invoice.

    The percentage is of what the invoice bills for that usage, never of the meter. Credits, tax, minimum fees
    and charges that nobody meters are named causes apart; what is left has no cause yet and says so.

    Args:
        con: A connection that has the tables.
        context: The project's settings, its thresholds among them.
        period: The accounting period.
    """
    invoices = invoices_of(con, period)
    lines = _lines(con, context, period, invoices)
    statuses = [_status(context, line) for line in lines]
    worst: Status = max(statuses, key=_SEVERITY.__getitem__, default="ok")
    tables = (
        _compared(con, context, period, lines, statuses),
        _causes(context, period, lines),
        bridge(context, period, invoices),
    )
    return Reconciliation(tables, worst, all(invoice.placed == invoice.ledger for invoice in invoices))


def _status(context: Context, line: _Line) -> Status:
    variance = abs(line.variance or 0)
    if not variance or line.invoiced is None:
        return "ok"
    # The exact ratio is compared, not its two shown decimals.
    if variance * 100 > context.reconcile_block * abs(line.compared):
        return "block"
    return "warn" if variance * 100 > context.reconcile_warn * abs(line.compared) else "ok"


def _lines(con: DuckDBPyConnection, context: Context, period: Period, invoices: Iterable[Invoice]) -> list[_Line]:
    metered: dict[tuple[str, str], tuple[int, int]] = {}
    for provider, account, _calls, picos, unpriced in queries.run(
        con, "metered", {"start": period.start, "end": period.end}
    ):
        cents = half_up_div(int(picos), 10 ** (_PICO_DIGITS - minor_digits(context.currency)))
        metered[provider, account] = (cents, int(unpriced))
    rows = queries.run(con, "billed", {"period": str(period)})
    # A bill or a meter that names no account speaks for all accounts of its provider.
    blind = {p for p, account in metered if not account} | {row[2] for row in rows if row[5] != "none" and not row[3]}
    for provider, account in [key for key in metered if key[0] in blind and key[1]]:
        cents, unpriced = metered.pop((provider, account))
        so_far = metered.get((provider, ""), (0, 0))
        metered[provider, ""] = (so_far[0] + cents, so_far[1] + unpriced)
    billed: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    others: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    estimates: dict[str, int] = defaultdict(int)
    for key, status, provider, account, kind, usage, minor in rows:
        if status == _ESTIMATE:
            estimates[provider] += int(minor)
        elif kind in _CAUSES:
            others[key][_CAUSES[kind]] += int(minor)
        elif kind in USAGE_KINDS:
            found = (provider, "" if provider in blind else account)
            if usage == "priced" and found in metered:
                billed[key][found] += int(minor)
            else:
                others[key][_APART.get(usage, _NO_USAGE)] += int(minor)
    shares = _divided(billed, metered)
    lines = [_line(invoice, billed[invoice.key], shares, others[invoice.key]) for invoice in invoices]
    for provider, minor in sorted(estimates.items()):
        named = f"{provider}: no bill yet (estimate)" if provider else "no bill yet (estimate)"
        lines.append(_Line(named, None, minor, minor, ()))
    return lines


def _divided(
    billed: dict[str, dict[tuple[str, str], int]], metered: dict[tuple[str, str], tuple[int, int]]
) -> dict[tuple[str, tuple[str, str]], int]:
    """An account's metered cents, divided over its invoices by what they bill for it: none counts twice."""
    found: dict[tuple[str, tuple[str, str]], int] = {}
    for account, (cents, _unpriced) in metered.items():
        keys = sorted(key for key, accounts in billed.items() if account in accounts)
        if not keys:
            continue
        weights = [abs(billed[key][account]) for key in keys]
        parts = split(cents, weights, keys) if any(weights) else split(cents, [1] * len(keys), keys)
        found.update({(key, account): part for key, part in zip(keys, parts, strict=True)})
    return found


def _line(
    invoice: Invoice,
    billed: dict[tuple[str, str], int],
    shares: dict[tuple[str, tuple[str, str]], int],
    others: dict[str, int],
) -> _Line:
    named = {**others, "to the tax account": invoice.tax_account}
    named |= {"not AI": invoice.out_of_scope, "prepaid": invoice.prepaid}
    return _Line(
        title=invoice.title,
        invoiced=invoice.ledger,
        compared=sum(billed.values()),
        metered=sum(shares[invoice.key, account] for account in billed) if billed else None,
        other=tuple(sorted((cause, minor) for cause, minor in named.items() if minor)),
    )


def _compared(
    con: DuckDBPyConnection,
    context: Context,
    period: Period,
    lines: list[_Line],
    statuses: list[Status],
) -> Table:
    rows: list[Row] = []
    for line, status in zip(lines, statuses, strict=True):
        words: Cell = _ESTIMATE if line.invoiced is None else line.unmetered if line.metered is None else status
        billed: Cell = line.compared if line.metered is not None else ""
        rows.append(
            (
                line.title,
                line.invoiced,
                billed,
                line.metered,
                line.variance,
                line.percent,
                words,
            )
        )
    known = [line for line in lines if line.metered is not None]
    compared, metered = sum(line.compared for line in known), sum(line.metered or 0 for line in known)
    invoiced = sum(line.invoiced or 0 for line in lines)
    total: Row = ("All invoices", invoiced, "", None, None, None, "")
    if known or not lines:
        variance = compared - metered
        total = ("All invoices", invoiced, compared, metered, variance, percent(variance, compared), "")
    limits = f"warning above {context.reconcile_warn} %, blocks a close above {context.reconcile_block} %"
    return _table(
        context,
        period,
        name="reconcile",
        title=f"Billed against metered, {period.title}, {context.currency}",
        columns=(
            Column("invoice", "Invoice"),
            Column("invoiced", "Invoice", "money"),
            Column("billed", "of it metered usage", "money"),
            Column("metered", "Metered", "money"),
            Column("variance", "Variance", "money", signed=True),
            Column("variance_percent", "of billed", "percent", signed=True),
            Column("status", "Status"),
        ),
        rows=tuple(rows),
        total=total,
        notes=(
            f"Variance is what the invoice bills for metered usage minus the meter, in percent of the bill; {limits}",
            *standing_notes(con, context, period),
        ),
    )


def _causes(context: Context, period: Period, lines: list[_Line]) -> Table:
    """Why each invoice is not its meter: named causes, the last one what nothing explains yet."""
    rows: list[Row] = []
    for line in lines:
        if line.invoiced is None:
            continue
        gap = line.invoiced - (line.metered or 0)
        named = [(cause, minor) for cause, minor in line.other if minor]
        named.sort(key=lambda pair: (-abs(pair[1]), pair[0]))
        rest = gap - sum(minor for _, minor in named)
        rows += [(line.title, cause, minor) for cause, minor in named]
        rows.append((line.title, "unexplained", rest))
    return _table(
        context,
        period,
        name="causes",
        title="Why the invoices are not the meter",
        columns=(
            Column("invoice", "Invoice"),
            Column("cause", "Cause"),
            Column("amount", "Amount", "money", signed=True),
        ),
        rows=tuple(rows),
        total=("Invoices minus metered", "", sum(row[2] for row in rows if isinstance(row[2], int))),
    )


def _table(
    context: Context,
    period: Period,
    *,
    name: str,
    title: str,
    columns: tuple[Column, ...],
    rows: tuple[Row, ...],
    total: Row,
    notes: tuple[str, ...] = (),
) -> Table:
    return Table(
        name=name,
        title=title,
        columns=columns,
        rows=rows,
        total=total,
        notes=notes,
        currency=context.currency,
        period=str(period),
        company=context.company,
        run=context.run,
    )
