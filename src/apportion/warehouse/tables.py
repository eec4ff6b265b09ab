"""Every table of the warehouse: its grain, and which of its columns are money or weights.

A table is a set of immutable Parquet files, `<table>/<period>/<run_id>.parquet`; which of them are current is
said by the books alone. Nothing here looks into a folder to find out what there is.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from apportion.errors import InvariantError
from apportion.warehouse.engine import Engine
from apportion.warehouse.quoting import name as quoted

SMALL_TABLE_ROWS = 100_000

_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT")


@dataclass(frozen=True)
class Table:
    """What a table is.

    Attributes:
        stage: Which stage writes it.
        grain: What one row is.
        control: The column whose exact sum is the table's control total; None counts rows only.
        money: Columns in minor, nano or pico units, or exact decimals.
        weights: Columns that are counted or divided by, in whole units.
    """

    stage: str
    grain: str
    control: str | None = None
    money: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One file of a table, as the manifest in the books lists it.

    Attributes:
        table: A key of `TABLES`.
        period: The accounting period, `2026-11`.
        path: Relative to the project, with forward slashes.
        rows: How many.
        control_sum: The exact sum of the table's control column, as text; None if it has none.
        sha256: Of the file's bytes.
    """

    table: str
    period: str
    path: str
    rows: int
    control_sum: str | None
    sha256: str


