"""Files with all their dirt: nothing is lost, and nothing raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from apportion.normalize.usage import (
    UsageSource,
    usage_unreadable,
)
from tests.unit.normalize.calls import call, one, parquet, prepared, rows, written


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect(config={"threads": 2})
    yield made
    made.close()


def test_a_csv_with_all_its_dirt(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = (
        '\ufeff"Timestamp";provider;"output_tokens";api_key_id;note\r\n'
        '2026-11-15 01:00:00;openai;12.0;0001;"two\r\nlines; and ""quotes"""\r\n'
        "2026-11-15 02:00:00;openai;NULL\r\n"
        "2026-11-15 03:00:00;openai;3;NULL;=cmd()\r\n"
        "2026-11-15 04:00:00;openai;4;x;y;z\r\n"
        "2026-11-15 05:00:00;openai;5;é🙂;\r\n"
    )
    for name in ("calls.csv", "calls.csv.gz"):
        usage = prepared(con, tmp_path, written(tmp_path, name, text))
        assert (usage.problems, usage.rows) == ((), 5)
        found = rows(con, usage, "source_row, output_tokens, api_key_id, fault")
        assert sorted(found) == [
            (2, 12, "0001", None),
            (3, 0, None, "the row is broken: missing columns"),
            (4, 3, None, None),
            (5, 0, None, "the row is broken: too many columns"),
            (6, 5, "é🙂", None),
        ]


