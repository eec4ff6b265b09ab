"""What lies in a session of Spark: views over files that never change, and relations of the desk sent along."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark import cloudpickle
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql import types as st
from pyspark.sql.pandas.types import from_arrow_schema

from apportion.errors import ApportionError
from apportion.warehouse import durable, spark_files
from apportion.warehouse.engine import Written

# A larger table of the desk is joined by shuffling instead.
_BROADCAST_ROWS = 200_000

# What the session must say, whoever made it: the numbers of a run rest on it.
_SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "40960",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}
_ROW = "file_row_number"
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
    """

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark
        self._views: list[str] = []
        self._scans: dict[tuple[str, ...], str] = {}
        self._made = 0
        # A session may be shared, by another run or by people.
        self._own = f"apportion_{uuid.uuid4().hex[:8]}"
        for module in (spark_files, durable):
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
        reader = self._spark.read.schema(columns) if columns else self._spark.read
        with world():
            frame = reader.parquet(*paths)
            return Files(self._view(name, frame), frame.schema, tuple(paths), rows)

    def scan(self, paths: tuple[str, ...]) -> str:
        """A view over files with `filename` and `file_row_number` as DuckDB gives them."""
        if paths not in self._scans:
            frame = self._spark.read.parquet(*paths)
            path = sf.regexp_replace(sf.url_decode(sf.col("_metadata.file_path")), "^file:(//)?", "")
            row = sf.col("_metadata.row_index")
            self._scans[paths] = self._view("files", frame.select("*", path.alias("filename"), row.alias(_ROW)))
        return self._scans[paths]

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
            folder: Where the driver and all workers see the same files.
            stem: What the names of the files begin with.
            control: A column whose exact sum is read back.
        """
        folder.mkdir(parents=True, exist_ok=True)
        columns = frame.columns
        task = spark_files.writer(str(folder), f"{stem}.{self._next()}", columns, control)
        with world():
            # A name with a dot in it would be taken for a field of a record.
            plain = frame.toDF(*(f"c{number}" for number in range(len(columns))))
            told = plain.mapInArrow(task, spark_files.ANSWER).toArrow().to_pylist()
        found = [Written(Path(row["path"]), row["rows"], row["sha256"], row["control_sum"]) for row in told]
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


def _plain(table: pa.Table) -> pa.Table:
    """The same rows in the types that Spark takes."""
    views = (pa.types.is_string_view, pa.types.is_large_string)
    fields = [f.with_type(pa.string()) if any(is_one(f.type) for is_one in views) else f for f in table.schema]
    return table.cast(pa.schema(fields))


@contextmanager
def world() -> Iterator[None]:
    """Say what the cluster ran out of in our own words."""
    try:
        yield
    except PySparkException as error:
        if "No space left" not in str(error):
            raise
        raise ApportionError(
            "disk-full",
            "The disk of a worker is full.",
            cure="Free some space, then run again; the last good run is still current.",
            retry=True,
        ) from error
