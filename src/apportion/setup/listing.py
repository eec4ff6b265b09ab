"""What was understood, as tables: a line for each source, three rows of each, and what is not read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from apportion.focus import TABLES
from apportion.money import show, to_minor
from apportion.report.table import Column, Row, Table
from apportion.report.terminal import visible
from apportion.setup.draft import Draft
from apportion.setup.privacy import may_hold_text
from apportion.setup.sources import Source
from apportion.setup.study import Extent, Study

_ROWS = 3
_SHORT = 40
_MOST_NAMED = 3
_DAY_LENGTH = 10
# The columns that a person looks for; every other one stays unseen (law L10).
_SHOWN = {
    "charges": ("charge_period_start", "billing_period_start", "provider_name", "service_name", "sku_id", "billed_cost",
                "billing_currency"),
    "usage": ("called_at", "provider", "response_model", "requests", "input_tokens", "uncached_input_tokens",
              "cache_read_tokens", "output_tokens"),
    "meters": ("day", "item", "quantity", "capacity", "unit"),
    "seats": ("tool", "assigned_to", "price", "last_active_at"),
    "roster": ("person", "team", "valid_from", "valid_to"),
    "codes": ("code", "name", "entity", "gl_account"),
    "invoices": ("issuer", "invoice_id", "period", "invoice_date", "total", "currency"),
    "fx": ("currency", "period", "valid_from", "rate"),
}  # fmt: skip
_MOST_COLUMNS = 6


def overview(draft: Draft, study: Study) -> Table:
    """One line for each source: what it is, its files, rows, span, and money or calls."""
    rows: list[Row] = []
    for source in draft.sources:
        extent = study.extents.get((source.section, source.name), Extent(0))
        rows.append(
            (
                source.name,
                source.seen.what,
                source.path,
                len(source.items),
                extent.rows if source.table != "prices" else "",
                _day(extent.first),
                _day(extent.last),
                _holds(extent),
            )
        )
    return Table(
        name="found",
        title="What was found",
        columns=(
            Column("source", "Source"),
            Column("what", "What it is"),
            Column("path", "Where", short=60),
            Column("files", "Files", "integer"),
            Column("rows", "Rows", "integer"),
            Column("first", "From"),
            Column("last", "To"),
            Column("holds", "Money or calls"),
        ),
        rows=tuple(rows),
        notes=tuple(
            f"{source.name}: {said}" for source in draft.sources for said in dict.fromkeys(source.seen.assumed)
        ),
    )


def samples(draft: Draft) -> list[Table]:
    """Three rows of each source, of the columns that people look for."""
    return [table for source in draft.sources if source.sample.rows and (table := _sample(source))]


def not_read(draft: Draft) -> list[tuple[str, str]]:
    """What is not read, and why; files with one reason together."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for each in draft.left_out:
        reasons[each.reason].append(each.source.path)
    for file in draft.passed:
        reasons[file.reason].append(file.name)
    return [(visible(_named(names)), visible(reason)) for reason, names in reasons.items()]


def _named(names: Iterable[str]) -> str:
    found = sorted(names)
    more = f" and {len(found) - _MOST_NAMED:,} more" if len(found) > _MOST_NAMED else ""
    return ", ".join(found[:_MOST_NAMED]) + more


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _holds(extent: Extent) -> str:
    if extent.calls is not None:
        return f"{extent.calls:,} {'call' if extent.calls == 1 else 'calls'}"
    return ", ".join(f"{_amount(amount, currency)} {currency}" for currency, amount in extent.money)


def _amount(amount: Decimal, currency: str) -> str:
    return show(to_minor(amount, currency), currency)


def _sample(source: Source) -> Table | None:
    have = {**TABLES[source.table].find(source.sample.header), **source.seen.columns}
    if source.table == "lookup":
        names = [name for name in source.sample.header if not may_hold_text(name, source.sample.column(name))]
        have, shown = {name: name for name in names}, names
    else:
        shown = [name for name in _SHOWN[source.table] if name in have]
        if "charge_period_start" in shown and "billing_period_start" in shown:
            shown.remove("billing_period_start")
    places = [(name, source.sample.header.index(have[name])) for name in shown if have[name] in source.sample.header]
    places = [(name, at) for name, at in places if any(row[at] for row in source.sample.rows)][:_MOST_COLUMNS]
    if not places:
        return None
    return Table(
        name="sample",
        title=f"{source.name}, {source.seen.what}: its first rows",
        columns=tuple(Column(name, name.replace("_", " ").capitalize(), short=_SHORT) for name, _ in places),
        rows=tuple(tuple(_short(name, row[at]) for name, at in places) for row in source.sample.rows[:_ROWS]),
    )


def _short(name: str, value: str | None) -> str:
    text = value or ""
    return text[:_DAY_LENGTH] if name.endswith(("_start", "_at")) and text[:4].isdecimal() else text
