"""The first records of a file, whatever its format; what cannot be used is refused with the reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apportion.normalize.bytestream import UnreadableFile
from apportion.setup.sample import ROWS, take
from tests.unit.setup.folder import write


def test_csv_is_read_with_its_delimiter_and_short_rows_are_filled(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "\ufeffa;b\n1;x\n2\n"})
    found = take(tmp_path / "a.csv", "csv")
    assert found.header == ("a", "b")
    assert found.rows == (("1", "x"), ("2", None))
    assert found.column("B") == ["x"]
    assert found.column("c") == []


def test_only_the_first_records_are_kept(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv.gz": gzip.compress(b"a\n" + b"1\n" * (ROWS + 5))})
    assert len(take(tmp_path / "a.csv.gz", "csv.gz").rows) == ROWS


def test_a_document_is_its_records(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": '{"data": [{"day": "x", "results": [{"n": 1.50}, {"n": 2, "m": {"k": 3}}]}]}'})
    found = take(tmp_path / "a.json", "json")
    assert (found.header, found.rows) == (
        ("day", "n", "m", "m.k"),
        (("x", "1.50", None, None), ("x", "2", '{"k": "3"}', "3")),
    )


def test_json_lines_have_inner_keys_with_a_dot_and_skip_what_is_no_object(tmp_path: Path) -> None:
    write(tmp_path, {"a.jsonl": '{"a": {"b": 1.50}, "c": true}\nnonsense\n[1]\n{"d": null}\n'})
    found = take(tmp_path / "a.jsonl", "jsonl")
    assert found.header == ("a", "a.b", "c", "d")
    assert found.rows[0] == ('{"b": "1.50"}', "1.50", "true", None)


def test_parquet_gives_text(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None], "tags": [[("team", "search")], None]}, schema=pa.schema(
        [("a", pa.int64()), ("tags", pa.map_(pa.string(), pa.string()))]))  # fmt: skip
    pq.write_table(table, tmp_path / "a.parquet")
    assert take(tmp_path / "a.parquet", "parquet").rows == (("1", '{"team": "search"}'), (None, None))
    pq.write_table(table.slice(0, 0), tmp_path / "b.parquet")
    assert take(tmp_path / "b.parquet", "parquet").rows == ()


@pytest.mark.parametrize(
    ("name", "form", "content"),
    [
        ("a.csv", "csv", bytes(range(256))),
        ("a.csv.gz", "csv.gz", gzip.compress(b"a,b\n" * 1000)[:-9]),
        ("a.csv.gz", "csv.gz", b"a,b\n1,2\n"),
        ("a.csv", "csv", "a,b\n".encode("utf-16")),
        ("a.jsonl", "jsonl", b"[1]\n"),
        ("a.json", "json", b"[1]\n"),
        ("a.json", "json", b"{}"),
        ("a.parquet", "parquet", b"PAR1nope"),
    ],
    ids=["binary", "cut off", "not packed", "utf-16", "no object", "no record", "no list", "no parquet"],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, name: str, form: str, content: bytes) -> None:
    write(tmp_path, {name: content})
    with pytest.raises(UnreadableFile) as refused:
        take(tmp_path / name, form)
    assert refused.value.reason
    assert refused.value.cure
