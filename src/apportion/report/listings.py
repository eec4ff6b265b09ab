"""The tables behind the reports, row by row: pools, claims, charges, invoices, cells and what was set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from duckdb import DuckDBPyConnection

from apportion.money import nano_digits
from apportion.period import Period
from apportion.report import queries
from apportion.report.context import HIDDEN, Context, shown_value
from apportion.report.table import Cell, Column, Kind, Row, Table


@dataclass(frozen=True)
class Listing:
    """A table that is shown as it is stored.

    Attributes:
        title: For people.
        relation: The table.
        columns: What is shown: name, heading, kind and the expression it comes from.
        order: What it is sorted by.
        dated: Whether it has rows of other periods too.
        total: The money column that is summed.
    """

    title: str
    relation: str
    columns: tuple[tuple[str, str, Kind, str], ...]
    order: str
    dated: bool = True
    total: str | None = None


# Rows as they were received may hold anybody's name.
_AS_RECEIVED = frozenset({"excerpt", "detail"})

LISTINGS: dict[str, Listing] = {
    "pools": Listing(
        "Pools",
        "pools",
        (
            ("pool_id", "Pool", "text", "pool_id"),
            ("rule", "Rule", "text", "rule"),
            ("version", "v", "integer", "rule_version"),
            ("method", "Method", "text", "method"),
            ("kind", "Kind", "text", "kind"),
            ("status", "Status", "text", "status"),
            ("category", "Category", "text", "category"),
            ("invoice_key", "Invoice", "text", "invoice_key"),
            ("item", "Item", "text", "item"),
            ("basis", "Weighed by", "text", "basis"),
            ("amount", "Amount", "money", "amount_minor"),
            ("fallback", "Fallback", "text", "fallback"),
            ("note", "Note", "text", "note"),
        ),
        "invoice_key, pool_id",
        total="amount",
    ),
    "claims": Listing(
        "Claims",
        "(SELECT c.*, p.period FROM claims AS c JOIN pools AS p ON p.pool_id = c.pool_id)",
        (
            ("pool_id", "Pool", "text", "pool_id"),
            ("owner", "Owner", "text", "owner"),
            ("layer", "Layer", "text", "layer"),
            ("role", "Role", "text", "role"),
            ("weight", "Weight", "integer", "weight"),
            ("amount", "Amount", "money", "amount_minor"),
            ("evidence", "Evidence", "text", "evidence"),
        ),
        "pool_id, owner, layer, role",
        total="amount",
    ),
    "invoices": Listing(
        "Invoices",
        "invoices",
        (
            ("invoice_key", "Invoice", "text", "invoice_key"),
            ("issuer", "Issuer", "text", "issuer"),
            ("currency", "In", "text", "currency"),
            ("rate", "Rate", "decimal", "rate"),
            ("status", "Status", "text", "status"),
            ("invoice", "Invoice total", "money", "ledger_minor"),
            ("ai", "AI", "money", "ai_minor"),
            ("out_of_scope", "Not AI", "money", "out_of_scope_minor"),
            ("prepaid", "Prepaid", "money", "prepaid_minor"),
            ("tax_account", "Tax account", "money", "tax_account_minor"),
        ),
        "invoice_key",
    ),
    "charges": Listing(
        "Charges",
        "charges",
        (
            ("source_file", "File", "text", "source_file"),
            ("source_row", "Row", "integer", "source_row"),
            ("invoice_key", "Invoice", "text", "invoice_key"),
            ("provider", "Provider", "text", "provider"),
            ("service", "Service", "text", "service_name"),
            ("description", "Description", "text", "charge_description"),
            ("charge_category", "Charge", "text", "charge_category"),
            ("scope", "Scope", "text", "scope"),
            ("scope_reason", "Why", "text", "scope_reason"),
            ("category", "Category", "text", "category"),
            ("category_reason", "Because", "text", "category_reason"),
            ("currency", "In", "text", "billing_currency"),
            ("billed_cost", "Billed", "decimal", "billed_cost"),
            ("effective_cost", "Effective", "decimal", "effective_cost"),
        ),
        "source_file, source_row",
    ),
    "quarantine": Listing(
        "Rows set aside",
        "quarantine",
        (
            ("table", "Table", "text", "table_name"),
            ("source_file", "File", "text", "source_file"),
            ("source_row", "Row", "integer", "source_row"),
            ("reason", "Reason", "text", "reason"),
            ("detail", "What is wrong", "text", "detail"),
            ("amount", "Amount", "text", "amount"),
            ("currency", "In", "text", "currency"),
            ("excerpt", "The row", "text", "excerpt"),
        ),
        "source_file, source_row",
        dated=False,
    ),
}


def listing(con: DuckDBPyConnection, context: Context, period: Period, name: str) -> Table:
    """A stored table as it is.

    Args:
        con: A connection that has it.
        context: The project's settings.
        period: The accounting period.
        name: A key of `LISTINGS`.
    """
    shape = LISTINGS[name]
    rows: list[Row] = []
    if queries.has(con, shape.relation) or shape.relation.startswith("("):
        listed = ", ".join(expression for _, _, _, expression in shape.columns)
        where = "WHERE period = $period" if shape.dated else ""
        asked = {"period": str(period)} if shape.dated else {}
        query = f"SELECT {listed} FROM {shape.relation} {where} ORDER BY {shape.order}"
        hidden = _hidden(context, shape)
        rows = [
            tuple(hidden.get(at, _cell)(value) for at, value in enumerate(row))
            for row in con.execute(query, asked).fetchall()
        ]
    return _table(context, period, name, shape, rows)


def _hidden(context: Context, shape: Listing) -> dict[int, Callable[[Any], Cell]]:
    """What is done to the columns that may name people, where people are not shown by name."""
    if context.users == "name":
        return {}
    found: dict[int, Callable[[Any], Cell]] = {}
    for at, (key, *_) in enumerate(shape.columns):
        if key == "owner":
            found[at] = lambda value: shown_value(context, context.owner, str(value))
        elif key in _AS_RECEIVED:
            found[at] = lambda value: None if value is None else HIDDEN
    return found


def cells(con: DuckDBPyConnection, context: Context, period: Period) -> Table:
    """Allocated charges summed to the day, pool and every dimension: the finest grain that is exported."""
    listed = [queries.shown(context, dim).sql(dialect="duckdb") for dim in context.dimensions]
    names = [f'"{dim}"' for dim in context.dimensions]
    digits = nano_digits(context.currency)
    shown = ", ".join(f"{sql} AS {label}" for sql, label in zip(listed, names, strict=True))
    found = con.execute(
        f"SELECT a.day, a.pool_id, a.category, {shown}, a.layer, a.role, SUM(a.cost_nano) FROM allocated_charges AS a"
        " WHERE a.period = $period AND NOT a.owner LIKE 'pool:%' GROUP BY ALL ORDER BY ALL",
        {"period": str(period)},
    ).fetchall()
    columns = [
        Column("day", "Day", "date"),
        Column("pool_id", "Pool"),
        Column("category", "Category"),
        *(Column(dim, dim.replace("_", " ").capitalize()) for dim in context.dimensions),
        Column("layer", "Layer"),
        Column("role", "Role"),
        Column("cost", f"Cost, {context.currency}", "decimal"),
    ]
    rows = tuple((*row[:-1], Decimal(row[-1]).scaleb(-digits)) for row in found)
    return Table(
        name="allocated-charges", title=f"Allocated charges, {period.title}", columns=tuple(columns), rows=rows,
        notes=("Costs are exact to the nano-unit; the cents that are posted are those of the pools.",),
        currency=context.currency, period=str(period), company=context.company, run=context.run,
    )  # fmt: skip


def _table(context: Context, period: Period, name: str, shape: Listing, rows: list[Row]) -> Table:
    columns = tuple(Column(key, title, kind) for key, title, kind, _ in shape.columns)
    total: Row | None = None
    if shape.total and rows:
        at = [column.name for column in columns].index(shape.total)
        summed = sum(cell for row in rows if isinstance(cell := row[at], int))
        total = tuple("All" if i == 0 else summed if i == at else "" for i in range(len(columns)))
    return Table(
        name=name, title=f"{shape.title}, {period.title}", columns=columns, rows=tuple(rows), total=total,
        currency=context.currency, period=str(period), company=context.company, run=context.run,
    )  # fmt: skip


def _cell(value: Any) -> Cell:
    cell: Cell = value
    return cell
