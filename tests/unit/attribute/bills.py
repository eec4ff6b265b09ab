"""Bills small enough to read: a charges table from a few words per row."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

COLUMNS = (
    *(
        "charge_id",
        "invoice_key",
        "invoice_id",
        "provider",
        "provider_name",
        "service_name",
        "service_category",
    ),
    *("sku_id", "sku_meter", "charge_description", "charge_category", "resource_id", "resource_name"),
    *("resource_type", "billing_currency"),
)
_DEFAULTS = {
    "invoice_key": "inv-1",
    "invoice_id": "INV-1",
    "charge_category": "Usage",
    "billing_currency": "USD",
}

Row = Mapping[str, str]


def charges(rows: Iterable[Row]) -> duckdb.DuckDBPyConnection:
    """A connection with the table `charges`.

    Args:
        rows: Columns by name; `cost` and `day` have defaults, `tag:k` is a tag, `extra:k` another column.
    """
    con = duckdb.connect()
    texts = ", ".join(f"{name} VARCHAR" for name in COLUMNS)
    con.execute(
        f"CREATE TABLE charges ({texts}, billed_cost DECIMAL(38, 18), charge_period_start TIMESTAMP,"
        " tags MAP(VARCHAR, VARCHAR), extra MAP(VARCHAR, VARCHAR))"
    )
    marks = ", ".join("?" for _ in COLUMNS)
    maps = "map(?::VARCHAR[], ?::VARCHAR[]), map(?::VARCHAR[], ?::VARCHAR[])"
    for number, row in enumerate(rows, 1):
        full = {**_DEFAULTS, "charge_id": f"bill.csv:{number}", **row}
        tags, extra = _prefixed(full, "tag:"), _prefixed(full, "extra:")
        con.execute(
            f"INSERT INTO charges SELECT {marks}, ?::DECIMAL(38, 18), ?::TIMESTAMP, {maps}",
            [
                *(full.get(name) for name in COLUMNS),
                full.get("cost", "10.00"),
                full.get("day", "2026-10-05"),
                *(list(tags), list(tags.values()), list(extra), list(extra.values())),
            ],
        )
    return con


def labelled(path: Path) -> list[dict[str, str]]:
    """The labelled list of SKUs, one row per SKU."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_charge(number: int, sku: Mapping[str, str]) -> dict[str, str]:
    """A row of the labelled list as a charge on an invoice of its own."""
    extra = dict(part.split("=", 1) for part in sku["extra_meter"].split(";") if part)
    row = {name: value for name, value in sku.items() if name in COLUMNS and value}
    row.update({f"extra:{name}": value for name, value in extra.items()})
    return {**row, "charge_id": str(number), "invoice_key": str(number)}


def _prefixed(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
