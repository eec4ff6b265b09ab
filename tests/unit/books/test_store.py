"""A run is public whole or not at all."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apportion.books import Books, Control, Input, ManifestPart, Publication
from apportion.books.runners import EVERY_PERIOD
from apportion.errors import ApportionError, InvariantError, Place, Problem
from apportion.warehouse.storage import FolderStorage
from tests.unit.books.conftest import AT, PERIOD, entry, new_run, publish


def part(run_id: str, table: str = "claims") -> ManifestPart:
    return ManifestPart(table, PERIOD, f"w/{table}/{PERIOD}/{run_id}.parquet", 2, "5", "f" * 64)


def everything(run_id: str) -> Publication:
    return Publication(
        [PERIOD],
        [part(run_id), part(run_id, "pools")],
        [entry("p", 5)],
        [
            Control(PERIOD, "allocate", "pools", "5.00 USD", "a" * 64),
            Control(PERIOD, "post", "owners", "5.00 USD"),
        ],
        [Input("calls", "usage", "usage/a.jsonl", 12, "b" * 64)],
        [
            Problem("bad-row", "x is no number", Place("a.csv", row=7), "x", "1.00 USD", "mend it", held=True),
            Problem("doubt", "hm", severity="warning"),
        ],
    )


def test_what_goes_in_comes_out(books: Books, tmp_path: Path) -> None:
    run = new_run(1)
    assert books.start(run) == []
    with books.reading() as view:
        assert view.periods() == []
        assert view.current_run(PERIOD) is None
        assert view.period_state(PERIOD) is None
    said = everything(run.run_id)
    books.publish(replace(run, inputs_sha256="i", note="n"), said, AT)
    with books.reading() as view:
        assert view.periods() == [PERIOD]
        assert view.period_state(PERIOD) == "open"
        current = view.current_run(PERIOD)
        assert current == replace(run, status="done", finished_at=AT, inputs_sha256="i", note="n")
        assert view.run(run.run_id) == current
        assert view.manifest(run.run_id) == said.parts
        assert view.parts(PERIOD, "claims") == [tmp_path / said.parts[0].path]
        assert view.parts(PERIOD, "nothing") == []
        assert view.inputs(run.run_id) == said.inputs
        assert view.controls(run.run_id) == said.controls
        assert view.problems(run.run_id) == said.problems
        (booked,) = view.in_force(PERIOD)
        assert booked.entry.content_sha256 == said.entries[0].content_sha256
    assert books.parts(PERIOD, "pools") == [tmp_path / said.parts[1].path]


def test_a_run_is_superseded_when_no_period_points_to_it_any_more(books: Books) -> None:
    publish(books, 1, [], ["2026-10", PERIOD])
    publish(books, 2, [], [PERIOD])
    with books.reading() as view:
        assert [run.status for run in view.history()] == ["done", "done"]
    publish(books, 3, [], ["2026-10"])
    with books.reading() as view:
        assert {run.run_id: run.status for run in view.history()} == {
            "run-0003": "done",
            "run-0002": "done",
            "run-0001": "superseded",
        }


def test_a_publish_that_fails_in_the_middle_writes_nothing(books: Books) -> None:
    publish(books, 1, [entry("p", 5)])
    run = new_run(2)
    books.start(run)
    twice = [entry("p", 6), entry("p", 7)]
    with pytest.raises(InvariantError):
        books.publish(run, replace(everything(run.run_id), entries=twice), AT)
    with books.reading() as view:
        current = view.current_run(PERIOD)
        assert current is not None
        assert current.run_id == "run-0001"
        assert view.manifest(run.run_id) == []
        assert view.controls(run.run_id) == []
    books.fail(run.run_id, AT, "the journal did not add up")
    with books.reading() as view:
        failed = view.run(run.run_id)
    assert failed is not None
    assert (failed.status, failed.note) == ("failed", "the journal did not add up")


def test_a_control_that_does_not_agree_stops_the_publish(books: Books) -> None:
    run = new_run(1)
    books.start(run)
    bad = Control(PERIOD, "allocate", "pools", "5.00 USD", ok=False)
    with pytest.raises(InvariantError, match="pools of allocate"):
        books.publish(run, Publication([PERIOD], controls=[bad]), AT)


def test_a_closed_period_is_never_published_again(books: Books, tmp_path: Path) -> None:
    publish(books, 1, [entry("p", 5)])
    with closing(sqlite3.connect(tmp_path / ".apportion" / "books.db")) as raw:
        raw.execute("UPDATE periods SET state = 'closed'")
        raw.commit()
    with pytest.raises(ApportionError) as caught:
        publish(books, 2, [], ["2026-12", PERIOD])
    assert caught.value.slug == "period-closed"
    with books.reading() as view:
        assert view.periods() == [PERIOD]
        assert view.period_state(PERIOD) == "closed"


def test_only_a_run_at_work_is_published_and_only_once(books: Books) -> None:
    publish(books, 1, [])
    for number in (1, 2):
        with pytest.raises(ApportionError) as caught:
            books.publish(new_run(number), Publication([PERIOD]), AT)
        assert caught.value.slug == "run-not-at-work"
    books.fail("run-0001", AT, "too late to fail")
    current = books.current_run(PERIOD)
    assert current is not None
    assert current.status == "done"


def test_a_killed_run_is_marked_failed_by_the_next_and_one_at_work_is_left(books: Books, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here, there = socket.gethostname(), "another machine"
    old = (datetime.fromisoformat(new_run(9).started_at) - timedelta(days=2)).isoformat()
    new = new_run(0).started_at
    left = [
        ("killed", here, ended.pid, new),
        ("at-work", here, os.getpid(), old),
        ("init", here, 1, old),
        ("far-old", there, 1, old),
        ("far-new", there, 1, new),
    ]
    with closing(sqlite3.connect(tmp_path / ".apportion" / "books.db")) as raw:
        raw.executemany(
            "INSERT INTO runs (run_id, host, process, started_at, status, version, config_sha256, engine)"
            " VALUES (?, ?, ?, ?, 'running', '0', 'c', 'duckdb')",
            left,
        )
        raw.commit()
    assert sorted(books.start(new_run(9))) == ["far-old", "killed"]
    with books.reading() as view:
        killed = view.run("killed")
    assert killed is not None
    assert killed.status == "failed"


def test_orphans_are_files_that_no_manifest_lists_once_the_grace_is_over(books: Books, tmp_path: Path) -> None:
    run = new_run(1)
    books.start(run)
    books.publish(run, everything(run.run_id), AT)
    warehouse = tmp_path / "w"
    folder = warehouse / "claims" / PERIOD
    folder.mkdir(parents=True)
    names = [f"{run.run_id}.parquet", "run-0000.parquet", ".run-0000.parquet.77.partial", "run-0002.parquet"]
    for name in names:
        (folder / name).touch()
    now = datetime(2026, 12, 2, tzinfo=UTC)
    for name in names[:3]:
        os.utime(folder / name, (now.timestamp() - 90_000, now.timestamp() - 90_000))
    os.utime(folder / names[3], (now.timestamp() - 60, now.timestamp() - 60))
    found = books.orphans(FolderStorage(tmp_path, warehouse).files(), now)
    assert [Path(address).name for address in found] == [names[2], names[1]]
    assert books.orphans(FolderStorage(tmp_path, tmp_path / "nowhere").files(), now) == []


def _publish_with(books: Books, number: int, path: str) -> None:
    run = new_run(number)
    books.start(run)
    part = ManifestPart("claims", PERIOD, path, 1, "2", "0" * 64)
    books.publish(run, Publication([PERIOD], [part], [entry("p", number)]), AT)


def test_files_of_replaced_runs_expire_and_those_that_are_pointed_to_never(books: Books) -> None:
    for number, path in enumerate(["a", "b", "a"], start=1):
        _publish_with(books, number, path)
    published = datetime.fromisoformat(AT)
    files = [(path, published) for path in ("a", "b")]
    assert books.expire(published, published) == [], "they ended just now"
    later = published + timedelta(days=31)
    assert books.orphans(files, later) == []
    assert books.expire(later, later) == ["run-0001", "run-0002"]
    assert books.expire(later, later) == []
    assert books.orphans(files, later) == ["b"], "the current run lists a file of an expired one as its own"
    with books.reading() as view:
        assert [len(view.manifest(f"run-000{number}")) for number in (1, 2, 3)] == [1, 1, 1]


def test_nothing_expires_while_another_run_may_list_it(books: Books) -> None:
    _publish_with(books, 1, "a")
    _publish_with(books, 2, "b")
    later = datetime.fromisoformat(AT) + timedelta(days=31)
    books.start(replace(new_run(3), scope="2026-10"))
    books.start(replace(new_run(4), scope="2026-11"))
    assert books.expire(later, later, during="run-0004") == [], "the third may have seen the first as current"
    books.fail("run-0003", AT, "")
    assert books.expire(later, later, during="run-0004") == ["run-0001", "run-0003"]


def test_one_run_per_period_and_the_other_says_who(books: Books) -> None:
    def begin(number: int, scope: str | None) -> None:
        books.start(replace(new_run(number), scope=scope))

    begin(1, "2026-10")
    begin(2, "2026-11")
    begin(3, None)
    for number, scope in ((64, "2026-11"), (65, EVERY_PERIOD)):
        with pytest.raises(ApportionError, match=r"begun 1 minute ago by \S+ on \S+ \(process \d+") as caught:
            begin(number, scope)
        assert caught.value.slug == "run-at-work"
    books.fail("run-0002", AT, "")
    begin(4, "2026-11")
