"""A warehouse in S3, for both engines: a real client against moto's server."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark import cloudpickle

from apportion.period import Period
from apportion.pipeline import run
from apportion.project import Project
from apportion.report.statements import statements
from apportion.report.table import to_csv
from apportion.warehouse.choice import EngineChoice
from apportion.warehouse.exchange import Exchange
from apportion.warehouse.spark_files import Piece, reader, writer
from apportion.warehouse.spark_session import Session
from tests.engines.stores import BUCKET
from tests.engines.twins import AT, Way, copied, published, read, same

# A worker's Python, where there is no apportion.
_WORKER = """
import pickle, sys
sys.modules["apportion"] = None
import pyarrow as pa
from pathlib import Path
read, *writers = pickle.loads(Path(sys.argv[1]).read_bytes())
numbers = [pa.RecordBatch.from_pydict({"id": pa.array([0], pa.int64())})]
for write in writers:
    for told in write(read(iter(numbers))):
        print(told.to_pylist()[0]["rows"], told.to_pylist()[0]["control_sum"])
"""
CASE = Path(__file__).resolve().parent.parent / "golden" / "all_methods"


@pytest.fixture
def store(credentials: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the bucket, with its credentials in the environment."""
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}"


@pytest.mark.parametrize(("engine", "far"), [("duckdb", False), ("spark", False), ("spark", True)])
def test_l7_a_warehouse_in_s3_holds_the_same(
    engine: str, far: bool, way: Way, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, remote = (copied(CASE, tmp_path / name / "project") for name in ("plain", "remote"))
    wanted = published(plain)
    prefix = f"{store}/{engine}-{far}"
    through = _written(monkeypatch)
    monkeypatch.setenv("APPORTION_WAREHOUSE", prefix)
    found = published(remote) if engine == "duckdb" else way.run(remote, number=0, far=far)
    same(wanted, found)
    assert bool(through) == (engine == "spark" and way.mode != "local"), (
        "workers of a cluster share no folder with the driver"
    )
    project = Project.open(remote)
    assert not project.warehouse.exists(), "nothing of it lies in the project's folder"
    addresses = {address for address, _ in project.storage.files()}
    with project.books() as books, books.reading() as reading:
        made = reading.history()[0].run_id
        assert {part.path for part in reading.manifest(made)} == addresses
    assert all(address.startswith(f"{prefix}/") and made in address for address in addresses)
    with project.view(Period(2026, 11)) as view:
        shown = to_csv(statements(view.engine.connection, view.context, view.period))
    monkeypatch.delenv("APPORTION_WAREHOUSE")
    with Project.open(plain).view(Period(2026, 11)) as view:
        assert to_csv(statements(view.engine.connection, view.context, view.period)) == shown


def test_l7_cells_that_are_as_they_were_are_read_in_s3(
    way: Way, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPORTION_WAREHOUSE", f"{store}/again")
    folder = copied(CASE, tmp_path / "project")
    wanted = published(folder)
    copies = Project.open(folder).state / "cache" / "warehouse"
    shutil.rmtree(copies)
    project = Project.open(folder)
    outcome = run(project, on=EngineChoice("spark", "256MB", way.master, 0), now=lambda: AT + timedelta(hours=1))
    assert outcome.reuse.startswith("1 of 1"), outcome.reuse
    assert bool(list(copies.rglob("*.parquet"))) == (way.mode == "local"), "cells come to the driver's machine"
    same(wanted, read(project, outcome))


def test_workers_need_nothing_of_apportion(way: Way, tmp_path: Path) -> None:
    Session(way.spark).close()  # Tasks are pickled as a session has them.
    (tmp_path / "bucket").mkdir()
    store = f"file://{tmp_path}/bucket"
    pq.write_table(pa.table({"a": [7, 8]}), tmp_path / "bucket" / "in.parquet")
    read = reader(store, [Piece("in.parquet", "in")], pa.schema([("a", pa.int64())]))
    tasks = tmp_path / "tasks"
    tasks.write_bytes(
        cloudpickle.dumps((read, writer("out", "a", ["a"], "a", store), writer(str(tmp_path), "a", ["a"], "a")))
    )
    done = subprocess.run(
        [sys.executable, "-c", _WORKER, str(tasks)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["2", "15", "2", "15"], done.stderr


def _written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects that workers write from now on."""
    keys: list[str] = []
    written = Exchange.written

    def note(exchange: Exchange, key: str) -> Path:
        keys.append(key)
        return written(exchange, key)

    monkeypatch.setattr(Exchange, "written", note)
    return keys
