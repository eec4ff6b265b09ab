"""Files of calls for the tests of usage, and what they become."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from apportion.normalize.usage import BUCKETS, PreparedUsage, UsageSource, prepare_usage
from apportion.warehouse import DuckDBEngine
from apportion.warehouse.steps import macros


def at(*parts: int) -> datetime:
    """An instant as the usage columns have it: UTC, without saying so."""
    return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001 - year, month, day and perhaps more


NOON = at(2026, 11, 15, 12)
TOKENS = ", ".join(f"{bucket}_tokens" for bucket in BUCKETS)


@dataclass(frozen=True)
class File:
    name: str
    local_path: Path
    format: str


def parquet(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "calls.parquet", **options: Any) -> File:
    path = folder / name
    schema = options.pop("schema", None)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), path, **options)
    return File(name, path, "parquet")


def written(folder: Path, name: str, content: str | bytes) -> File:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return File(name, path, name.split(".", 1)[1])


def call(**given_: Any) -> dict[str, Any]:
    plain = {"called_at": NOON, "provider": "openai", "model": "m", "input_tokens": 100, "output_tokens": 7}
    return {**plain, **given_}


def prepared(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    *files: File,
    source: UsageSource | None = None,
    **options: Any,
) -> PreparedUsage:
    engine = object.__new__(DuckDBEngine)
    engine._connection = con
    for macro in macros("duckdb"):
        con.execute(macro)
    return prepare_usage(engine, files, source or UsageSource("calls"), staging=folder / "staging", **options)


def rows(con: duckdb.DuckDBPyConnection, usage: PreparedUsage, columns: str) -> list[tuple[Any, ...]]:
    found = []
    for slice_ in usage.slices:
        found += con.execute(f"SELECT {columns} FROM ({slice_.sql})").fetchall()
    return found


def one(con: duckdb.DuckDBPyConnection, usage: PreparedUsage, columns: str) -> tuple[Any, ...]:
    found = rows(con, usage, columns)
    assert len(found) == 1, found
    return found[0]
