"""Slices: every row exactly once, every call once, no prompt kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.normalize import quarantine
from apportion.normalize.usage import (
    usage_quarantine,
)
from tests.unit.normalize.calls import NOON, File, at, call, parquet, prepared, rows, written


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect(config={"threads": 2})
    yield made
    made.close()


def _month(folder: Path) -> File:
    many = [call(called_at=at(2026, 11, 1) + timedelta(hours=n), call_id=f"{n}") for n in range(720)]
    return parquet(folder, many, row_group_size=24)


def test_a_small_month_is_one_slice_and_a_large_one_is_cut_into_days(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = _month(tmp_path)
    assert [s.rows for s in prepared(con, tmp_path, file).slices] == [720]
    cut = prepared(con, tmp_path, file, rows_per_slice=100)
    assert len(cut.slices) > 4
    assert all(str(slice_.period) == "2026-11" for slice_ in cut.slices)
    for slice_ in cut.slices:
        days = con.execute(f"SELECT min(day), max(day), count(*) FROM ({slice_.sql})").fetchall()[0]
        assert slice_.day_from <= days[0]
        assert days[1] < slice_.day_to
        assert days[2] <= 200
    assert sorted(int(row[0]) for row in rows(con, cut, "call_id")) == list(range(720))


def test_days_that_lie_mixed_in_a_file_are_cut_less_often(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    many = [call(called_at=at(2026, 11, 1) + timedelta(hours=n * 7919 % 720), call_id=f"{n}") for n in range(720)]
    cut = prepared(con, tmp_path, parquet(tmp_path, many), rows_per_slice=100)
    # Each slice reads the whole file, so that a slice may have four times the rows.
    assert [slice_.rows for slice_ in cut.slices] == [384, 336]
    assert sorted(int(row[0]) for row in rows(con, cut, "call_id")) == list(range(720))


def test_files_of_the_same_day_share_a_slice_and_a_month_ends_one(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    def hour(name: str, when: datetime) -> File:
        return parquet(tmp_path, [call(called_at=when)], name)

    files = [
        hour("a.parquet", at(2026, 11, 3, 1)),
        hour("b.parquet", at(2026, 11, 3, 2)),
        parquet(
            tmp_path,
            [call(called_at=at(2026, 11, 30, 23)), call(called_at=at(2026, 12, 1, 1))],
            "c.parquet",
        ),
    ]
    usage = prepared(con, tmp_path, *files, rows_per_slice=1)
    assert [(str(s.period), len(s.files)) for s in usage.slices] == [
        ("2026-11", 2),
        ("2026-11", 1),
        ("2026-12", 1),
    ]
    assert len(rows(con, usage, "1")) == 4


@given(
    days=st.lists(st.lists(st.one_of(st.none(), st.integers(-40, 40)), min_size=1, max_size=6), min_size=1, max_size=5),
    limit=st.integers(1, 8),
)
def test_every_row_of_every_file_is_in_exactly_one_slice(
    tmp_path_factory: pytest.TempPathFactory, days: list[list[int | None]], limit: int
) -> None:
    folder = tmp_path_factory.mktemp("calls")
    con = duckdb.connect(config={"threads": 1})
    schema = pa.schema(
        [
            ("called_at", pa.timestamp("us")),
            ("provider", pa.string()),
            ("output", pa.int64()),
            ("id", pa.string()),
        ]
    )
    files = []
    for number, some in enumerate(days):
        many = [
            {
                "called_at": None if day is None else NOON + timedelta(days=day),
                "provider": "p",
                "output": 1,
                "id": f"{number}.{place}",
            }
            for place, day in enumerate(some)
        ]
        files.append(parquet(folder, many, f"{number}.parquet", schema=schema, row_group_size=2))
    usage = prepared(con, folder, *files, rows_per_slice=limit)
    found = rows(con, usage, "call_id, day, fault")
    assert sorted(row[0] for row in found) == sorted(
        f"{number}.{place}" for number, some in enumerate(days) for place in range(len(some))
    )
    assert sum(row[2] is not None for row in found) == sum(day is None for some in days for day in some)
    assert usage.rows == len(found)
    con.close()


def test_a_repeated_call_counts_once_and_is_told(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    first = parquet(tmp_path, [call(call_id="1", output_tokens=1), call(call_id="2")], "a.parquet")
    again = parquet(
        tmp_path,
        [
            call(call_id="1", output_tokens=9),
            call(call_id="3"),
            call(call_id="3"),
            call(call_id=None),
            call(call_id=None),
            call(call_id="2", provider="anthropic"),
        ],
        "b.parquet",
    )
    usage = prepared(con, tmp_path, again, first)
    assert (usage.rows, usage.duplicates) == (8, 2)
    assert sorted(rows(con, usage, "COALESCE(call_id, ''), provider, output_tokens")) == [
        ("", "openai", 7),
        ("", "openai", 7),
        ("1", "openai", 1),
        ("2", "anthropic", 7),
        ("2", "openai", 7),
        ("3", "openai", 7),
    ]
    assert [(p.slug, p.severity) for p in usage.problems] == [("duplicate-calls", "warning")]
    assert "2 rows repeat calls" in usage.problems[0].message


def test_a_faulty_row_does_not_stand_in_for_a_good_one(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    many = [call(call_id="1", output_tokens=-1), call(call_id="1", output_tokens=5)]
    usage = prepared(con, tmp_path, parquet(tmp_path, many))
    assert usage.duplicates == 0
    assert sorted(rows(con, usage, "output_tokens, fault IS NULL")) == [(0, False), (5, True)]


def test_order_of_the_files_does_not_matter(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    a = parquet(tmp_path, [call(call_id="1", output_tokens=1)], "a.parquet")
    b = parquet(tmp_path, [call(call_id="1", output_tokens=2)], "b.parquet")
    for files in ((a, b), (b, a)):
        assert rows(con, prepared(con, tmp_path, *files), "output_tokens") == [(1,)]


def test_no_prompt_is_kept(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    words = "the patient said"
    lines = [
        json.dumps(call(prompt=words, output_tokens=-1), default=str),
        '{"prompt": "' + words + '"',
    ]
    csv = f"timestamp,provider,output,prompt\n2026-11-15,openai,-1,{words}\n2026-11-15,openai,1,a,{words}\n"
    files = [written(tmp_path, "a.jsonl", "\n".join(lines)), written(tmp_path, "b.csv", csv)]
    usage = prepared(con, tmp_path, *files)
    quarantine.prepare(con)
    for slice_ in usage.slices:
        usage_quarantine(con, slice_)
    listed = con.execute("SELECT * FROM quarantine").fetchall()
    assert len(listed) == 4
    assert words not in str(listed)
    assert words not in str(rows(con, usage, "*"))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "staging").iterdir())
    assert words.encode() not in kept
