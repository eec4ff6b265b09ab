"""Calls of any layout become the same usage columns; faulty rows are counted with their reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apportion.normalize import quarantine
from apportion.normalize.usage import (
    BUCKETS,
    UsageSource,
    usage_quarantine,
)
from tests.unit.normalize.calls import NOON, TOKENS, File, at, call, one, parquet, prepared, rows, written


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect(config={"threads": 2})
    yield made
    made.close()


@pytest.mark.parametrize(
    ("tokens", "columns", "expected"),
    [
        # OpenAI and OpenTelemetry: the input includes cached tokens, read and written.
        (None, {"prompt_tokens": 4020, "cached_tokens": 3000, "cache_write": 1012}, (8, 3000, 0, 0, 1012, 0)),
        ("inclusive", {"input_tokens": 100, "cached_tokens": 30}, (70, 30, 0, 0, 0, 0)),
        (
            None,
            {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.cache_read.input_tokens": 9},
            (0, 9, 0, 0, 0, 0),
        ),
        # Anthropic's wire format: beside it; the sum of writes is given beside its parts.
        (
            "exclusive",
            {
                "input_tokens": 3,
                "cache_read_input_tokens": 1111,
                "cache_creation_input_tokens": 418,
                "ephemeral_5m_input_tokens": 400,
                "ephemeral_1h_input_tokens": 18,
            },
            (3, 1111, 400, 18, 0, 0),
        ),
        ("exclusive", {"input_tokens": 3, "cache_creation_input_tokens": 418}, (3, 0, 0, 0, 418, 0)),
        # Every bucket apart.
        (
            "disjoint",
            {
                "input_tokens": 5,
                "cache_read": 6,
                "cache_write_tokens": 7,
                "cache_write_5m": 8,
                "tool_prompt": 9,
            },
            (5, 6, 8, 0, 7, 9),
        ),
        (None, {"uncached_input_tokens": 5, "cache_read": 6}, (5, 6, 0, 0, 0, 0)),
        # An explicit uncached count wins over the input.
        (None, {"uncached_input_tokens": 5, "input_tokens": 99, "cache_read": 6}, (5, 6, 0, 0, 0, 0)),
    ],
)
def test_the_buckets_are_disjoint_whatever_the_convention(
    con: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    tokens: Any,
    columns: dict[str, int],
    expected: tuple[int, ...],
) -> None:
    row = {"called_at": NOON, "provider": "openai", **columns, "output_tokens": 7, "reasoning_tokens": 5}
    usage = prepared(con, tmp_path, parquet(tmp_path, [row]), source=UsageSource("calls", tokens))
    assert usage.problems == ()
    assert one(con, usage, f"fault, reasoning_tokens, {TOKENS}") == (None, 5, *expected, 7)


def test_s02_normalised_tokens(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    exclusive = """timestamp,provider,mode,input_tokens,cache_read,cache_creation,output
2026-11-03,anthropic,interactive,300000,800000,100000,150000
2026-11-03,anthropic,batch,2000000,,,400000
"""
    inclusive = """timestamp,provider,mode,prompt_tokens,cached_tokens,completion_tokens
