"""What lies in a session of Spark: views over files that never change, and relations of the desk sent along."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql import types as st
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from apportion.warehouse import durable, object_file, spark_files
from apportion.warehouse.engine import Written
from apportion.warehouse.exchange import Exchange
from apportion.warehouse.spark_errors import told
from apportion.warehouse.spark_files import BATCH_ROWS, FILE, ROW, Piece

# A larger table of the desk is joined by shuffling instead.
_BROADCAST_ROWS = 200_000

# What the session must say, whoever made it: the numbers of a run rest on it.
_SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
# A task reads row groups of a large file until it has as many rows.
_PIECE_ROWS = 1_000_000
_SIGNED = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
}
_KINDS: dict[type, str] = {
    st.StringType: "VARCHAR",
    st.LongType: "BIGINT",
    st.IntegerType: "INTEGER",
    st.ShortType: "SMALLINT",
    st.ByteType: "TINYINT",
    st.BooleanType: "BOOLEAN",
    st.DateType: "DATE",
    st.TimestampNTZType: "TIMESTAMP",
    st.TimestampType: "TIMESTAMP WITH TIME ZONE",
    st.DoubleType: "DOUBLE",
    st.FloatType: "FLOAT",
}


@dataclass(frozen=True)
class Files:
    """A table on the cluster.

    Attributes:
        view: Reads it.
        columns: Of all its files.
        paths: The files, which never change.
        rows: In all of them, if known.
    """

    view: str
    columns: st.StructType
    paths: tuple[str, ...]
    rows: int | None = None


class Session:
    """A session with the settings that exact numbers need.

    Args:
        spark: Of any kind: in process, on a cluster, or through Spark Connect. It stays open afterwards.
        exchange: Where workers that share no folder with the driver see its files; None where they share one.
    """

    def __init__(self, spark: SparkSession, exchange: Exchange | None = None) -> None:
        self._spark = spark
        self._exchange = exchange
        self._views: list[str] = []
        self._scans: dict[tuple[str, ...], str] = {}
        self._made = 0
        # A session may be shared, by another run or by people.
        self._own = f"apportion_{uuid.uuid4().hex[:8]}"
        for module in (spark_files, durable, object_file):
            cloudpickle.register_pickle_by_value(module)
        for setting, wanted in _SETTINGS.items():
            spark.conf.set(setting, wanted)

    def close(self) -> None:
        """Forget every view."""
        for view in self._views:
            self._spark.catalog.dropTempView(view)

    def query(self, text: str) -> DataFrame:
        """A query in Spark's own dialect, not run yet."""
        with world():
            return self._spark.sql(text)

    def read(self, name: str, paths: Sequence[str], columns: st.StructType | None, rows: int | None = None) -> Files:
        """Files as a table; their columns are read from them if not given."""
        with world():
            if self._exchange:
                frame = self._objects(self._exchange, paths, columns)
            else:
                frame = (self._spark.read.schema(columns) if columns else self._spark.read).parquet(*paths)
            return Files(self._view(name, frame), frame.schema, tuple(paths), rows)

    def scan(self, paths: tuple[str, ...]) -> str:
        """A view over files with `filename` and `file_row_number` as DuckDB gives them."""
        if paths not in self._scans:
            self._scans[paths] = self._view("files", self._numbered(paths))
        return self._scans[paths]

    def _numbered(self, paths: Sequence[str]) -> DataFrame:
        if self._exchange:
            return self._objects(self._exchange, paths, None, numbered=True)
        frame = self._spark.read.parquet(*paths)
        path = sf.regexp_replace(sf.url_decode(sf.col("_metadata.file_path")), "^file:(//)?", "")
        return frame.select("*", path.alias(FILE), sf.col("_metadata.row_index").alias(ROW))

    def _objects(
        self, exchange: Exchange, paths: Sequence[str], columns: st.StructType | None, *, numbered: bool = False
    ) -> DataFrame:
        """Files as workers read them that share no folder with the driver: one task for each piece of one."""
        files = [Path(path) for path in paths]
        wanted = columns or from_arrow_schema(_exact(exchange.schema(files[0])), prefer_timestamp_ntz=True)
        if numbered:
            wanted = st.StructType(
                [*wanted.fields, st.StructField(FILE, st.StringType()), st.StructField(ROW, st.LongType())]
            )
        pieces = [piece for file in files for piece in _pieces(file, exchange.key(file))]
        task = spark_files.reader(exchange.url, pieces, to_arrow_schema(wanted, timezone="UTC"))
        return self._spark.range(0, len(pieces), 1, len(pieces)).mapInArrow(task, wanted)

    def here(self, paths: Sequence[str]) -> list[Path]:
        """Files where the driver can read them."""
        return [self._exchange.here(Path(path)) if self._exchange else Path(path) for path in paths]

    def send(self, name: str, rows: pa.Table) -> str:
        """A relation of the desk, small enough to be given to every worker whole."""
        plain = _plain(rows)
        if rows.num_rows:
            frame = self._spark.createDataFrame(plain)
        else:
            frame = self._spark.createDataFrame([], from_arrow_schema(plain.schema, prefer_timestamp_ntz=True))
        return self._view(f"desk_{name}", sf.broadcast(frame) if rows.num_rows <= _BROADCAST_ROWS else frame)

    def drop(self, view: str) -> None:
        """Forget one view."""
        self._views.remove(view)
        self._spark.catalog.dropTempView(view)

    def write(self, frame: DataFrame, folder: Path, stem: str, control: str | None = None) -> list[Written]:
        """The rows of a query as Parquet, one file for each task that has any.

        Args:
            frame: The query.
            folder: Where the driver and all workers see the same files, or what of the exchange is called so.
            stem: What the names of the files begin with.
            control: A column whose exact sum is read back.
        """
        columns, stem = frame.columns, f"{stem}.{self._next()}"
        if self._exchange:
            place = self._exchange.prefix(folder)
            task = spark_files.writer(place, stem, columns, control, self._exchange.url)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            task = spark_files.writer(str(folder), stem, columns, control)
        with world():
            # A name with a dot in it would be taken for a field of a record.
            plain = frame.toDF(*(f"c{number}" for number in range(len(columns))))
            told = plain.mapInArrow(task, spark_files.ANSWER).toArrow().to_pylist()
        path = self._exchange.written if self._exchange else Path
        found = [Written(path(row["path"]), row["rows"], row["sha256"], row["control_sum"]) for row in told]
        return sorted(found, key=lambda file: file.path)

    def _view(self, name: str, frame: DataFrame) -> str:
        view = f"{self._own}_{re.sub(r'[^A-Za-z0-9_]+', '_', name)}_{self._next()}"
        frame.createOrReplaceTempView(view)
        self._views.append(view)
        return view

    def _next(self) -> int:
        self._made += 1
        return self._made


