"""The default engine: what it keeps out, and that a file is whole or absent."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from apportion.errors import ApportionError, InvariantError
from apportion.warehouse import DuckDBEngine


@pytest.fixture
def engine(tmp_path: Path) -> DuckDBEngine:
    return DuckDBEngine(tmp_path / "state", threads=1, memory_limit="256MB")


def test_days_are_utc_and_nothing_is_looked_for_elsewhere(engine: DuckDBEngine, tmp_path: Path) -> None:
    assert engine.value("SELECT current_setting('TimeZone')") == "UTC"
    assert engine.value("SELECT current_setting('autoinstall_known_extensions')") is False
    assert engine.value("SELECT current_setting('temp_directory')") == str(tmp_path / "state" / "tmp")
    rows = [1]
    with pytest.raises(duckdb.CatalogException):
        engine.fetch("SELECT * FROM rows")
    assert rows


def test_a_step_makes_a_table_or_a_view_and_either_replaces_the_other(engine: DuckDBEngine) -> None:
    engine.sql_step("SELECT 1 AS a; ", into="it")
    engine.sql_step("SELECT a + 1 AS a FROM (SELECT $n AS a)", into="it", view=True, n=1)
    assert engine.records("SELECT * FROM it") == [{"a": 2}]
    engine.sql_step("SELECT 3 AS a", into="it")
    engine.sql_step("SELECT a + 1 AS a FROM it", into="it")
    assert engine.fetch("FROM it") == [(4,)]
    assert engine.exists("IT")
    engine.drop("it")
    engine.drop("it")
    assert not engine.exists("it")


def test_a_step_that_fails_names_itself(engine: DuckDBEngine) -> None:
    with pytest.raises(duckdb.Error) as caught:
        engine.sql_step("SELECT nowhere FROM nothing")
    assert "in the step SELECT nowhere" in caught.value.__notes__[0]


def test_arrow_goes_in_and_comes_out(engine: DuckDBEngine) -> None:
    engine.register("given", pa.table({"a": [1, 2]}))
    engine.register("given", pa.table({"a": [3]}))
    assert engine.table("given").to_pylist() == [{"a": 3}]
    assert engine.describe("given") == {"a": "BIGINT"}
    assert engine.value("SELECT a FROM given WHERE a > $1", [5]) is None


def test_a_cursor_sees_the_same_tables_from_another_thread(engine: DuckDBEngine) -> None:
    engine.sql_step("SELECT share_floor(10, 1, 3) AS a", into="it")
    seen: list[object] = []
    other = engine.cursor()
    thread = threading.Thread(target=lambda: seen.append(other.value("SELECT a FROM it")))
    thread.start()
    thread.join()
    assert seen == [3]
    assert other.value("SELECT current_setting('TimeZone')") == "UTC"


@pytest.mark.parametrize("bad", ["1.5::DOUBLE", "1::FLOAT", "SUM(1)", "[1::HUGEINT]", "{'a': 1.5::DOUBLE}"])
def test_an_inexact_column_is_never_written(engine: DuckDBEngine, tmp_path: Path, bad: str) -> None:
    with pytest.raises(InvariantError, match="L5"):
        engine.write_parquet(f"SELECT {bad} AS amount", tmp_path / "t" / "p" / "r.parquet")
    assert not (tmp_path / "t").exists()


def test_a_file_that_fails_leaves_nothing(engine: DuckDBEngine, tmp_path: Path) -> None:
    path = tmp_path / "t" / "r.parquet"
    with pytest.raises(duckdb.Error):
        engine.write_parquet("SELECT CAST(range AS TINYINT) AS a FROM range(1000)", path)
    assert list(path.parent.iterdir()) == []


def test_files_become_one_view_whatever_their_names(engine: DuckDBEngine, tmp_path: Path) -> None:
    paths = [tmp_path / 'o\'ne "x" 🙂.parquet', tmp_path / "*.parquet"]
    for n, path in enumerate(paths):
        assert [file.rows for file in engine.write_parquet(f"SELECT {n}::BIGINT AS a, 'x' AS b{n}", path)] == [1]
    engine.use_view("pair", paths[:1])
    assert engine.fetch("FROM pair") == [(0, "x")]
    engine.use_view("none", [], {"a": "BIGINT", "m": "MAP(VARCHAR, VARCHAR)"})
    assert engine.fetch("FROM none") == []
    assert engine.describe("none") == {"a": "BIGINT", "m": "MAP(VARCHAR, VARCHAR)"}
    with pytest.raises(InvariantError):
        engine.use_view("nothing", [])


def test_too_little_memory_is_said_in_words() -> None:
    engine = DuckDBEngine(threads=1, memory_limit="20MB")
    engine.run("SET temp_directory = ''")
    with pytest.raises(ApportionError) as caught:
        engine.run("CREATE TABLE big AS SELECT range, md5(range::VARCHAR) AS text FROM range(3000000)")
    assert caught.value.slug == "memory-exhausted"
