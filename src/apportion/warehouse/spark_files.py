"""What Spark's tasks do with files: each writes its rows to a Parquet file of its own and tells what is in it.

The functions are sent to the workers as they are, so that a worker needs pyarrow and nothing of apportion. A file
that a failed or a repeated attempt wrote is in no answer, and what is in no answer is never listed anywhere.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apportion.warehouse.durable import settle

ANSWER = "path string, rows bigint, sha256 string, control_sum string"


def writer(
    folder: str, stem: str, columns: Sequence[str], control: str | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that writes one task's rows.

    Args:
        folder: Where all workers and the driver see the same files.
        stem: What the names of the files begin with.
        columns: What the columns are called in the files, in the order in which they come.
        control: A column whose exact sum is read back.

    Returns:
        A function for `mapInArrow`, whose rows are `ANSWER`.
    """

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        file: pq.ParquetWriter | None = None
        path = Path(folder) / f"{stem}-{uuid.uuid4().hex[:12]}.parquet"
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
            return
        file.close()
        found = pq.read_metadata(partial).num_rows
        if found != rows:
            raise OSError(f"{path.name}: {rows} rows written, {found} read back")
        yield _answer(path, rows, settle(partial, path), summed(path, control) if control else None)

    def _answer(path: Path, rows: int, sha256: str, total: str | None) -> pa.RecordBatch:
        return pa.RecordBatch.from_arrays(
            [
                pa.array([str(path)], pa.string()),
                pa.array([rows], pa.int64()),
                pa.array([sha256], pa.string()),
                pa.array([total], pa.string()),
            ],
            ["path", "rows", "sha256", "control_sum"],
        )

    return write


def summed(path: Path, column: str) -> str:
    """The exact sum of a column of whole numbers or decimals, read back from a file."""
    values = pq.read_table(path, columns=[column]).column(0)
    scale = values.type.scale if pa.types.is_decimal(values.type) else 0
    # Whole numbers are summed as decimals: a sum of 64-bit integers would wrap without a word.
    total = pc.sum(values.cast(pa.decimal128(38, scale))).as_py()
    return f"{total:f}" if total is not None else "0"
