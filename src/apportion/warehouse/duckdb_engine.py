"""DuckDB in process: the default engine.

The database is in memory and spills into a folder of the run, so nothing locks another process out.
Extensions are downloads and are never looked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from apportion.errors import ApportionError, InvariantError
from apportion.warehouse.durable import settle
from apportion.warehouse.engine import Params, Written
from apportion.warehouse.quoting import literal, query_of
from apportion.warehouse.quoting import name as quoted
from apportion.warehouse.steps import fill, macros, step_text

_INEXACT = ("DOUBLE", "FLOAT", "REAL", "HUGEINT", "BIGNUM", "INT128", "UINT128")
# Each thread holds a row group of every column until it is written. What the first level of zstd leaves out is a
# tenth of the time, and files are no larger: their columns are dictionaries already.
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 16384, WRITE_BLOOM_FILTER false"

ROWS_PER_SLICE = 700_000


class DuckDBEngine:
    """An in-memory DuckDB that spills to disk.

    Args:
        scratch: A folder for as long as it works; spilled data goes into its `tmp`.
        memory_limit: What DuckDB may hold, as it spells it (`512MB`, `2GB`); None leaves its default.
        threads: How many it may use; None means one per core.
        keep_order: Whether row order survives a query without ORDER BY; costs memory.
    """

    name = "duckdb"
    rows_per_slice = ROWS_PER_SLICE
    plain_calls_only = False
    finds_objects = False
    failures = (duckdb.Error,)

    def __init__(
        self,
        scratch: Path | None = None,
        *,
        memory_limit: str | None = None,
        threads: int | None = None,
        keep_order: bool = False,
    ) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            # A local variable of ours must never be mistaken for a table that a step misspelt.
            "python_enable_replacements": "false",
            "preserve_insertion_order": "true" if keep_order else "false",
        }
        if memory_limit:
            config["memory_limit"] = memory_limit
        if threads:
            config["threads"] = str(threads)
        if scratch:
            spill = scratch / "tmp"
            spill.mkdir(parents=True, exist_ok=True)
            config["temp_directory"] = str(spill)
        self._connection = duckdb.connect(":memory:", config=config)
        self._set_up()
        for macro in macros("duckdb"):
            self._connection.execute(macro)

    def _set_up(self) -> None:
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop every table and free the memory."""
        self._connection.close()

    def cursor(self) -> DuckDBEngine:
        """The same tables, for another thread."""
        other = object.__new__(DuckDBEngine)
        other._connection = self._connection.cursor()
        other._set_up()
        return other

    @property
    def desk(self) -> DuckDBEngine:
        """Itself: everything lies in this process."""
        return self

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's own connection, for what the contract leaves out."""
        return self._connection

    def run(self, sql: str, params: Params = None) -> None:
        """Execute SQL, one query or several, and drop what it answers."""
        self._execute(sql, params)

    def fetch(self, sql: str, params: Params = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with world():
            return self._execute(sql, params).fetchall()

    def value(self, sql: str, params: Params = None) -> Any:
        """The first column of the first row of a query; None without rows."""
        rows = self.fetch(sql, params)
        return rows[0][0] if rows else None

    def records(self, sql: str, params: Params = None) -> list[dict[str, Any]]:
        """The rows of a query by column name."""
        with world():
            cursor = self._execute(sql, params)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

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
        """Run a step.

        Args:
            step: A file name ending in `.sql`, or the SQL itself.
            beside: The package that the file lies in, as `__package__` says it.
            columns: The names behind each `columns_of('...')`.
            into: The step is one query, and its rows become the table of this name.
            view: They become a view instead: nothing is computed until it is read.
            bindings: The values behind each `$name`.

        Raises:
            InvariantError: The step names a list or value that was not given.
        """
        text = step_text(step, beside) if step.endswith(".sql") and beside else step
        text = fill(text, columns, bindings)
        if into is None:
            self._execute(text, None, step)
            return
        kind = "VIEW" if view else "TABLE"
        self._make_room(into, kind)
        self._execute(f"CREATE OR REPLACE {kind} {quoted(into)} AS\n{text.rstrip().rstrip(';')}", None, step)

    def table(self, name: str) -> pa.Table:
        """A whole table or view as Arrow."""
        with world():
            return self._connection.sql(f"SELECT * FROM {quoted(name)}").to_arrow_table()

    def exists(self, name: str) -> bool:
        """Whether there is a table or view of that name."""
        return self._kind(name) is not None

    def describe(self, query: str) -> dict[str, str]:
        """The columns of a table, view or query, with DuckDB's types, in order."""
        return {name: kind for name, kind, *_ in self.fetch(f"DESCRIBE {query_of(query)}")}

    def register(self, name: str, arrow: pa.Table | pa.RecordBatchReader) -> None:
        """Make the rows of an Arrow table a table of that name, replacing what had it.

        They are copied in: a registered relation would hide a table that a later step makes under its name.
        """
        self._make_room(name, "TABLE")
        self._connection.register("arrow_rows", arrow)
        try:
            self._execute(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT * FROM arrow_rows")
        finally:
            self._connection.unregister("arrow_rows")

    def use_view(self, name: str, paths: Sequence[str | Path], schema: Mapping[str, str] | None = None) -> None:
        """Make Parquet files readable as one view; columns meet by name.

        Args:
            name: Of the view.
            paths: The files, exactly these.
            schema: Column names and types of the empty view that no files make.

        Raises:
            InvariantError: There are neither files nor a schema.
        """
        self._make_room(name, "VIEW")
        if paths:
            listed = ", ".join(literal(str(path)) for path in paths)
            source = f"SELECT * FROM read_parquet([{listed}], union_by_name = true)"
        elif schema:
            typed = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(column)}" for column, kind in schema.items())
            source = f"SELECT {typed} WHERE false"
        else:
            raise InvariantError("L3", f"files of the view {name}", "at least one, or a schema", 0)
        self._execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {source}")

    def bring(self, name: str) -> None:
        """Nothing: every table is here."""

    def drop(self, name: str) -> None:
        """Forget a table or view, if there is one."""
        kind = self._kind(name)
        if kind:
            self._execute(f"DROP {kind} {quoted(name)}")

    def view_calls(self, name: str, query: str) -> None:
        """Make a query over files of calls readable under a name."""
        self._make_room(name, "VIEW")
        self._execute(f"CREATE OR REPLACE VIEW {quoted(name)} AS {query}")

    def write_parquet(self, query: str, path: Path, control: str | None = None) -> list[Written]:
        """Write a table, view or query to one Parquet file, whole or not at all.

        The file appears under its name only when its last byte is on disk.

        Args:
            query: A name, or a query.
            path: The file; its folder is made.
            control: A column whose exact sum is read back from the file.

        Raises:
            InvariantError: A column is DOUBLE, FLOAT or HUGEINT (Parquet stores HUGEINT as DOUBLE without
                a word), or the file holds fewer rows than were written.
        """
        source = query_of(query)
        columns = self.describe(source)
        refuse_inexact(columns, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            target = f"{literal(str(partial))} ({_PARQUET})"
            written = self.value(f"COPY ({source}) TO {target}")
            total = "NULL"
            if control:
                wide = columns[control] if columns[control].startswith("DECIMAL") else "HUGEINT"
                total = f"CAST(COALESCE(SUM(CAST({quoted(control)} AS {wide})), 0) AS VARCHAR)"
            ((rows, summed),) = self.fetch(f"SELECT COUNT(*), {total} FROM read_parquet([{literal(str(partial))}])")
            if written != rows:
                raise InvariantError("L1", f"rows of {path.name} read back", written, rows)
            sha256 = settle(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return [Written(path, int(rows), sha256, summed)]

    def _execute(self, sql: str, params: Params = None, step: str | None = None) -> duckdb.DuckDBPyConnection:
        with world():
            try:
                return self._connection.execute(sql, params)
            except duckdb.Error as error:
                if step:
                    error.add_note(f"in the step {step if step.endswith('.sql') else sql}")
                raise

    def _kind(self, name: str) -> str | None:
        # Fetched to the end: an open result would keep the connection busy.
        found = self._connection.execute(
            "SELECT 'VIEW' FROM duckdb_views() WHERE lower(view_name) = lower($1)"
            " UNION ALL SELECT 'TABLE' FROM duckdb_tables() WHERE lower(table_name) = lower($1)",
            [name],
        ).fetchall()
        return str(found[0][0]) if found else None

    def _make_room(self, name: str, kind: str) -> None:
        # A table does not replace a view, nor the other way round.
        other = "TABLE" if kind == "VIEW" else "VIEW"
        with suppress(duckdb.CatalogException):
            self._connection.execute(f"DROP {other} IF EXISTS {quoted(name)}")


# How the engine's own texts say it.
_FULL = ("No space left", "File too large", "quota exceeded")
_REFUSED = ("Permission denied", "Read-only file system", "Not a directory")


@contextmanager
def world() -> Iterator[None]:
    """Say what the machine ran out of in our own words."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ApportionError(
            "memory-exhausted",
            f"The engine needs more memory than it may use. {_first_line(error)}",
            cure="Raise the memory limit, use fewer threads, or free space for the spill folder.",
        ) from error
    except duckdb.IOException as error:
        if any(sign in str(error) for sign in _REFUSED):
            raise ApportionError(
                "cannot-write",
                f"The engine cannot write: {_first_line(error)}",
                cure="Check that this account may write to the project's `.apportion` folder.",
            ) from error
        if not any(sign in str(error) for sign in _FULL):
            raise
        raise ApportionError(
            "disk-full",
            f"The disk is full. {_first_line(error)}",
            cure="Free some space, then run again; the last good run is still current.",
            retry=True,
        ) from error


def refuse_inexact(columns: Mapping[str, str], path: Path) -> None:
    """Refuse to write a column that holds no exact values.

    Raises:
        InvariantError: A column is DOUBLE, FLOAT or HUGEINT (Parquet stores HUGEINT as DOUBLE without a word).
    """
    for column, kind in columns.items():
        if any(bad in kind for bad in _INEXACT):
            raise InvariantError("L5", f"type of {path.parent.parent.name}.{column}", "an exact one", kind)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