2026-11-03,openai,interactive,500000,0,20000
2026-11-03,openai,batch,1000000,600000,50000
"""
    found: list[tuple[Any, ...]] = []
    for name, text, tokens in (("a.csv", exclusive, "exclusive"), ("b.csv", inclusive, "inclusive")):
        source = UsageSource(name[0], tokens)  # type: ignore[arg-type] # one of the literals above
        usage = prepared(con, tmp_path, written(tmp_path, name, text), source=source)
        assert usage.problems == ()
        found += rows(con, usage, f"processing, {TOKENS}")
    sums = [sum(row[place] for row in found) for place in range(1, 8)]
    # fresh 3,200,000, cache read 1,400,000, cache write 100,000, output 620,000
    assert sums == [3_200_000, 1_400_000, 0, 0, 100_000, 0, 620_000]
    assert [row[0] for row in found] == [None, "batch", None, "batch"]


@pytest.mark.parametrize(
    ("columns", "fault", "reason"),
    [
        ({"cached_tokens": 101}, "cached tokens are more than the input", "tokens-impossible"),
        ({"output_tokens": -1}, "output_tokens is negative", "negative-weight"),
        ({"output_tokens": 10**15 + 1}, "output_tokens is above 10^15", "tokens-impossible"),
        ({"output_tokens": 1.5}, "output_tokens is not a whole number", "number-unreadable"),
        ({"output_tokens": float("nan")}, "output_tokens is not a whole number", "number-unreadable"),
        ({"output_tokens": float("inf")}, "output_tokens is not a whole number", "number-unreadable"),
        ({"output_tokens": 1e300}, "output_tokens is not a whole number", "number-unreadable"),
        ({"output_tokens": "many"}, "output_tokens is not a whole number", "number-unreadable"),
        ({"input_tokens": None, "output_tokens": None}, "no token counts", "tokens-missing"),
        ({"called_at": None}, "no timestamp", "key-missing"),
        ({"called_at": at(1999, 1, 1)}, "timestamp before 2015 or after 2099", "date-unreadable"),
        ({"provider": None}, "no provider", "key-missing"),
        ({"provider": ""}, "no provider", "key-missing"),
        ({"requests": -2}, "requests is negative", "negative-weight"),
        (
            {"cache_write_tokens": 5, "cache_write_5m_tokens": 6},
            "cache writes are more than their sum",
            "tokens-impossible",
        ),
        ({"tags": "[1]"}, "tags are not a JSON object", "tags-unreadable"),
        ({"tags": "{bad"}, "tags are not a JSON object", "tags-unreadable"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_a_faulty_row_is_counted_with_its_reason_and_has_no_tokens(
    con: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    *,
    columns: dict[str, Any],
    fault: str,
    reason: str,
    kind: str,
) -> None:
    bad = call(**columns)
    if kind == "parquet":
        schema = None
        if bad["called_at"] is None:
            schema = pa.Table.from_pylist([call()]).schema
        good = parquet(tmp_path, [bad], schema=schema)
    elif kind == "csv":
        text = "\n".join(["\t".join(bad), "\t".join("" if value is None else str(value) for value in bad.values())])
        good = written(tmp_path, "calls.csv", text.replace('"', '""'))
    else:
        good = written(tmp_path, "calls.jsonl", json.dumps(bad, default=str))
    usage = prepared(con, tmp_path, good, tag_keys=["team"])
    assert (usage.problems, usage.rows) == ((), 1)
    found = one(con, usage, f"fault, {TOKENS}")
    assert found == (fault, 0, 0, 0, 0, 0, 0, 0)
    quarantine.prepare(con)
    assert sum(usage_quarantine(con, slice_) for slice_ in usage.slices) == 1
    listed = con.execute(
        "SELECT table_name, source, source_file, source_row, reason, detail FROM quarantine"
    ).fetchall()
    assert listed == [("usage", "calls", good.name, 2 if kind == "csv" else 1, reason, fault)]
    assert reason in quarantine.CURES


def test_counts_are_summed_without_overflow_where_rows_are_faulty(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    most = 2**63 - 1
    names = (
        "input_tokens",
        "cached_tokens",
        "cache_write_tokens",
        "cache_write_5m",
        "tool_prompt",
        "requests",
    )
    bad = call(output_tokens=most, reasoning=most, **dict.fromkeys(names, most))
    good = call(reasoning=0, **{**dict.fromkeys(names, 1), "input_tokens": 5})
    usage = prepared(con, tmp_path, parquet(tmp_path, [bad, bad, good]), thresholds=[10, 500_000])
    slice_ = usage.slices[0]
    sums = ", ".join(f"CAST(sum({bucket}_tokens) AS BIGINT)" for bucket in BUCKETS)
    total = con.execute(f"SELECT {sums}, max(context_bracket) FROM ({slice_.sql})").fetchall()
    assert total[0][6] == 7
    # 3 uncached, 1 read, 1 written for five minutes, 1 of tools
    assert total[0][:6] == (3, 1, 1, 0, 0, 1)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-11-15T20:00:00-05:00", at(2026, 11, 16, 1)),
        ("2026-11-16T00:00:00Z", at(2026, 11, 16)),
        ("2026-11-15T23:59:59z", at(2026, 11, 15, 23, 59, 59)),
        ("2026-11-15 20:00:00", at(2026, 11, 15, 20)),
        ("2026-11-15T20:00:00.123456789+0530", at(2026, 11, 15, 14, 30, 0, 123456)),
        ("2026-11-15 20:00:00 UTC", at(2026, 11, 15, 20)),
        ("2026-11-15", at(2026, 11, 15)),
        ("1794744000", at(2026, 11, 15, 12)),
        ("1794744000123", at(2026, 11, 15, 12, 0, 0, 123000)),
        ("1794744000123456789", at(2026, 11, 15, 12, 0, 0, 123456)),
        ("2026-11-15 20:00:00 America/New_York", None),
        ("15/11/2026", None),
        ("2026-13-15T20:00:00Z", None),
        ("infinity", None),
    ],
)
def test_an_instant_is_utc_whatever_its_offset(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, said: str, meant: datetime | None
) -> None:
    con.execute("SET TimeZone = 'Asia/Kolkata'")
    text = f"timestamp,provider,output_tokens\n{said},openai,1\n"
    usage = prepared(con, tmp_path, written(tmp_path, "calls.csv", text))
    fault = None if meant else "unreadable timestamp"
    assert one(con, usage, "called_at, day, fault") == (meant, meant and meant.date(), fault)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"), pa.date32()]
)
def test_an_instant_of_any_column_type_is_read_where_it_lies(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, kind: pa.DataType
) -> None:
    table = pa.table({"called_at": pa.array([NOON]).cast(kind, safe=False), "provider": ["p"], "output": [1]})
    pq.write_table(table, tmp_path / "calls.parquet")
    usage = prepared(con, tmp_path, File("calls.parquet", tmp_path / "calls.parquet", "parquet"))
    assert one(con, usage, "day, fault") == (NOON.date(), None)
    assert not (tmp_path / "staging").exists()


def test_an_instant_with_a_zone_is_utc_and_its_day_too(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    con.execute("SET TimeZone = 'Asia/Kolkata'")
    east = timezone(timedelta(hours=-5))
    many = [call(called_at=at(2026, 11, day, 20).replace(tzinfo=east)) for day in (14, 15, 16)]
    usage = prepared(con, tmp_path, parquet(tmp_path, many), rows_per_slice=1)
    assert rows(con, usage, "called_at, day") == [(at(2026, 11, day, 1), date(2026, 11, day)) for day in (15, 16, 17)]
    assert [slice_.day_from for slice_ in usage.slices] == [date(2026, 11, day) for day in (15, 16, 17)]


def test_a_date_format_of_the_source_is_used(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = written(tmp_path, "calls.csv", "timestamp,provider,output\n11/03/2026,openai,1\n")
    usage = prepared(con, tmp_path, file, source=UsageSource("calls", constants={"date_format": "%m/%d/%Y"}))
    assert one(con, usage, "day, fault") == (date(2026, 11, 3), None)


@pytest.mark.parametrize("key", ["model", "response_model", "Model ID", "gen_ai.response.model"])
def test_any_name_of_a_column_sets_it_or_names_it(con: duckdb.DuckDBPyConnection, tmp_path: Path, key: str) -> None:
    plain = {name: value for name, value in call().items() if name != "model"}
    file = parquet(tmp_path, [{**plain, "Answered": "theirs"}])
    usage = prepared(con, tmp_path, file, source=UsageSource("calls", constants={key: "atlas-large"}))
    assert one(con, usage, "model") == ("atlas-large",)
    usage = prepared(con, tmp_path, file, source=UsageSource("calls", columns={key: "Answered"}))
    assert one(con, usage, "model") == ("theirs",)


def test_a_key_that_is_no_column_is_a_problem(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    file = parquet(tmp_path, [call()])
    for source in (UsageSource("calls", constants={"modle": "x"}), UsageSource("calls", columns={"modle": "model"})):
        (problem,) = prepared(con, tmp_path, file, source=source).problems
        assert (problem.slug, problem.stops) == ("column-unknown", True)
        assert "did you mean 'model'?" in problem.message
