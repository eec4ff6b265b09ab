"""Records keep the text that was written and the number of their row; nothing is half read."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.errors import Problem
from apportion.normalize.reading import Records, read_records
from tests.unit.normalize.tables import connect, item, rows

UNREADABLE = {
    "truncated gzip": ("a.csv.gz", gzip.compress(b"a,b\n" + bytes(range(65, 90)) * 9000)[:200], "truncated"),
    "no gzip": ("a.csv.gz", b"a,b\n1,2\n", "gzip"),
    "gzip without its name": ("a.csv", gzip.compress(b"a,b\n1,2\n"), "gzip"),
    "truncated Parquet": ("a.parquet", b"PAR1\x15\x04\x15", "Parquet"),
    "not UTF-8": ("a.csv", b"a,b\n1,\xe9t\xe9\n", "line 2 is not UTF-8 (byte 0xe9)"),
    "UTF-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "a NUL byte": ("a.csv", b"a,b\n1,2\n3,\x00\n", "NUL byte stands in line 3"),
    "a workbook": ("a.csv", b"PK\x03\x04rest", "workbook"),
    "blank": ("a.csv", b"\n\n", "no header"),
    "a quote left open": ("a.csv", b'a,b\n1,2\n3,"x\n4,5\n6,7\n', "opens in row 3 is never closed"),
    "a quote left open in the header": ("a.csv", b'"a,b\n' + b"1,2\n" * 2_000_000, "header"),
    "JSON not UTF-8": ("a.jsonl", b'{"a": "\xff"}\n', "not UTF-8"),
}


def read(folder: Path, name: str, data: bytes | str, **said: Any) -> tuple[Records, list[Mapping[str, Any]]]:
    con = connect()
    records = read_records(con, item(folder, "charges", name, data), **said)
    assert isinstance(records, Records)
    columns = [*records.header, "source_row"]
    found = rows(con, f"SELECT * FROM {records.relation} ORDER BY source_row")
    return records, [dict(zip(columns, row, strict=True)) for row in found]


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_used_is_one_problem_and_nothing_of_it_is_read(tmp_path: Path, case: str) -> None:
    name, data, said = UNREADABLE[case]
    con = connect()
    found = read_records(con, item(tmp_path, "charges", name, data))
    assert isinstance(found, Problem)
    assert found.slug == "file-unreadable"
    assert found.stops
    assert said in found.message
    assert found.cure
    assert rows(con, "SELECT count(*) FROM quarantine") == [(0,)]
    assert rows(con, "SELECT count(*) FROM information_schema.tables WHERE table_name = '_records'") == [(0,)]


def test_a_parquet_file_cut_short_is_a_problem(tmp_path: Path) -> None:
    con = connect()
    con.execute(f"COPY (SELECT range AS a FROM range(1000)) TO '{tmp_path / 'whole.parquet'}'")
    data = (tmp_path / "whole.parquet").read_bytes()
    assert isinstance(read_records(con, item(tmp_path, "charges", "a.parquet", data[:-30])), Problem)


def test_quotes_newlines_byte_order_mark_and_line_ends(tmp_path: Path) -> None:
    records, found = read(tmp_path, "a.csv", '\ufeff"id","na ""me"""\r\n007,"two\r\nlines"\r\n\r\n8,😀=cmd()\r\n')
    assert records.header == ("id", 'na "me"')
    assert found == [
        {"id": "007", 'na "me"': "two\r\nlines", "source_row": 2},
        {"id": "8", 'na "me"': "😀=cmd()", "source_row": 3},
    ]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_delimiters_are_found_out(tmp_path: Path, sign: str) -> None:
    _, found = read(tmp_path, "a.csv.gz", gzip.compress(f'a{sign}"b,;|"\n1{sign}2\n'.encode()))
    assert found == [{"a": "1", "b,;|": "2", "source_row": 2}]


def test_broken_rows_are_set_aside_and_do_not_shift_the_others(tmp_path: Path) -> None:
    con = connect()
    lines = ["a,b"] + [f"{n},x" for n in range(2, 3000)]
    lines[4], lines[10], lines[2000] = "5", "11,x,y", "2001,x,y,z"
    records = read_records(con, item(tmp_path, "charges", "a.csv", "\n".join(lines)))
    assert isinstance(records, Records)
    assert records.rows_in == 2998
    assert rows(con, "SELECT count(*), count(*) FILTER (a = CAST(source_row AS VARCHAR)) FROM _records") == [
        (2995, 2995)
    ]
    found = rows(con, "SELECT source_row, reason, detail, excerpt FROM quarantine ORDER BY 1")
    assert [row[0] for row in found] == [5, 11, 2001]
    assert found[0][1:] == ("row-broken", "the row has 1 values where the header has 2 columns", "5")


