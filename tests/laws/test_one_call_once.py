"""L7 for calls that several sources tell of: each counts once, in whatever order they are read.

The oracle is written from the rule and in Python: of the records under one id the first by state, by how much it tells,
by way, by source and by name is the call.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apportion.normalize.usage import UsageSource, leave_out_repeats, plan_usage
from apportion.warehouse import DuckDBEngine
from tests.unit.normalize.calls import File

STATES = ("measured", "estimated", "missing")
WAYS = ("gateway", "capture", "litellm", "otlp", "rows")


class Told(NamedTuple):
    """One record of a call: by which source, under which id, in which state, with how many tokens."""

    source: int
    record: int
    call: int
    state: int
    way: int
    tokens: int
    team: int
    hour: int


def told() -> st.SearchStrategy[Told]:
    return st.builds(
        Told,
        source=st.integers(0, 1),
        record=st.integers(0, 10**6),
        call=st.integers(0, 4),
        state=st.integers(0, 2),
        way=st.integers(0, 4),
        tokens=st.just(7),
        team=st.integers(0, 2),
        hour=st.integers(0, 47),
    )


def line(one: Told) -> dict[str, Any]:
    day, hour = divmod(one.hour, 24)
    return {
        "record_id": f"r-{one.record}",
        "called_at": f"2026-11-{15 + day:02d}T{hour:02d}:59:59Z",
        "via": WAYS[one.way],
        "provider": "openai",
        "response_model": "m",
        "state": STATES[one.state],
        "outcome": "ok",
        "status": 200,
        "call_id": f"c-{one.call}",
        "part": 1,
        "parts": 1,
        "requests": 1,
        "uncached_input_tokens": 0 if STATES[one.state] == "missing" else one.tokens,
        "tags": {"team": f"t-{one.team}"} if one.team else {},
    }


def best(found: Sequence[Told]) -> Told:
    """Which record a call counts as."""

    def order(one: Told) -> tuple[int, int, int, int, str]:
        # A record with tokens tells its model and one bucket; without, the model alone.
        kinds = 1 + (STATES[one.state] != "missing")
        return (one.state, -kinds, one.way, one.source, f"r-{one.record}")

    return min(found, key=order)


def counted(folder: Path, records: Sequence[Told]) -> tuple[list[tuple[Any, ...]], int, int]:
    """What is left: the rows, how many were repeated, and how many there were."""
    folder.mkdir()
    engine = DuckDBEngine(folder / "scratch")
    try:
        planned = []
        for source in range(2):
            path = folder / f"{source}.jsonl"
            path.write_text("".join(json.dumps(line(one)) + "\n" for one in records if one.source == source))
            files = [File(path.name, path, "jsonl")] if path.stat().st_size else []
            asked = UsageSource(f"s-{source}")
            planned.append(plan_usage(engine, files, asked, tag_keys=("team",), staging=folder / f"staging-{source}"))
        ready = leave_out_repeats(engine, planned, folder / "staging")
        found: list[tuple[Any, ...]] = []
        for one in ready:
            team = one.tag_columns.get("team")
            for slice_ in one.slices:
                columns = f"call_id, log_record, log_state, uncached_input_tokens, calls, {team or 'NULL'}"
                found += engine.fetch(f"SELECT {columns} FROM ({slice_.sql}) AS s WHERE fault IS NULL")
        return sorted(found), sum(one.duplicates for one in ready), sum(one.rows for one in ready)
    finally:
        engine.close()


@settings(max_examples=40, deadline=None)
@given(st.lists(told(), min_size=1, max_size=14, unique_by=lambda one: one.record), st.randoms(use_true_random=False))
def test_each_call_counts_once_as_the_best_record_has_it(
    tmp_path_factory: pytest.TempPathFactory, records: list[Told], shuffled: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("calls")
    kept, repeated, rows = counted(folder / "a", records)
    calls: dict[int, list[Told]] = {}
    for one in records:
        calls.setdefault(one.call, []).append(one)
    assert [(row[0], row[1], row[2]) for row in kept] == sorted(
        (f"c-{call}", f"r-{best(found).record}", STATES[best(found).state]) for call, found in calls.items()
    )
    assert (repeated, rows) == (len(records) - len(calls), len(records))
    assert sum(row[4] for row in kept) == len(calls)
    for row in kept:
        mine = calls[int(str(row[0])[2:])]
        own = best(mine).team
        others: set[str | None] = {f"t-{one.team}" for one in mine if one.team}
        # The call's own tag stays; where it has none another record's fills in.
        assert row[5] == f"t-{own}" if own else row[5] in (others or {None})
    order = list(records)
    shuffled.shuffle(order)
    assert counted(folder / "b", order) == (kept, repeated, rows)