def kinds(columns: st.StructType) -> dict[str, str]:
    """Columns with DuckDB's types, in order."""
    return {field.name: _kind(field.dataType) for field in columns.fields}


def _kind(kind: st.DataType) -> str:
    if isinstance(kind, st.DecimalType):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if isinstance(kind, st.MapType):
        return f"MAP({_kind(kind.keyType)}, {_kind(kind.valueType)})"
    return _KINDS.get(type(kind)) or str(kind.simpleString()).upper()


def _pieces(file: Path, key: str) -> list[Piece]:
    """What tasks read of a file; one that is not here was written by one task, and is read by one."""
    if not file.exists():
        return [Piece(key, str(file))]
    pieces, groups, first, rows = [], [], 0, 0
    footer = pq.read_metadata(file)
    for number in range(footer.num_row_groups):
        groups.append(number)
        rows += footer.row_group(number).num_rows
        if rows >= _PIECE_ROWS or number == footer.num_row_groups - 1:
            pieces.append(Piece(key, str(file), first, tuple(groups)))
            groups, first, rows = [], first + rows, 0
    return pieces


def _exact(schema: pa.Schema) -> pa.Schema:
    """Columns in the types that Spark takes, none narrower than it was."""
    return pa.schema([field.with_type(_spark_type(field.type)) for field in schema])


def _spark_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return pa.string()
    return _SIGNED.get(kind, kind)


def _plain(table: pa.Table) -> pa.Table:
    """The same rows in the types that Spark takes."""
    return table.cast(_exact(table.schema))


@contextmanager
def world() -> Iterator[None]:
    """Say what goes wrong on a worker in our own words."""
    try:
        yield
    except PySparkException as error:
        if found := told(str(error)):
            raise found from error
        raise
