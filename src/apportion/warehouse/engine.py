"""What a stage needs of an engine: run SQL, look at tables, write Parquet.

Stages are written against this contract only, so that the same step texts run in process on DuckDB or on a
cluster. Every text is in DuckDB's dialect, whatever runs it. Tables and views live in the engine for the length
of one run; what lasts is Parquet.

Every engine has a desk: DuckDB in the process that drives the run, for what people write and bill, which is never
large. Calls and what is made of them may lie elsewhere. SQL runs where its data is, so that a stage need not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import pyarrow as pa

if TYPE_CHECKING:
    from apportion.warehouse.duckdb_engine import DuckDBEngine

Params: TypeAlias = Sequence[object] | Mapping[str, object] | None


@dataclass(frozen=True)
class Written:
    """A Parquet file that is whole on disk.

    Attributes:
        path: Where.
        rows: How many rows it holds, read back from it.
        sha256: Of its bytes.
        control_sum: The exact sum of the column that was asked for, as text; None without one.
    """

    path: Path
    rows: int
    sha256: str
    control_sum: str | None = None


class Engine(Protocol):
    """One engine, used by one thread."""

    @property
    def name(self) -> str:
        """The dialect: a key of `steps.EXACT`."""

    @property
    def desk(self) -> DuckDBEngine:
        """DuckDB in this process, which holds what bills and directories say."""

    @property
    def rows_per_slice(self) -> int | None:
        """About how many calls are folded at once; None where a whole period is."""

    @property
    def plain_calls_only(self) -> bool:
        """Whether Parquet of calls is converted first unless every column has the type that is meant for it."""

    @property
    def finds_objects(self) -> bool:
        """Whether it reads what is published in an object store there, without a copy on this machine."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What it raises where it cannot read a file."""

    def run(self, sql: str, params: Params = None) -> None:
        """Execute SQL and drop what it answers."""

    def fetch(self, sql: str, params: Params = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def value(self, sql: str, params: Params = None) -> Any:
        """The first column of the first row of a query; None without rows."""

    def records(self, sql: str, params: Params = None) -> list[dict[str, Any]]:
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

    def bring(self, name: str) -> None:
        """Have a table of totals at the desk: one whose rows do not grow with the calls."""

    def drop(self, name: str) -> None:
        """Forget a table or view, if there is one."""

    def view_calls(self, name: str, query: str) -> None:
        """Make a query over files of calls readable under a name, to be read where the engine reads large files."""

    def write_parquet(self, query: str, path: Path, control: str | None = None) -> list[Written]:
        """Write a table, view or query to Parquet: one file of that name, or several beside it, whole or not at all."""
