"""Whenever the process is killed, the last good run stays current and the next one succeeds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apportion.books import Books, ManifestPart, Publication
from apportion.warehouse import DuckDBEngine, write_table
from tests.conftest import ROOT
from tests.unit.books.conftest import AT, PERIOD, entry, new_run, publish

# Kills itself at the n-th thing the database is asked, for every n, each time in a fork of its own.
KILLED_AT_EVERY_QUERY = """
import json, os, signal, sys
from pathlib import Path
import sqlalchemy as sa
from sqlalchemy import event
from apportion.books import Books, Publication
from tests.unit.books.conftest import AT, PERIOD, entry, new_run

path = Path(sys.argv[1])

def attempt(number, deadly):
    asked = 0
    def count(*_):
        nonlocal asked
        asked += 1
        if asked == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(sa.Engine, "before_cursor_execute", count)
    event.listen(sa.Engine, "commit", count)
    books = Books.open(path)
    run = new_run(number)
    books.start(run)
    books.publish(run, Publication([PERIOD], entries=[entry("p", number), entry("q", 7)]), AT)

seen = []
for number in range(2, 200):
    child = os.fork()
    if not child:
        attempt(number, number - 1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    with Books.open(path) as books, books.reading() as view:
        seen.append((os.WIFSIGNALED(status), view.current_run(PERIOD).run_id, view.balances(PERIOD)))
    if not os.WIFSIGNALED(status):
        break
print(json.dumps(seen))
"""

WRITING = """
import sys
from pathlib import Path
from apportion.warehouse import DuckDBEngine, write_table

project = Path(sys.argv[1])
engine = DuckDBEngine(project / ".apportion", threads=1)
query = "SELECT 'p' AS pool_id, md5(range::VARCHAR) AS owner, range AS amount_minor FROM range(300000)"
print("ready", flush=True)
for n in range(1000):
    write_table(
        engine, "claims", project=project, warehouse=project / "w", period="2026-11",
        run_id=f"killed-{n}", query=query,
    )
"""

PUBLISHING = """
import sys
from pathlib import Path
from apportion.books import Books, ManifestPart, Publication
from tests.unit.books.conftest import AT, PERIOD, entry, new_run

first = int(sys.argv[2])
with Books.open(Path(sys.argv[1])) as books:
    for number in range(first, first + 15):
        run = new_run(number)
        books.start(run)
        parts = [ManifestPart(t, PERIOD, f"{t}/{run.run_id}", number, None, "") for t in ("claims", "pools")]
        entries = [entry("p", number), entry(f"q{number % 3}", -number)]
        books.publish(run, Publication([PERIOD], parts, entries), AT)
"""


def python(*words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def ended(child: subprocess.Popen[str]) -> int:
    child.communicate(timeout=120)
    return child.returncode


def test_killed_at_every_query_of_a_publish(books: Books, tmp_path: Path) -> None:
    publish(books, 1, [entry("p", 1), entry("q", 7)])
    child = python(KILLED_AT_EVERY_QUERY, tmp_path / ".apportion" / "books.db")
    answer, _ = child.communicate(timeout=120)
    seen = json.loads(answer)
    assert child.returncode == 0
    assert len(seen) > 15
    *killed, last = seen
    assert killed == [[True, "run-0001", {"clearing:i": -8, "owner:search": 8}]] * len(killed)
    number = len(seen) + 1
    assert last == [False, f"run-{number:04d}", {"clearing:i": -number - 7, "owner:search": number + 7}]


@pytest.mark.parametrize("nth", range(4))
def test_killed_while_it_writes_files(books: Books, tmp_path: Path, nth: int) -> None:
    publish(books, 1, [entry("p", 1)])
    child = python(WRITING, tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.05 + 0.23 * nth)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    engine = DuckDBEngine(threads=1)
    for file in (tmp_path / "w").rglob("killed-*.parquet"):
        assert engine.value("SELECT COUNT(*) FROM read_parquet([$1])", [str(file)]) == 300_000
    current = books.current_run(PERIOD)
    assert current is not None
    assert current.run_id == "run-0001"
    run = new_run(2)
    books.start(run)
    engine.sql_step("SELECT 'p' AS pool_id, 2::BIGINT AS amount_minor", into="claims")
    (part,) = write_table(
        engine, "claims", project=tmp_path, warehouse=tmp_path / "w", period=PERIOD, run_id=run.run_id
    )
    books.publish(run, Publication([PERIOD], [part], [entry("p", 2)]), AT)
    assert engine.value("SELECT COUNT(*) FROM read_parquet($1)", [[str(p) for p in books.parts(PERIOD, "claims")]])


def test_two_publishers_take_turns_and_a_reader_sees_whole_runs(books: Books, tmp_path: Path) -> None:
    publish(books, 0, [])
    path = tmp_path / ".apportion" / "books.db"
    children = [python(PUBLISHING, path, str(first)) for first in (100, 200)]
    looks = 0
    while any(child.poll() is None for child in children):
        with books.reading() as view:
            current = view.current_run(PERIOD)
            assert current is not None
            number = int(current.run_id.removeprefix("run-"))
            files = [view.parts(PERIOD, table) for table in ("claims", "pools")]
            balances = view.balances(PERIOD)
            entries = {booked.entry.pool_id for booked in view.in_force(PERIOD)}
        looks += 1
        if number:
            assert [[file.name for file in found] for found in files] == [[current.run_id], [current.run_id]]
            assert entries == {"p", f"q{number % 3}"}
        assert not any(balances.values())
    assert [ended(child) for child in children] == [0, 0]
    assert looks > 5
    with books.reading() as view:
        states = [run.status for run in view.history()]
    assert sorted(states) == ["done"] + ["superseded"] * 30


def test_two_processes_may_make_the_books_at_once(tmp_path: Path) -> None:
    path = tmp_path / ".apportion" / "books.db"
    children = [python(PUBLISHING, path, str(first)) for first in (100, 200)]
    assert [ended(child) for child in children] == [0, 0]
    with Books.open(path) as books, books.reading() as view:
        assert len(view.history()) == 30
        manifest = view.manifest("run-0100")
    assert manifest[0] == ManifestPart("claims", PERIOD, "claims/run-0100", 100, None, "")
