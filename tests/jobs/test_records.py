"""What is written of a job: days that add up, decimals that are exact, files that are whole at every moment."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway.jobs import Ending, Job, JobFile, Used, add, by_day, lines
from apportion.gateway.usage_log import read_segment, recover
from apportion.money import half_up_div

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def job(started_ns: int = at("2026-11-27T23:00:00")) -> Job:
    return Job("j-1", started_ns, "node-1", "gpu-cluster-a", tags={"team": "ml"})


def test_a_job_over_midnight_is_divided_exactly() -> None:
    began, ended = at("2026-11-27T22:30:00"), at("2026-11-29T01:30:00")
    found = by_day(Used(27 * HOUR, 270 * HOUR, 27), began, ended)
    assert found == {
        date(2026, 11, 27): Used(HOUR * 3 // 2, 15 * HOUR, 2),
        date(2026, 11, 28): Used(24 * HOUR, 240 * HOUR, 24),
        date(2026, 11, 29): Used(HOUR * 3 // 2, 15 * HOUR, 1),
    }


def test_one_that_ends_at_midnight_has_nothing_of_the_day_that_begins() -> None:
    assert list(by_day(Used(), at("2026-11-27T23:00:00"), at("2026-11-28T00:00:00"))) == [date(2026, 11, 27)]
    assert list(by_day(Used(), at("2026-11-28T00:00:00"), at("2026-11-28T00:00:00"))) == [date(2026, 11, 28)]


@given(st.integers(0, 10**18), st.integers(0, 10 * DAY), st.integers(0, 10**25))
def test_days_add_up(began: int, length: int, amount: int) -> None:
    found = by_day(Used(amount, None, amount), began, began + length)
    assert sum(used.held_ns or 0 for used in found.values()) == amount
    assert all(used.busy_percent_ns is None for used in found.values())


@given(st.lists(st.integers(0, 8 * DAY), min_size=1, max_size=12))
def test_rows_add_up_to_the_rounded_whole(amounts: list[int]) -> None:
    days = {date(2026, 12, number + 1): Used(amount, amount * 37, amount) for number, amount in enumerate(amounts)}
    rows = lines(job(at("2026-12-01T00:00:00")), days, Ending(at("2026-12-31T00:00:00"), "succeeded"))
    hours = sum(Decimal(row["gpu_hours"]) for row in rows)
    assert hours == Decimal(half_up_div(sum(amounts) * 10**6, HOUR)) / 10**6
    assert all(Decimal(row["gpu_hours"]) >= 0 for row in rows)
    assert max(len(row["gpu_hours"].partition(".")[2]) for row in rows) <= 6


def test_a_row_says_what_is_known_and_no_more() -> None:
    days = {date(2026, 11, 27): Used(3 * HOUR, 150 * HOUR, None)}
    ending = Ending(at("2026-11-28T00:00:00"), "failed", 3, "estimated", "because")
    (row,) = lines(job()._replace(item_gpus=8), days, ending)
    assert row == {
        "day": "2026-11-27", "item": "gpu-cluster-a", "gpu_hours": "3", "gpu_busy_hours": "1.5",
        "gpu_memory_gib_hours": None, "part": 1, "parts": 1, "job_id": "j-1", "host": "node-1",
        "started_at": "2026-11-27T23:00:00.000Z", "ended_at": "2026-11-28T00:00:00.000Z", "outcome": "failed",
        "exit_code": 3, "state": "estimated", "why": "because", "gpu_hours_capacity": "192", "tags": {"team": "ml"},
    }  # fmt: skip


def test_what_is_not_known_of_a_part_is_not_known_of_the_whole() -> None:
    days = {date(2026, 11, 27): Used(1, 2, 3)}
    add(days, {date(2026, 11, 27): Used(1, None, 1), date(2026, 11, 28): Used(5, 5, 5)})
    assert days == {date(2026, 11, 27): Used(2, None, 4), date(2026, 11, 28): Used(5, 5, 5)}


def test_the_file_of_a_job_at_work_is_locked_and_that_of_one_that_is_gone_is_sealed(tmp_path: Path) -> None:
    file = JobFile(tmp_path / "jobs", "j-1")
    for number in range(3):
        file.put([{"beat": number}])
        assert recover(tmp_path / "jobs") == []
        assert [row["beat"] for row in read_segment(tmp_path / "jobs" / "j-1.open") if row] == [number]
    assert len(list((tmp_path / "jobs").iterdir())) == 1
    file.let_go()
    (found,) = recover(tmp_path / "jobs")
    assert (found.records, found.torn_bytes) == (1, 0)
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["j-1.jsonl"]


def test_a_beat_that_cannot_be_written_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = JobFile(tmp_path, "j-1")
    file.put([{"beat": 1}])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        with pytest.raises(OSError, match="No space"):
            file.put([{"beat": 2}])
    assert [path.name for path in tmp_path.iterdir()] == ["j-1.open"]
    assert [row["beat"] for row in read_segment(tmp_path / "j-1.open") if row] == [1]
    assert file.end([{"beat": 3}]).name == "j-1.jsonl"
