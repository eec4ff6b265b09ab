"""What Spark's tasks do with files: each writes its rows to a Parquet file of its own and tells what is in it.

The functions are sent to the workers as they are, so that a worker needs pyarrow, obstore where files lie in an object
store, and nothing of apportion. A file that a failed or a repeated attempt wrote is in no answer, and what is in no
answer is never listed anywhere.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apportion.warehouse.durable import settle
from apportion.warehouse.object_file import ObjectFile

ANSWER = "path string, rows bigint, sha256 string, control_sum string"
_TOLD = pa.schema([("path", pa.string()), ("rows", pa.int64()), ("sha256", pa.string()), ("control_sum", pa.string())])
FILE, ROW = "filename", "file_row_number"
# As many rows as a session's `maxRecordsPerBatch`.
BATCH_ROWS = 40_960

Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Piece:
    """What one task reads.

    Attributes:
        key: The object, below the store's prefix.
        shown: What the file is called in `filename`.
        first: The number of its first row in the file, from 0.
        groups: Which row groups; None for all.
    """

    key: str
    shown: str
    first: int = 0
    groups: tuple[int, ...] | None = None


def writer(place: str, stem: str, columns: Sequence[str], control: str | None, store: str | None = None) -> Task:
    """The function that writes one task's rows.

    Args:
        place: A folder where all workers and the driver see the same files; with `store`, a prefix in it.
        stem: What the names of the files begin with.
        columns: What the columns are called in the files, in the order in which they come.
        control: A column whose exact sum is read back.
        store: The URL of an object store.

    Returns:
        A function for `mapInArrow`, whose rows are `ANSWER`.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        name = f"{stem}-{uuid.uuid4().hex[:12]}.parquet"
        if store is None:
            rows, sha256, total = _written(batches, Path(place) / name, columns, control)
        else:
            with tempfile.TemporaryDirectory(prefix="apportion-") as folder:
                rows, sha256, total = _written(batches, Path(folder) / name, columns, control)
                if rows:
                    _send(Path(folder) / name, store, f"{place}/{name}")
        if rows:
            told = {"path": f"{place}/{name}", "rows": rows, "sha256": sha256, "control_sum": total}
            yield pa.RecordBatch.from_pylist([told], _TOLD)

    return write


def _written(
    batches: Iterator[pa.RecordBatch], path: Path, columns: Sequence[str], control: str | None
) -> tuple[int, str, str | None]:
    """Write rows to a file that is whole under its name: how many, its SHA-256, the sum. Without rows, no file."""
    file: pq.ParquetWriter | None = None
    partial = path.with_name(f".{path.name}.partial")
    rows = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        if file is None:
            partial.parent.mkdir(parents=True, exist_ok=True)
            schema = pa.schema([field.with_name(name) for field, name in zip(batch.schema, columns, strict=True)])
            file = pq.ParquetWriter(partial, schema, compression="zstd")
        file.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=file.schema))
        rows += batch.num_rows
    if file is None:
        return 0, "", None
    file.close()
    found = pq.read_metadata(partial).num_rows
    if found != rows:
        raise OSError(f"{path.name}: {rows} rows written, {found} read back")
    return rows, settle(partial, path), summed(path, control) if control else None


def _send(file: Path, store: str, key: str) -> None:
    """Upload a file, and make sure that all of it arrived."""
    import obstore
    from obstore.store import from_url

    opened = from_url(store)
    obstore.put(opened, key, file)
    arrived, size = obstore.head(opened, key)["size"], file.stat().st_size
    if arrived != size:
        raise OSError(f"{store}/{key}: {size} bytes were sent, {arrived} arrived")


def reader(store: str, pieces: Sequence[Piece], schema: pa.Schema) -> Task:
    """The function that reads pieces of Parquet objects.

    Args:
        store: The URL of an object store.
        pieces: What there is to read.
        schema: What every batch has; a column that a file does not have is NULL there. `FILE` and `ROW` are the
            piece's own.

    Returns:
        A function for `mapInArrow` over numbers of pieces.
    """

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from obstore.store import from_url

        opened = from_url(store)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                piece = pieces[number]
                file = pq.ParquetFile(ObjectFile(opened, piece.key), pre_buffer=True)
                has = set(file.schema_arrow.names)
                wanted = [name for name in schema.names if name in has]
                row = piece.first
                for record in file.iter_batches(BATCH_ROWS, piece.groups, wanted):
                    columns = [_column(record, piece, row, field) for field in schema]
                    yield pa.RecordBatch.from_arrays(columns, schema=schema)
                    row += record.num_rows

    return read


def _column(record: pa.RecordBatch, piece: Piece, row: int, field: pa.Field) -> pa.Array:
    """One column of a batch, in the type that it is to have."""
    if field.name in record.schema.names:
        # Only an instant may lose digits: those below a microsecond, which no engine keeps.
        return record.column(field.name).cast(field.type, safe=not pa.types.is_timestamp(field.type))
    if field.name == FILE:
        return pa.repeat(pa.scalar(piece.shown, field.type), record.num_rows)
    if field.name == ROW:
        return pa.array(range(row, row + record.num_rows), field.type)
    return pa.nulls(record.num_rows, field.type)


def summed(path: Path, column: str) -> str:
    """The exact sum of a column of whole numbers or decimals, read back from a file."""
    values = pq.read_table(path, columns=[column]).column(0)
    scale = values.type.scale if pa.types.is_decimal(values.type) else 0
    # Whole numbers are summed as decimals: a sum of 64-bit integers would wrap without a word.
    total = pc.sum(values.cast(pa.decimal128(38, scale))).as_py()
    return f"{total:f}" if total is not None else "0"