_TOKENS = (
    "calls",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_other_tokens",
    "tool_prompt_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_DOUBTS = ("estimated_calls", "estimated_tokens", "missing_calls")

TABLES: dict[str, Table] = {
    "charges": Table(
        "normalize",
        "one row of a bill",
        "billed_nano",
        ("billed_nano", "effective_nano", "effective_residue"),
    ),
    "usage": Table("normalize", "one call, or one bucket of a provider", "calls", weights=_TOKENS),
    "meter_rows": Table(
        "normalize",
        "meter x item x day x row of a file",
        "quantity_micro",
        weights=("quantity_micro", "capacity_micro", "reservation_micro"),
    ),
    "roster_days": Table("normalize", "person x span of days"),
    "directory_values": Table("normalize", "lookup x key x taken column x span of days"),
    "codes": Table("normalize", "code of finance x span of days"),
    "seat_rows": Table("normalize", "seat x span of days", None, ("price",)),
    "invoices_printed": Table("normalize", "invoice as its issuer printed it", "total", ("total",)),
    "fx_rates": Table("normalize", "currency x span of days"),
    "quarantine": Table("normalize", "one row that could not be read"),
    "usage_cells": Table(
        "attribute",
        "day x provider x billing account x model x tier x processing x region x speed x context x evidence",
        "calls",
        ("list_cost_picos", "list_cost_nano"),
        (*_TOKENS, *_DOUBTS),
    ),
    "charge_dimensions": Table("attribute", "one row of a bill", "effective_nano", ("effective_nano",)),
    "dimension_ways": Table("attribute", "dimension x way of its evidence"),
    "pools": Table(
        "allocate",
        "rule x invoice x item x kind",
        "amount_minor",
        ("amount_minor", "effective_nano"),
        ("weight_total",),
    ),
    "claims": Table("allocate", "pool x owner x layer x role", "amount_minor", ("amount_minor",), ("weight",)),
    "allocated_charges": Table("allocate", "pool x owner x day x cell", "cost_nano", ("cost_nano",)),
    "allocation_steps": Table("allocate", "pool x source row"),
    "invoices": Table(
        "allocate",
        "invoice",
        "ledger_minor",
        (
            "billed_minor",
            "ledger_minor",
            "ai_minor",
            "out_of_scope_minor",
            "prepaid_minor",
            "tax_account_minor",
            "printed_minor",
            "rounding_minor",
        ),
    ),
}


def write_table(
    engine: Engine,
    table: str,
    *,
    project: Path,
    warehouse: Path,
    period: str,
    run_id: str,
    query: str | None = None,
    slice_name: str | None = None,
    expect: int | Decimal | None = None,
) -> list[Part]:
    """Write rows of a table as immutable files, which nothing points to yet; DuckDB writes one.

    Args:
        engine: Holds the rows.
        table: A key of `TABLES`.
        project: The project's folder; the part's path is relative to it.
        warehouse: The folder of all tables, inside the project.
        period: The accounting period.
        run_id: Names the file, so that two runs never meet.
        query: What to write; without it, the engine's table of that name.
        slice_name: Tells the files of one run apart, such as a day.
        expect: The control total that the stage before handed over, in the control column's units.

    Raises:
        InvariantError: A column is not exact, or the control total of the file is not the expected one.
    """
    shape = TABLES[table]
    source = query or table
    columns = engine.describe(source)
    for column in (*shape.money, *shape.weights):
        if column in columns and not is_exact(columns[column]):
            raise InvariantError("L5", f"type of {table}.{column}", "whole or DECIMAL", columns[column])
    name = f"{run_id}.{slice_name}.parquet" if slice_name else f"{run_id}.parquet"
    control = shape.control if shape.control in columns else None
    files = engine.write_parquet(source, warehouse / table / period / name, control)
    if expect is not None:
        found = sum(Decimal(file.control_sum) for file in files if file.control_sum is not None)
        if control is None or found != expect:
            for file in files:
                file.path.unlink(missing_ok=True)
            raise InvariantError("L1", f"control total of {table} {period}", expect, found if control else None)
    return [
        Part(table, period, file.path.relative_to(project).as_posix(), file.rows, file.control_sum, file.sha256)
        for file in files
    ]


def is_exact(kind: str) -> bool:
    """Whether an engine's type may hold money or weights in a file: whole numbers and decimals."""
    return kind in _WHOLE or kind.startswith("DECIMAL")


def content_hash(engine: Engine, table: str, *, small: int = SMALL_TABLE_ROWS) -> str:
    """A SHA-256 of what a table says, whatever the order of its rows and columns, on any engine.

    Small tables are hashed row by row, as sorted canonical text. Larger ones by their count of rows, the
    count of values in each column and the exact sum of each numeric column.

    Args:
        engine: Holds the table.
        table: A table or view.
        small: The most rows that are hashed one by one.
    """
    columns = engine.describe(table)
    names = sorted(columns)
    listed = ", ".join(quoted(name) for name in names)
    rows = int(engine.value(f"SELECT COUNT(*) FROM {quoted(table)}"))
    digest = hashlib.sha256(json.dumps(names).encode())
    if rows <= small:
        found = engine.fetch(f"SELECT {listed} FROM {quoted(table)}") if names else []
        lines = sorted(json.dumps([canonical(value) for value in row], ensure_ascii=False) for row in found)
        digest.update("\n".join(lines).encode())
        return digest.hexdigest()
    asked = ["COUNT(*)"]
    for name in names:
        asked.append(f"COUNT({quoted(name)})")
        if is_exact(columns[name]):
            wide = columns[name] if columns[name].startswith("DECIMAL") else "DECIMAL(38, 0)"
            asked.append(f"SUM(CAST({quoted(name)} AS {wide}))")
    (sums,) = engine.fetch(f"SELECT {', '.join(asked)} FROM {quoted(table)}")
    digest.update(json.dumps([canonical(value) for value in sums]).encode())
    return digest.hexdigest()


def canonical(value: Any) -> Any:
    """A value as text that every engine agrees on; None stays None, so that it differs from any text.

    Raises:
        InvariantError: A float, which no two engines need print alike.
    """
    plain: Any
    match value:
        case None | str():
            plain = value
        case bool():
            plain = "true" if value else "false"
        case int():
            plain = str(value)
        case Decimal():
            # normalize() would round to 28 digits; the text is exact.
            text = f"{value:f}"
            text = text.rstrip("0").rstrip(".") if "." in text else text
            plain = "0" if text == "-0" else text
        case datetime():
            plain = value.replace(tzinfo=None).isoformat(sep=" ")
        case date():
            plain = value.isoformat()
        case dict():
            plain = [[canonical(key), canonical(value[key])] for key in sorted(value)]
        case list() | tuple():
            plain = [canonical(one) for one in value]
        case _:
            raise InvariantError("L7", "a value that is hashed", "an exact type", type(value).__name__)
    return plain
