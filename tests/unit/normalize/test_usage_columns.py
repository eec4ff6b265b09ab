"""Which columns of a file are which, and where tags come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from apportion.normalize.usage import (
    UsageSource,
    tag_columns,
)
from tests.unit.normalize.calls import NOON, call, one, parquet, prepared, rows, written


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect(config={"threads": 2})
    yield made
    made.close()


def test_opentelemetrys_names_old_and_new_are_read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    new = {
        "start_time": NOON,
        "gen_ai.provider.name": "OpenAI",
        "gen_ai.response.model": None,
        "gen_ai.request.model": "asked",
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 6,
        "gen_ai.response.id": "x",
    }
    old = {
        "Timestamp": NOON,
        "GEN_AI.SYSTEM": "openai",
        "gen_ai.response.model": "answered",
        "llm.token_count.prompt": 5,
        "gen_ai.usage.completion_tokens": 6,
    }
    schema = pa.Table.from_pylist([new]).schema
    schema = schema.set(2, pa.field("gen_ai.response.model", pa.string()))
    usage = prepared(
        con,
        tmp_path,
        parquet(tmp_path, [new], "new.parquet", schema=schema),
        parquet(tmp_path, [old], "old.parquet"),
    )
    assert usage.problems == ()
    found = rows(con, usage, "provider, model, call_id, uncached_input_tokens, output_tokens, source_file")
    assert sorted(found, key=lambda row: row[-1]) == [
        ("openai", "asked", "x", 5, 6, "new.parquet"),
        ("openai", "answered", None, 5, 6, "old.parquet"),
    ]


def test_columns_and_constants_of_the_source_win(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows_ = [{"When": NOON, "usage": {"in": 5, "out": 6}, "model": "wrong", "engine": "right"}]
    source = UsageSource(
        "calls",
        columns={
            "called_at": "when",
            "input_tokens": "usage.in",
            "output_tokens": "usage.out",
            "response_model": "engine",
        },
        constants={"provider": "anthropic", "cache_read_tokens": "2"},
    )
    usage = prepared(con, tmp_path, parquet(tmp_path, rows_), source=source)
    assert usage.problems == ()
    found = one(con, usage, "provider, model, uncached_input_tokens, cache_read_tokens, output_tokens, fault")
    assert found == ("anthropic", "right", 3, 2, 6, None)


@pytest.mark.parametrize("layout", ["map", "record", "json", "own column", "jsonl", "csv"])
def test_a_tag_comes_from_its_own_column_or_from_the_tags(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, layout: str
) -> None:
    tags = {"team": "search", 'cost "center"': "c1"}
    if layout == "map":
        schema = pa.Table.from_pylist([call()]).schema.append(pa.field("tags", pa.map_(pa.string(), pa.string())))
        file = parquet(tmp_path, [call(tags=list(tags.items()))], schema=schema)
    elif layout == "record":
        file = parquet(tmp_path, [call(tags=tags)])
    elif layout == "json":
        file = parquet(tmp_path, [call(tags=json.dumps(tags))])
    elif layout == "own column":
        file = parquet(tmp_path, [call(team="search", **{'tags.cost "center"': "c1"})])
    elif layout == "jsonl":
        file = written(tmp_path, "calls.jsonl", json.dumps(call(tags=tags), default=str))
    else:
        quoted = json.dumps(tags).replace('"', '""')
        file = written(tmp_path, "calls.csv", f'timestamp,provider,output,tags\n2026-11-15,p,1,"{quoted}"\n')
    usage = prepared(con, tmp_path, file, tag_keys=["team", 'cost "center"', "none"])
    assert dict(usage.tag_columns) == {
        "team": "tag_team",
        'cost "center"': "tag_cost_center",
        "none": "tag_none",
    }
    assert one(con, usage, "tag_team, tag_cost_center, tag_none, fault") == ("search", "c1", None, None)


def test_a_tags_own_column_wins_and_an_empty_one_counts_as_missing(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    many = [call(team=own, tags='{"team": "from tags"}') for own in ("own", "", None)]
    usage = prepared(con, tmp_path, parquet(tmp_path, many), tag_keys=["team"])
    assert rows(con, usage, "tag_team") == [("own",), ("from tags",), ("from tags",)]


def test_tag_keys_that_look_alike_have_columns_of_their_own() -> None:
    made = tag_columns(["a b", "a.b", "A-B", "tag", "Über"], ["tag_tag"])
    assert len(set(made.values())) == 5
    assert made["a b"] == "tag_a_b"
    assert made["tag"] == "tag_tag_2"


def test_a_further_column_of_the_file_can_be_evidence(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    usage = prepared(con, tmp_path, parquet(tmp_path, [call(Flag=1)]), columns=["flag", "gone", "project"])
    assert one(con, usage, "flag, gone, project") == ("1", None, None)


def test_what_is_not_asked_for_is_not_read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    usage = prepared(con, tmp_path, parquet(tmp_path, [call(team="a", key_id="x")]), tag_keys=["team"])
    plan = con.execute(f"EXPLAIN SELECT sum(output_tokens) FROM ({usage.slices[0].sql})").fetchall()[0][1]
    assert "output_tokens" in plan
    assert "team" not in plan
    assert "key_id" not in plan


def test_the_bracket_counts_the_thresholds_that_the_input_exceeds(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    plain = {"cached_tokens": 0, "tool_prompt": 0, "requests": None}
    many = [call(input_tokens=n, **{**plain, "cached_tokens": n - 1}) for n in (100, 101, 200, 201)]
    # A row of several calls stands for their mean: 303 tokens of 3 calls are 101 each.
    many += [call(input_tokens=303, **{**plain, "requests": 3})]
    many += [call(input_tokens=99, **{**plain, "tool_prompt": 2})]
    schema = pa.Table.from_pylist(many[-2:]).schema
    usage = prepared(con, tmp_path, parquet(tmp_path, many, schema=schema), thresholds=[200, 100])
    assert [row[0] for row in rows(con, usage, "context_bracket")] == [0, 1, 1, 2, 1, 1]
