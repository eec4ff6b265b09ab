"""Small files into tables, for the tests of this stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from apportion.normalize.run import Normalized, normalize
from apportion.normalize.sources import SourceColumns


@dataclass(frozen=True)
class Item:
    """A collected file."""

    source: str
    table: str
    name: str
    local_path: Path
    format: str


def connect() -> duckdb.DuckDBPyConnection:
    """An engine as the product opens it: row order is not kept."""
    return duckdb.connect(config={"preserve_insertion_order": "false", "python_enable_replacements": "false"})


def item(folder: Path, table: str, name: str, data: bytes | str, source: str | None = None) -> Item:
    """Write a file and say that it was collected."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    kind = next(k for k in ("csv.gz", "jsonl.gz", "csv", "jsonl", "parquet", "json") if name.endswith("." + k))
    return Item(source or table, table, name, path, kind)


def run(con: duckdb.DuckDBPyConnection, items: list[Item], **said: Any) -> Normalized:
    """Normalize files, each source by its name; `said` holds the further words of every source."""
    specs = {(i.source, i.table): SourceColumns(i.source, i.table, **said) for i in items}
    return normalize(con, items, list(specs.values()))


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return con.execute(query).fetchall()


def reasons(con: duckdb.DuckDBPyConnection) -> Mapping[int, str]:
    """Why each row was set aside."""
    return dict(rows(con, "SELECT source_row, reason FROM quarantine ORDER BY 1"))


def slugs(done: Normalized) -> list[str]:
    """The problems' slugs, in order."""
    return [problem.slug for problem in done.problems]
