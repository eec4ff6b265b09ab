"""Spark, in process or on a cluster, beside DuckDB at the desk: the engine for more calls than one machine folds.

SQL runs where its data is. Bills, people and prices are read at the desk and stay there; calls, cells and what is
made of them lie on the cluster, and a text that reads any of that runs there, with the tables of the desk sent along.
What such a text makes is written to Parquet in the run's staging folder, so that a lost worker costs one step, no
plan grows from step to step, and the driver holds nothing but totals: a result of no more than `desk_rows` rows,
which any broadcast join would bring to the driver as well, is read back at the desk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from apportion.warehouse.duckdb_engine import DuckDBEngine, refuse_inexact
from apportion.warehouse.engine import Params, Written
from apportion.warehouse.exchange import Exchange
from apportion.warehouse.quoting import literal, query_of
from apportion.warehouse.quoting import name as quoted
from apportion.warehouse.spark_session import Files, Session, kinds, world
from apportion.warehouse.spark_sql import Translator
from apportion.warehouse.statements import Kind, Statement, reads, statements
from apportion.warehouse.steps import fill, step_text

DESK_ROWS = 20_000


class SparkEngine:
    """A session of Spark and a desk.

    Args:
        spark: Of any kind: in process, on a cluster, or through Spark Connect. It stays open when the engine closes.
        desk: For everything that is small; its owner closes it.
        staging: A folder for what steps make; its owner empties it.
        exchange: Where workers that share no folder with the driver see its files; None where they see `staging`.
        desk_rows: The most rows of a result that are read back at the desk.
    """

    name = "spark"
    rows_per_slice = None
    plain_calls_only = True
    failures = (duckdb.Error, PySparkException)

    def __init__(
        self,
        spark: SparkSession,
        desk: DuckDBEngine,
        staging: Path,
        exchange: Exchange | None = None,
        *,
        desk_rows: int = DESK_ROWS,
    ) -> None:
        self.finds_objects = exchange is not None
        self._session = Session(spark, exchange)
        self._desk = desk
        self._staging = staging
        self._desk_rows = desk_rows
        self._tables: dict[str, Files] = {}
        self._views: dict[str, str] = {}
        self._calls: set[str] = set()
        # What of the desk was sent, with the number of changes that it then had.
        self._sent: dict[str, tuple[str, int]] = {}
        self._changes: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._sql = Translator(self._inlined, self._placed, self._session.scan)

    def close(self) -> None:
        """Forget every table; the session stays."""
        self._session.close()

    @property
    def desk(self) -> DuckDBEngine:
        """DuckDB in this process."""
        return self._desk

    def run(self, sql: str, params: Params = None) -> None:
        """Execute SQL, one query or several, and drop what it answers."""
        for one in statements(_bound(sql, params)):
            self._do(one)

    def fetch(self, sql: str, params: Params = None) -> list[tuple[Any, ...]]:
        """The rows of a query; on the cluster it must be one of totals."""
        text = _bound(sql, params)
        if not self._is_far(text):
            return self._desk.fetch(text)
        columns = [column.to_pylist() for column in self._arrow(text).columns]
        return list(zip(*columns, strict=True))

    def value(self, sql: str, params: Params = None) -> Any:
        """The first column of the first row of a query; None without rows."""
        rows = self.fetch(sql, params)
        return rows[0][0] if rows else None

    def records(self, sql: str, params: Params = None) -> list[dict[str, Any]]:
        """The rows of a query by column name."""
        text = _bound(sql, params)
        return list(self._arrow(text).to_pylist()) if self._is_far(text) else self._desk.records(text)

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
        text = fill(step_text(step, beside) if step.endswith(".sql") and beside else step, columns, bindings)
        kind = "VIEW" if view else "TABLE"
        made = f"CREATE OR REPLACE {kind} {quoted(into)} AS\n{text.rstrip().rstrip(';')}" if into else text
        try:
            self.run(made)
        except (PySparkException, sqlglot.ParseError) as error:
            error.add_note(f"in the step {step if step.endswith('.sql') else text}")
            raise

    def table(self, name: str) -> pa.Table:
        """A whole table or view as Arrow."""
        return self._arrow(f"SELECT * FROM {quoted(name)}") if self._lies_far(name) else self._desk.table(name)

    def exists(self, name: str) -> bool:
        """Whether there is a table or view of that name."""
        return name.lower() in self._tables or name.lower() in self._views or self._desk.exists(name)

    def describe(self, query: str) -> dict[str, str]:
        """The columns of a table, view or query, with DuckDB's types, in order."""
        source = query_of(query)
        return kinds(self._frame(source).schema) if self._is_far(source) else self._desk.describe(query)

    def register(self, name: str, arrow: pa.Table | pa.RecordBatchReader) -> None:
        """Make the rows of an Arrow table a table of the desk, replacing what had its name."""
        self._forget(name)
        self._desk.register(name, arrow)

    def use_view(self, name: str, paths: Sequence[str | Path], schema: Mapping[str, str] | None = None) -> None:
        """Make Parquet files readable as one view: at the desk if this engine wrote them and they are small."""
        files = [str(path) for path in paths]
        self._forget(name)
        if sum(self._rows.get(file, self._desk_rows + 1) for file in files) <= self._desk_rows:
            self._desk.use_view(name, self._session.here(files), schema)
        else:
            self._desk.drop(name)
            self._tables[name.lower()] = self._session.read(name, files, None)

    def view_calls(self, name: str, query: str) -> None:
        """Make a query over files of calls readable under a name; it runs on the cluster."""
        self.drop(name)
        self._views[name.lower()] = query
        self._calls.add(name.lower())

    def bring(self, name: str) -> None:
        """Have a table of totals at the desk, however many rows it has."""
        held = self._tables.get(name.lower())
        if held:
            self._forget(name)
            self._at_desk(name, kinds(held.columns), held.paths)

    def drop(self, name: str) -> None:
        """Forget a table or view, if there is one."""
        self._forget(name)
        self._desk.drop(name)

    def write_parquet(self, query: str, path: Path, control: str | None = None) -> list[Written]:
        """Write a table, view or query to Parquet: one file from the desk, one for each task from the cluster.

        Raises:
            InvariantError: A column is DOUBLE or FLOAT, or other rows were read back than written.
        """
        source = query_of(query)
        if not self._is_far(source):
            written = self._desk.write_parquet(query, path, control)
        else:
            frame = self._frame(source)
            columns = kinds(frame.schema)
            refuse_inexact(columns, path)
            written = self._session.write(frame, path.parent, path.name.removesuffix(".parquet"), control)
            if not written:
                written = self._desk.write_parquet(f"SELECT {_typed(columns, {})} WHERE FALSE", path, control)
        self._rows |= {str(file.path): file.rows for file in written}
        return written

    def _do(self, one: Statement) -> None:
        reads_far = one.kind is not Kind.DROP and self._is_far(one.body)
        match one.kind:
            case Kind.MAKE_VIEW:
                self._forget(one.target)
                if reads_far:
                    self._desk.drop(one.target)
                else:
                    self._desk.sql_step(one.body, into=one.target, view=True)
                self._views[one.target] = one.body
            case Kind.MAKE_TABLE if reads_far:
                self._make(one.target, one.body)
            case Kind.MAKE_TABLE:
                self._forget(one.target)
                self._desk.sql_step(one.body, into=one.target)
            case Kind.INSERT if reads_far or one.target in self._tables:
                self._append(one)
            case Kind.DELETE if reads_far or one.target in self._tables:
                kept = f"COALESCE(NOT ({one.body}), TRUE)" if one.body else "FALSE"
                self._make(one.target, f"SELECT * FROM {quoted(one.target)} WHERE {kept}")
            case Kind.QUERY if reads_far:
                self._arrow(one.text)
            case Kind.INSERT | Kind.DELETE:
                self._changed(one.target)
                self._desk.run(one.text)
            case Kind.DROP:
                self.drop(one.target)
            case _:
                self._forget(one.target)
                self._desk.run(one.text)

    def _make(self, name: str, query: str) -> None:
        """A table from a query of the cluster."""
        frame = self._frame(query)
        files = self._session.write(frame, self._staging, name)
        paths, rows = [str(file.path) for file in files], sum(file.rows for file in files)
        self._hold(name, kinds(frame.schema), paths, rows, frame.schema)

    def _append(self, one: Statement) -> None:
        """Rows into a table, of which it or they are on the cluster; what it has is not written again."""
        name, source = one.target, one.body
        columns = self.describe(name)
        # Both are matched by place, as an INSERT does.
        given = dict(zip(one.columns or columns, self.describe(source), strict=True))
        held = self._tables.get(name)
        if held:
            before, rows = list(held.paths), held.rows or 0
        else:
            kept = self._desk.write_parquet(name, self._staging / f"{name}.{len(self._rows)}.parquet")
            before, rows = [str(file.path) for file in kept], sum(file.rows for file in kept)
        added = self.write_parquet(
            f"SELECT {_typed(columns, given)} FROM ({source}) AS added",
            self._staging / f"{name}.{len(self._rows)}.added.parquet",
        )
        paths = [*before, *(str(file.path) for file in added)]
        self._hold(name, columns, paths, rows + sum(file.rows for file in added))

    def _hold(
        self, name: str, columns: Mapping[str, str], paths: Sequence[str], rows: int, schema: StructType | None = None
    ) -> None:
        """Files become a table: on the cluster, or at the desk if it is small."""
        self.drop(name)
        if rows <= self._desk_rows:
            self._at_desk(name, columns, paths)
        else:
            self._tables[name] = self._session.read(name, paths, schema, rows)

    def _at_desk(self, name: str, columns: Mapping[str, str], paths: Sequence[str]) -> None:
        listed = ", ".join(literal(str(path)) for path in self._session.here(paths))
        source = f" FROM read_parquet([{listed}], union_by_name = true)" if paths else " WHERE FALSE"
        typed = _typed(columns, dict(zip(columns, columns, strict=True)) if paths else {})
        self._desk.run(f"CREATE OR REPLACE TABLE {quoted(name)} AS SELECT {typed}{source}")

    def _is_far(self, text: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a text reads anything that lies on the cluster."""
        return any(self._lies_far(name, seen) for name in reads(text))

    def _lies_far(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        key = name.lower()
        if key in self._tables or key in self._calls:
            return True
        return key in self._views and key not in seen and self._is_far(self._views[key], seen | {key})

    def _arrow(self, text: str) -> pa.Table:
        with world():
            return self._frame(text).toArrow()

    def _frame(self, text: str) -> DataFrame:
        return self._session.query(self._sql.translate(text))

    def _inlined(self, name: str) -> str | None:
        """The text of a view that reads the cluster: it is put in where it is read, so that it is never stale."""
        return self._views[name] if name in self._views and self._lies_far(name) else None

    def _placed(self, name: str) -> str:
        """The view that has a table of the cluster, or one of the desk, which is sent again only if it has changed."""
        if name in self._tables:
            return self._tables[name].view
        changes = self._stamp(name)
        view, known = self._sent.get(name, (None, None))
        if view is None or known != changes:
            refuse_inexact(self._desk.describe(name), Path("sent") / name / "desk")
            fresh = self._session.send(name, self._desk.table(name))
            if view:
                self._session.drop(view)
            self._sent[name] = (fresh, changes)
        return self._sent[name][0]

    def _stamp(self, name: str) -> int:
        """A number that grows whenever a relation of the desk, or one that it reads, is changed."""
        read = reads(self._views[name]) - {name} if name in self._views else set()
        return self._changes.get(name, 0) + sum(self._stamp(one) for one in read)

    def _forget(self, name: str) -> None:
        key = name.lower()
        self._tables.pop(key, None)
        self._views.pop(key, None)
        self._calls.discard(key)
        self._changed(key)

    def _changed(self, name: str) -> None:
        self._changes[name] = self._changes.get(name, 0) + 1


def _typed(columns: Mapping[str, str], given: Mapping[str, str]) -> str:
    """Columns in their types, each from what is given for it, else NULL."""
    by_name = {column.lower(): source for column, source in given.items()}
    return ", ".join(
        f"CAST({quoted(by_name[column.lower()]) if column.lower() in by_name else 'NULL'} AS {kind})"
        f" AS {quoted(column)}"
        for column, kind in columns.items()
    )


def _bound(sql: str, params: Params) -> str:
    """A text with its values put in."""
    if not params:
        return sql
    if isinstance(params, Mapping):
        return fill(sql, None, params)
    return fill(sql, None, {str(number): value for number, value in enumerate(params, start=1)})
