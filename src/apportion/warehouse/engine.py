"""What a stage needs of an engine: run SQL, look at tables, write Parquet.

Stages are written against this contract only, so that the same step texts run in process on DuckDB or on a
cluster. Tables and views live in the engine for the length of one run; what lasts is Parquet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa


@dataclass(frozen=True)
class Written:
    """A Parquet file that is whole on disk.

    Attributes:
        path: Where.
        rows: How many rows it holds, read back from it.
        sha256: Of its bytes.
    """

    path: Path
    rows: int
    sha256: str


class Engine(Protocol):
    """One engine, used by one thread; `cursor()` gives another thread its own."""

    @property
    def name(self) -> str:
        """The dialect: a key of `steps.EXACT`."""

    def run(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> None:
        """Execute SQL and drop what it answers."""

    def fetch(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def value(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> Any:
        """The first column of the first row of a query; None without rows."""

    def records(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """The rows of a query by column name."""

    def sql_step(
        self,
        step: str,
        *,
        beside: str | None = None,
        columns: Mapping[str, Sequence[str]] | None = None,
        into: str | None = None,
        view: bool = False,
        **bindings: object,
    ) -> None:
        """Run a step: a `.sql` file beside a package, or its text."""

    def table(self, name: str) -> pa.Table:
        """A whole table or view as Arrow."""

    def exists(self, name: str) -> bool:
        """Whether there is a table or view of that name."""

    def describe(self, query: str) -> dict[str, str]:
        """The columns of a table, view or query, with the engine's types, in order."""

    def register(self, name: str, arrow: pa.Table | pa.RecordBatchReader) -> None:
        """Make an Arrow table readable under a name, replacing what had it."""

    def use_view(self, name: str, paths: Sequence[str | Path], schema: Mapping[str, str] | None = None) -> None:
        """Make Parquet files readable as one view."""

    def drop(self, name: str) -> None:
        """Forget a table or view, if there is one."""

    def write_parquet(self, query: str, path: Path) -> Written:
        """Write a table, view or query to one Parquet file, whole or not at all."""

    def cursor(self) -> Engine:
        """The same tables, for another thread."""