@pytest.mark.parametrize("data", ["a,b", "a,b\n", "\ufeffa,b\r\n\r\n"])
def test_a_header_alone_has_no_rows(tmp_path: Path, data: str) -> None:
    records, found = read(tmp_path, "a.csv", data)
    assert (records.header, found) == (("a", "b"), [])


def test_two_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(2000)]
    data = ",".join(names) + "\n" + ",".join(str(n) for n in range(2000)) + "\n"
    _, found = read(tmp_path, "a.csv", data)
    assert found[0]["c1999"] == "1999"


def test_columns_that_stand_twice_are_told_apart(tmp_path: Path) -> None:
    records, _ = read(tmp_path, "a.csv", "Tags,tags,,x\n1,2,3,4\n")
    assert records.header == ("Tags", "tags_2", "column_3", "x")
    assert records.doubled == ("tags",)


def test_json_lines_keep_every_digit(tmp_path: Path) -> None:
    text = '{"a": 0.123456789012345678, "b": 98765432109876543210, "c": {"n": 1.50, "s": "1"}, "d": null}\n'
    _, found = read(tmp_path, "a.jsonl", text + '\n{"a": 1E-7, "e/~": true, "b": "x \\" 1"}\n')
    assert found[0] == {
        "a": "0.123456789012345678",
        "b": "98765432109876543210",
        "c": '{"n":1.50,"s":"1"}',
        "d": None,
        "e/~": None,
        "source_row": 1,
    }
    assert (found[1]["a"], found[1]["b"], found[1]["e/~"]) == ("1E-7", 'x " 1', "true")


def test_broken_json_lines_are_set_aside_without_their_text(tmp_path: Path) -> None:
    con = connect()
    records = read_records(con, item(tmp_path, "usage", "a.jsonl", '{"a": 1}\n[1]\n{"prompt": "secr\n{"a": 2}\n'))
    assert isinstance(records, Records)
    assert records.rows_in == 4
    assert rows(con, "SELECT source_row, excerpt FROM quarantine ORDER BY 1") == [(2, None), (3, None)]
    assert rows(con, "SELECT a, source_row FROM _records ORDER BY 2") == [("1", 1), ("2", 4)]


def test_parquet_values_become_exact_text(tmp_path: Path) -> None:
    con = connect()
    values = {
        "d": "CAST(1.10 AS DECIMAL(38, 18))",
        "f": "CAST(0.1 AS DOUBLE)",
        "g": "CAST(1.2345678901234567e-5 AS DOUBLE)",
        "n": "CAST('nan' AS DOUBLE)",
        "t": "TIMESTAMPTZ '2024-10-01 00:00:00+02'",
        "u": "TIMESTAMP '2024-10-01 01:00:00'",
        "m": "MAP {'a': '1'}",
        "s": "{'x': 1}",
        "l": "['p', 'q']",
        "i": "'007'",
        "j": "DATE '2024-01-02'",
    }
    picked = ", ".join(f"{value} AS {name}" for name, value in values.items())
    con.execute(f"COPY (SELECT {picked}) TO '{tmp_path / 'a.parquet'}'")
    found = read_records(con, item(tmp_path, "charges", "b.parquet", (tmp_path / "a.parquet").read_bytes()))
    assert isinstance(found, Records)
    assert rows(con, "SELECT * FROM _records") == [
        (
            "1.100000000000000000",
            "0.1",
            "0.000012345678901235",
            "nan",
            "2024-09-30 22:00:00",
            "2024-10-01 01:00:00",
            '{"a":"1"}',
            '{"x":1}',
            '["p","q"]',
            "007",
            "2024-01-02",
            1,
        )
    ]


texts = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=20)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=8))
def test_any_text_comes_back_from_csv(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    lines = [f'"{a.replace(chr(34), chr(34) * 2)}","{b.replace(chr(34), chr(34) * 2)}"' for a, b in pairs]
    _, found = read(tmp_path, "a.csv", "a,b\n" + "\n".join(lines) + "\n")
    assert [(row["a"] or "", row["b"] or "") for row in found] == pairs


numbers = st.decimals(allow_nan=False, allow_infinity=False)


@settings(max_examples=20)
@given(st.lists(st.tuples(texts, numbers, st.integers()), min_size=1, max_size=6))
def test_any_number_and_text_comes_back_from_json_lines(tmp_path: Path, values: list[tuple[str, Decimal, int]]) -> None:
    lines = [
        f'{{"t": {json.dumps(t, ensure_ascii=False)}, "d": {d}, "o": {{"i": {i}, "t": {json.dumps(t)}}}}}'
        for t, d, i in values
    ]
    _, found = read(tmp_path, "a.jsonl", "\n".join(lines) + "\n")
    assert [(row["t"], row["d"]) for row in found] == [(t, str(d)) for t, d, _ in values]
    assert [json.loads(row["o"]) for row in found] == [{"i": i, "t": t} for t, _, i in values]
