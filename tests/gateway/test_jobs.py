"""Jobs that are reported by HTTP: one record each, however often and however badly they are reported."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apportion.gateway import reported_jobs
from apportion.gateway.receivers import jobs, table
from apportion.gateway.receivers.receiver import Answered, Received
from apportion.gateway.usage_log import read_segment
from tests.gateway.answers import CHAT, says, whole
from tests.gateway.stage import SECRET, Caller, playing, request

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GIB = 1 << 30
Send = Callable[..., dict[str, Any]]


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of all records."""
    found = [row for path in sorted(folder.glob("*.jsonl")) for row in read_segment(path)]
    assert None not in found
    return [row for row in found if row is not None]


def posted(*given: Any, now: datetime = NOW, tags: dict[str, str] | None = None) -> Answered:
    """What comes of rows."""
    body = json.dumps(given if len(given) != 1 else given[0]).encode()
    kind = {"content-type": "application/json"}
    return jobs.receive(Received("/v1/jobs", kind, body, "ak_1", tags or {}, now.timestamp()))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of records."""
    jobs.keep_in(tmp_path / "jobs")
    yield tmp_path / "jobs"
    jobs._KEPT.clear()


@pytest.fixture
def send(folder: Path) -> Send:
    """Sends a row about a job, which is taken."""
    assert not folder.exists()

    def one(**row: Any) -> dict[str, Any]:
        answered = posted({"job_id": "tune-1", **row})
        assert answered.status == 200, answered.body
        return dict(json.loads(answered.body))

    return one


def test_a_job_is_one_row(folder: Path, send: Send) -> None:
    said = send(
        started_at="2026-11-27T22:00:00Z", at="2026-11-28T02:00:00Z", item="gpu-cluster-a", host="node-1", name="tune",
        user_id="ada", gpu_model="H100", tags={"team": "ml"}, gpu_seconds=28_800, gpu_busy_seconds="14400.0",
        gpu_memory_byte_seconds=4 * 3600 * 80 * GIB, exit_code=0, item_gpus=8,
    )  # fmt: skip
    assert (said["accepted"], said["rejected"]) == (1, 0)
    first, second = rows(folder)
    quantities = ("gpu_hours", "gpu_busy_hours", "gpu_memory_gib_hours", "gpu_hours_capacity")
    assert [first["day"], *(first[key] for key in quantities)] == ["2026-11-27", "4", "2", "160", "192"]
    assert [second["day"], *(second[key] for key in quantities)] == ["2026-11-28", "4", "2", "160", "192"]
    shared = {key: first[key] for key in ("job_id", "item", "host", "job_name", "user_id", "outcome", "state", "tags")}
    assert shared == {
        "job_id": "tune-1", "item": "gpu-cluster-a", "host": "node-1", "job_name": "tune", "user_id": "ada",
        "outcome": "succeeded", "state": "measured", "tags": {"team": "ml"},
    }  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "reported-tune-1.jsonl"]


def test_a_job_is_reported_while_it_works(folder: Path, send: Send) -> None:
    send(event="start", at="2026-11-27T23:00:00Z", item="gpu-cluster-a", tags={"team": "ml"})
    send(event="heartbeat", at="2026-11-27T23:30:00Z", gpu_seconds=3600)
    send(event="heartbeat", at="2026-11-28T00:30:00Z", gpu_seconds=10_800)
    assert rows(folder) == []
    send(event="end", at="2026-11-28T01:00:00Z", gpu_seconds=10_800, outcome="failed", exit_code=3)
    assert [(row["day"], row["gpu_hours"]) for row in rows(folder)] == [("2026-11-27", "2"), ("2026-11-28", "1")]
    assert {(row["outcome"], row["exit_code"], row["state"], row["item"]) for row in rows(folder)} == {
        ("failed", 3, "measured", "gpu-cluster-a")
    }
    assert {row["gpu_memory_gib_hours"] for row in rows(folder)} == {None}


def test_what_comes_again_or_late_changes_nothing(folder: Path, send: Send) -> None:
    reports: list[dict[str, Any]] = [
        {"event": "start", "at": "2026-11-28T08:00:00Z", "gpus": 4},
        {"event": "heartbeat", "at": "2026-11-28T09:00:00Z", "gpu_seconds": 14_400},
        {"event": "heartbeat", "at": "2026-11-28T10:00:00Z", "gpu_seconds": 28_800},
    ]
    end = {"event": "end", "at": "2026-11-28T11:00:00Z", "gpu_seconds": "43200"}
    send(**reports[0])
    shuffled = reports[1:] * 3
    random.Random(5).shuffle(shuffled)  # noqa: S311 - no secret hangs on it
    for report in [*shuffled, end, end, reports[1], {**end, "gpu_seconds": 1}]:
        send(**report)
    assert [(row["day"], row["gpu_hours"], row["state"]) for row in rows(folder)] == [("2026-11-28", "12", "measured")]


def test_gpus_that_were_told_are_counted_by_the_time_until_a_total_says_better(folder: Path, send: Send) -> None:
    send(event="start", at="2026-11-28T08:00:00Z", gpus=4)
    send(event="heartbeat", at="2026-11-28T09:00:00Z", gpus=4)
    send(event="end", at="2026-11-28T10:00:00Z", gpus=2)
    (row,) = rows(folder)
    assert (row["gpu_hours"], row["state"]) == ("6", "estimated")
    assert row["why"] == "counted from 2 GPUs that were told and the time"
    better = {"job_id": "tune-2", "started_at": "2026-11-28T08:00:00Z"}
    assert posted({**better, "event": "heartbeat", "at": "2026-11-28T09:00:00Z", "gpus": 4}).status == 200
    assert posted({**better, "at": "2026-11-28T10:00:00Z", "gpu_seconds": 5 * 3600}).status == 200
    assert [(each["gpu_hours"], each["state"]) for each in rows(folder) if each["job_id"] == "tune-2"] == [
        ("5", "measured")
    ]


def test_a_job_of_which_nobody_says_what_it_used(folder: Path, send: Send) -> None:
    send(started_at="2026-11-28T08:00:00Z", at="2026-11-28T10:00:00Z")
    (row,) = rows(folder)
    assert (row["gpu_hours"], row["state"], row["why"]) == (
        None, "missing", "nobody told how many GPUs it has, or for how long",
    )  # fmt: skip


def test_a_part_that_nobody_told_is_said(folder: Path, send: Send) -> None:
    send(event="heartbeat", started_at="2026-11-28T08:00:00Z", at="2026-11-28T09:00:00Z", gpu_seconds=3600)
    send(event="end", at="2026-11-28T10:00:00Z", outcome="killed")
    (row,) = rows(folder)
    assert (row["gpu_hours"], row["state"], row["outcome"]) == ("1", "estimated", "killed")


def test_a_job_that_falls_silent_is_lost_and_has_a_record(folder: Path, send: Send) -> None:
    send(event="heartbeat", started_at="2026-11-28T08:00:00Z", at="2026-11-28T09:00:00Z", gpu_seconds=3600, host="n-1")
    hour = timedelta(seconds=reported_jobs.LOST_SECONDS)
    other = {"started_at": "2026-11-28T11:00:00Z", "gpus": 0}
    posted({"job_id": "another", **other}, now=NOW + hour)
    assert [row["job_id"] for row in rows(folder)] == ["another"]
    posted({"job_id": "a-third", **other}, now=NOW + hour + timedelta(seconds=1))
    lost = next(row for row in rows(folder) if row["job_id"] == "tune-1")
    assert (lost["outcome"], lost["state"], lost["gpu_hours"], lost["item"]) == ("lost", "estimated", "1", "n-1")
    assert lost["why"] == "nothing was heard of it after this"
    send(event="end", at="2026-11-28T10:00:00Z", gpu_seconds=7200)
    assert len(rows(folder)) == 3


def test_the_tags_of_the_key_go_first(folder: Path) -> None:
    row = {"job_id": "t", "started_at": "2026-11-28T08:00:00Z", "gpus": 1, "tags": {"team": "ads", "env": "prod"}}
    assert posted(row, tags={"team": "ml"}).status == 200
    assert rows(folder)[0]["tags"] == {"team": "ml", "env": "prod"}


BAD: Sequence[tuple[dict[str, Any], str | None, str]] = (
    ({"job_id": None}, "job_id", "it is missing"),
    ({"job_id": "../../etc/passwd"}, "job_id", "it is none"),
    ({"job_id": "x" * 101}, "job_id", "it is none"),
    ({"event": "pause"}, "event", "it is none of those"),
    ({"outcome": "fine"}, "outcome", "it is none of those"),
    ({"at": "yesterday"}, "at", "it is no instant"),
    ({"at": "2026-11-28T10:00:00"}, "at", "it is no instant"),
    ({"at": "2026-12-24T10:00:00Z"}, "at", "it lies in the future"),
    ({"started_at": "2026-11-28T11:00:00Z"}, "started_at", "days before `at`"),
    ({"started_at": "2020-01-01T00:00:00Z"}, "started_at", "days before `at`"),
    ({"started_at": None}, "started_at", "when did it begin?"),
    ({"gpus": 1.5}, "gpus", "no whole number"),
    ({"gpus": True}, "gpus", "no whole number"),
    ({"item_gpus": 0}, "item_gpus", "no whole number"),
    ({"gpu_seconds": -1}, "gpu_seconds", "it is no quantity"),
    ({"gpu_seconds": "NaN"}, "gpu_seconds", "it is no quantity"),
    ({"gpu_seconds": "1e999999999"}, "gpu_seconds", "it is no quantity"),
    ({"gpu_busy_seconds": {}}, "gpu_busy_seconds", "it is no quantity"),
    ({"gpu_seconds": True}, "gpu_seconds", "it is no quantity"),
    ({"name": "x" * 300}, "name", "it is no short text"),
    ({"item": "a\nb"}, "item", "it is no short text"),
    ({"host": 3}, "host", "it is no short text"),
    ({"tags": ["team"]}, "tags", "they are no object"),
    ({"tags": {"team": "x" * 300}}, "tags", "1 of them"),
    ({"exit_code": "0"}, "exit_code", "no whole number"),
    ({"gpu_second": 3}, None, "not one of a job's"),
)


@pytest.mark.parametrize(("change", "column", "reason"), BAD, ids=[str(change)[:40] for change, _, _ in BAD])
def test_what_is_wrong_is_told_and_nothing_of_it_is_taken(
    folder: Path, change: dict[str, Any], column: str | None, reason: str
) -> None:
    good = {"job_id": "t", "started_at": "2026-11-28T08:00:00Z", "at": "2026-11-28T10:00:00Z", "gpus": 1}
    answered = posted({**good, **change})
    assert answered.status == 422
    (error,) = json.loads(answered.body)["errors"]
    assert (error["row"], error["column"]) == (1, column)
    assert reason in error["reason"]
    assert error["cure"]
    assert rows(folder) == []
    assert list(folder.glob("*.reported")) == []
    assert posted(good, {**good, "job_id": "u"} | change).status == 200
    assert len(rows(folder)) == 1


def test_totals_that_shrink_are_no_totals(folder: Path, send: Send) -> None:
    send(event="heartbeat", started_at="2026-11-28T08:00:00Z", at="2026-11-28T09:00:00Z", gpu_seconds=3600)
    answered = posted({"job_id": "tune-1", "event": "heartbeat", "at": "2026-11-28T10:00:00Z", "gpu_seconds": 1800})
    (error,) = json.loads(answered.body)["errors"]
    assert (error["column"], error["reason"]) == ("gpu_seconds", "it is less than what was counted before")
    send(event="end", at="2026-11-28T10:00:00Z", gpu_seconds=7200)
    assert [row["gpu_hours"] for row in rows(folder)] == ["2"]


def test_a_torn_file_begins_anew(folder: Path, send: Send) -> None:
    send(event="start", at="2026-11-28T08:00:00Z")
    (path,) = folder.glob("*.reported")
    path.write_text(path.read_text()[:40])
    send(started_at="2026-11-28T08:00:00Z", at="2026-11-28T10:00:00Z", gpu_seconds=7200)
    assert [row["gpu_hours"] for row in rows(folder)] == ["2"]
    assert list(folder.glob("*.reported")) == []


@given(st.lists(st.tuples(st.integers(1, 200_000), st.integers(0, 10**6)), min_size=1, max_size=8))
def test_days_of_a_job_add_up_to_its_last_total(tmp_path: Path, steps: list[tuple[int, int]]) -> None:
    folder = tmp_path / os.urandom(8).hex()
    jobs.keep_in(folder)
    at = NOW - timedelta(days=30)
    row: dict[str, Any] = {"job_id": "t", "started_at": at.isoformat()}
    total = 0
    for number, (seconds, more) in enumerate(steps):
        at, total = at + timedelta(seconds=seconds), total + more
        event = "end" if number == len(steps) - 1 else "heartbeat"
        assert posted({**row, "event": event, "at": at.isoformat(), "gpu_seconds": total}).status == 200
    jobs._KEPT.clear()
    hours = sum((Decimal(each["gpu_hours"]) for each in rows(folder)), Decimal(0))
    assert abs(hours * 3600 - total) < Decimal("0.002")


def test_a_gateway_that_keeps_none_says_so() -> None:
    jobs._KEPT.clear()
    assert posted({"job_id": "t"}).status == 404


def test_a_disk_that_is_full_asks_to_come_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", full)
    answered = posted({"job_id": "t", "started_at": "2026-11-28T08:00:00Z", "gpus": 1})
    assert answered.status == 503
    assert b"send it again" in answered.body
    monkeypatch.undo()
    assert posted({"job_id": "t", "started_at": "2026-11-28T08:00:00Z", "gpus": 1}).status == 200
    assert len(rows(folder)) == 1


def test_over_a_socket(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.PATHS, "/v1/jobs", ("jobs", "receive"))
    now = datetime.now(UTC)
    row = {"job_id": "t", "started_at": (now - timedelta(hours=1)).isoformat(), "at": now.isoformat(), "gpus": 2}
    with playing(says(whole(CHAT)), tmp_path / "log") as stage, Caller(stage) as caller:
        body = json.dumps(row).encode()
        status, _, said = caller.send(request("/v1/jobs", body, secret=SECRET)).answer()
        assert (status, json.loads(said)["accepted"]) == (200, 1)
        assert caller.send(request("/v1/jobs", body, secret=None)).answer()[0] == 401
    found = rows(folder)
    assert {each["tags"]["team"] for each in found} == {"search"}
    assert sum(Decimal(each["gpu_hours"]) for each in found) == 2
    assert time.time() - now.timestamp() < 60