def test_a_document_with_all_its_dirt(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = (
        '{"object": "page", "data": [{"start_time": 1794704400, "results": [\n'
        '  {"provider": "openai", "output_tokens": 1}, {"provider": "openai", "Output_Tokens": "2"}]}, [1, 2]]}'
    )
    for name in ("calls.json", "calls.json.gz"):
        usage = prepared(con, tmp_path, written(tmp_path, name, text))
        assert (usage.problems, usage.rows) == ((), 3)
        assert sorted(rows(con, usage, "source_row, output_tokens, fault")) == [
            (1, 1, None),
            (2, 2, None),
            (3, 0, "the record is not a JSON object"),
        ]


def test_jsonl_with_all_its_dirt(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    lines = [
        '{"timestamp": "2026-11-15T01:00:00Z", "gen_ai.system": "openai", "output_tokens": 1}',
        '{"timestamp": "2026-11-15T01:00:00Z", "gen_ai.system"',
        '{"Timestamp": "2026-11-15T02:00:00Z", "gen_ai.system": "openai", "output_tokens": "2", "n": {}}',
        "[1, 2]",
    ]
    for name in ("calls.jsonl", "calls.jsonl.gz"):
        usage = prepared(con, tmp_path, written(tmp_path, name, "\n".join(lines)))
        assert (usage.problems, usage.rows) == ((), 4)
        assert sorted(rows(con, usage, "source_row, output_tokens, fault")) == [
            (1, 1, None),
            (2, 0, "the line is not a JSON object"),
            (3, 2, None),
            (4, 0, "the line is not a JSON object"),
        ]


def test_a_200_column_csv_is_read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    header = ",".join(["timestamp", "provider", "output_tokens", *(f"c{n}" for n in range(197))])
    text = f"{header}\n2026-11-15,openai,3{',x' * 197}\n"
    usage = prepared(con, tmp_path, written(tmp_path, "calls.csv", text))
    assert one(con, usage, "output_tokens, fault") == (3, None)


def test_both_line_ends_in_one_csv(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    text = "timestamp,provider,output\n2026-11-15,openai,1\r\n2026-11-15,openai,2\n"
    usage = prepared(con, tmp_path, written(tmp_path, "calls.csv", text))
    assert usage.problems == ()
    assert sorted(rows(con, usage, "output_tokens, fault")) == [(1, None), (2, None)]


@pytest.mark.parametrize(
    ("name", "content", "slug"),
    [
        ("calls.csv", b"a,A\n1,2\n", "column-twice"),
        ("calls.csv", b"provider,output\nopenai,1\n", "column-missing"),
        ("calls.csv", b"timestamp,output\n2026-11-15,1\n", "column-missing"),
        ("calls.csv", b"timestamp,provider\n2026-11-15,openai\n", "column-missing"),
        ("calls.jsonl", b'{"a": 1}\n', "column-missing"),
        ("calls.parquet", b"PAR1 and no more", "file-unreadable"),
        ("calls.json", b'{"id": 5}', "file-unreadable"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_problem(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, content: bytes, slug: str
) -> None:
    usage = prepared(con, tmp_path, written(tmp_path, name, content))
    assert [(p.slug, p.place and p.place.file) for p in usage.problems] == [(slug, name)]
    assert all(problem.stops and problem.cure for problem in usage.problems)
    assert usage.slices == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("calls.csv", b""),
        ("calls.csv", b"timestamp,provider,output\n"),
        ("calls.csv", b"\n\n"),
        ("calls.csv.gz", b"timestamp,provider,output\n"),
        ("calls.jsonl", b"\n"),
        ("calls.json", b"[]"),
        ("calls.json", b'{"data": [{"results": []}]}'),
        ("calls.jsonl.gz", b""),
        ("calls.parquet", b""),
    ],
)
def test_a_file_without_rows_says_that_there_were_no_calls(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, content: bytes
) -> None:
    usage = prepared(con, tmp_path, written(tmp_path, name, content))
    (problem,) = usage.problems
    assert (problem.slug, problem.severity, problem.held) == ("empty-file", "warning", True)
    assert problem.place is not None
    assert problem.place.file == name
    assert usage.slices == ()


@pytest.mark.parametrize("kind", ["csv.gz", "jsonl.gz", "parquet"])
def test_a_file_that_is_cut_off_is_a_problem(con: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str) -> None:
    if kind == "parquet":
        file = parquet(tmp_path, [call(api_key_id=f"{n * 7919}") for n in range(9_000)])
    elif kind == "csv.gz":
        body = "".join(f"2026-11-15,openai,{n * 7919 % 10007},{n}\n" for n in range(20_000))
        file = written(tmp_path, "calls.csv.gz", f"timestamp,provider,output,id\n{body}")
    else:
        body = "".join(json.dumps(call(output_tokens=n), default=str) + "\n" for n in range(20_000))
        file = written(tmp_path, "calls.jsonl.gz", body)
    whole = file.local_path.read_bytes()
    file.local_path.write_bytes(whole[: len(whole) // 2])
    usage = prepared(con, tmp_path, file)
    assert [(p.slug, p.place and p.place.file) for p in usage.problems] == [("file-unreadable", file.name)]


def test_a_file_damaged_inside_is_named_by_the_fold(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = parquet(tmp_path, [call(api_key_id=f"key {n * 7919}") for n in range(9_000)], compression="zstd")
    whole = bytearray(file.local_path.read_bytes())
    for place in range(500, len(whole) // 2, 3):
        whole[place] ^= 0xFF
    file.local_path.write_bytes(whole)
    usage = prepared(con, tmp_path, file, parquet(tmp_path, [call()], "fine.parquet"))
    with pytest.raises(duckdb.Error) as caught:
        rows(con, usage, "*")
    problem = usage_unreadable(con, usage.slices[0], caught.value)
    assert (problem.slug, problem.place and problem.place.file) == ("file-unreadable", "calls.parquet")


def test_one_bad_file_leaves_the_others(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    usage = prepared(
        con, tmp_path, parquet(tmp_path, [call()]), written(tmp_path, "bad.parquet", b"no"), tag_keys=["team"]
    )
    assert [problem.slug for problem in usage.problems] == ["file-unreadable"]
    assert len(rows(con, usage, "1")) == 1


def test_a_name_with_a_quote_is_only_a_name(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = parquet(tmp_path, [call(**{"we\"ird'": "x"})], "it's.parquet")
    usage = prepared(con, tmp_path, file, source=UsageSource("o'clock"), tag_keys=["we\"ird'"])
    assert one(con, usage, "source, source_file, tag_we_ird") == ("o'clock", "it's.parquet", "x")
