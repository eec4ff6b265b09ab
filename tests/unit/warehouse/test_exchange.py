"""Files that a cluster's driver and its workers see in an object store, and what workers do with them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apportion.warehouse.exchange import Exchange
from apportion.warehouse.spark_errors import told
from apportion.warehouse.spark_files import ANSWER, FILE, ROW, Piece, reader, writer
from apportion.warehouse.storage import ObjectStorage

RUN = "staging-host-7-x"


@pytest.fixture
def bucket(tmp_path: Path) -> str:
    """A store that is a folder of this machine."""
    (tmp_path / "bucket").mkdir()
    return f"file://{tmp_path}/bucket"


@pytest.fixture
def storage(bucket: str, tmp_path: Path) -> ObjectStorage:
    return ObjectStorage(bucket, tmp_path / "cache")


@pytest.fixture
def exchange(storage: ObjectStorage, tmp_path: Path) -> Exchange:
    return Exchange(storage, tmp_path / RUN)


def names(storage: ObjectStorage) -> list[str]:
    return sorted(address.removeprefix(f"{storage.url}/") for address, _ in storage.files())


def rows(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"c0": pa.array(numbers, pa.int64())})


def numbers(count: int) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pydict({"id": pa.array([number], pa.int64())}) for number in range(count)]


def test_a_file_of_the_driver_is_sent_once(exchange: Exchange, storage: ObjectStorage, tmp_path: Path) -> None:
    file = tmp_path / "calls.parquet"
    file.write_bytes(b"rows")
    key = exchange.key(file)
    assert exchange.key(file) == key
    assert names(storage) == [key]
    assert key.startswith(f"{RUN}/")


def test_what_a_worker_wrote_is_fetched_when_it_is_read_here(exchange: Exchange, tmp_path: Path) -> None:
    folder = tmp_path / RUN / "cluster"
    task = writer(exchange.prefix(folder), "cells.1", ["a.b"], "a.b", exchange.url)
    (answer,) = task(iter([rows(1, 2), rows(), rows(2**62, 2**62)]))
    (told_of,) = answer.to_pylist()
    assert [field.split()[0] for field in ANSWER.split(", ")] == answer.schema.names
    assert (told_of["rows"], told_of["control_sum"]) == (4, str(3 + 2**63))
    path = exchange.written(told_of["path"])
    assert path.parent == folder
    assert not path.exists()
    assert exchange.here(path) == path
    assert pq.read_table(path).to_pydict() == {"a.b": [1, 2, 2**62, 2**62]}
    assert exchange.key(path) == told_of["path"], "it is not sent again"


def test_a_task_without_rows_writes_nothing(exchange: Exchange, storage: ObjectStorage, tmp_path: Path) -> None:
    task = writer(exchange.prefix(tmp_path / RUN / "cluster"), "cells.1", ["a"], None, exchange.url)
    assert list(task(iter([rows()]))) == []
    assert names(storage) == []


def test_an_object_is_published_within_the_store(exchange: Exchange, storage: ObjectStorage, tmp_path: Path) -> None:
    folder = tmp_path / RUN / "warehouse" / "claims"
    task = writer(exchange.prefix(folder), "run", ["a"], None, exchange.url)
    (answer,) = task(iter([rows(7)]))
    path = exchange.written(answer.to_pylist()[0]["path"])
    address = storage.put(path, "claims/2026-11/run.parquet")
    assert not path.exists(), "no byte of it came here"
    exchange.close()
    assert names(storage) == ["claims/2026-11/run.parquet"]
    assert storage.holds(address)
    assert pq.read_table(storage.local(address)).to_pydict() == {"a": [7]}


def test_a_published_object_is_read_where_it_is(exchange: Exchange, storage: ObjectStorage, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"a": [7]}), file)
    copy = storage.path(storage.put(file, "claims/run.parquet"))
    assert exchange.key(copy) == "claims/run.parquet"
    assert exchange.schema(copy) == pa.schema([("a", pa.int64())])
    assert not copy.exists()
    assert not storage.holds(f"{storage.url}/claims/other.parquet")


def test_closing_removes_only_what_is_this_runs(exchange: Exchange, storage: ObjectStorage, tmp_path: Path) -> None:
    file = tmp_path / "calls.parquet"
    file.write_bytes(b"rows")
    storage.put(file, "claims/run.parquet")
    other = Exchange(storage, tmp_path / f"{RUN}y")
    exchange.key(file)
    exchange.key(tmp_path / "calls.parquet")
    kept = tmp_path / "more.parquet"
    kept.write_bytes(b"rows")
    key = other.key(kept)
    exchange.close()
    assert names(storage) == ["claims/run.parquet", key]


def test_pieces_are_read_with_their_place_and_in_the_types_that_were_asked_for(
    exchange: Exchange, tmp_path: Path
) -> None:
    file = tmp_path / "calls.parquet"
    at = datetime(2026, 11, 3, 9, 30, 0, 123456, UTC)
    table = pa.table(
        {
            "model": pa.array(["a", "b", None, "a", "c"]).dictionary_encode(),
            "tokens": pa.array([1, 2, 3, 4, 2**64 - 1], pa.uint64()),
            "called_at": pa.array([at] * 5, pa.timestamp("ns", "UTC")),
        }
    )
    pq.write_table(table, file, row_group_size=2)
    schema = pa.schema(
        [
            ("model", pa.string()),
            ("tokens", pa.decimal128(20, 0)),
            ("called_at", pa.timestamp("us", "UTC")),
            ("region", pa.string()),
            (FILE, pa.string()),
            (ROW, pa.int64()),
        ]
    )
    key = exchange.key(file)
    pieces = [Piece(key, "calls.parquet", 0, (0,)), Piece(key, "calls.parquet", 2, (1, 2))]
    found = pa.Table.from_batches(reader(exchange.url, pieces, schema)(iter(numbers(2))), schema).to_pylist()
    assert [row["model"] for row in found] == ["a", "b", None, "a", "c"]
    assert found[-1]["tokens"] == Decimal(2**64 - 1)
    assert [row[ROW] for row in found] == [0, 1, 2, 3, 4]
    assert {row[FILE] for row in found} == {"calls.parquet"}
    assert {row["called_at"] for row in found} == {at}
    assert {row["region"] for row in found} == {None}


@pytest.mark.parametrize(
    ("text", "slug", "word"),
    [
        ("java.io.IOException: No space left on device", "disk-full", "worker"),
        ("ModuleNotFoundError: No module named 'pyarrow'", "worker-incomplete", "pyarrow"),
        ("[PACKAGE_NOT_INSTALLED] PyArrow >= 18.0.0 must be installed; however", "worker-incomplete", "PyArrow"),
        ("obstore.exceptions.PermissionDeniedError: 403\n  at", "store-unreachable", "403"),
    ],
)
def test_what_a_worker_lacks_is_said_in_our_words(text: str, slug: str, word: str) -> None:
    found = told(text)
    assert found is not None
    assert (found.slug, word in str(found)) == (slug, True)


def test_other_failures_keep_their_words() -> None:
    assert told("java.lang.ArithmeticException: long overflow") is None
