"""Books on a real PostgreSQL: several runners, a killed one, and readers that nobody keeps waiting."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from apportion.books import Books
from apportion.books.decisions import Decision
from apportion.books.runners import EVERY_PERIOD
from apportion.errors import ApportionError
from tests.unit.books.conftest import PERIOD, entry, new_run, publish

_PLACES = [*os.environ.get("PATH", "").split(os.pathsep), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
PG_CTL = shutil.which("pg_ctl", path=os.pathsep.join(_PLACES))

pytestmark = pytest.mark.skipif(PG_CTL is None, reason="no PostgreSQL server on this machine: pg_ctl is not found")

_RUNNER = """
import sys, time
from dataclasses import replace
from apportion.books import Books
from tests.unit.books.conftest import new_run
books = Books.open(sys.argv[1])
books.start(replace(new_run(1), scope="2026-11"))
print("at work", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server on a Unix socket, with books of its own for this module."""
    assert PG_CTL is not None
    # The server refuses to be the superuser, and its socket's path may have 107 bytes.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg-") as place:
        folder = Path(place)
        if user:
            shutil.chown(folder, user)

        def do(*words: str) -> None:
            subprocess.run(words, check=True, capture_output=True, user=user, cwd=folder)

        do(str(Path(PG_CTL).with_name("initdb")), "-D", f"{folder}/data", "-U", "books", "-A", "trust", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        do(PG_CTL, "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://books@/postgres?host={folder}"
        finally:
            do(PG_CTL, "-D", f"{folder}/data", "-m", "immediate", "stop")


@pytest.fixture
def url(server: str) -> str:
    """Empty books."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server


def test_what_is_published_is_read_back(url: str) -> None:
    with Books.open(url) as books:
        publish(books, 1, [entry("p", 500)])
        publish(books, 2, [entry("p", 700)])
        assert books.balances(PERIOD, "owner:%") == {"owner:search": 700}
        assert [booked.entry.pool_id for booked in books.in_force(PERIOD)] == ["p"]


def test_decisions_are_only_ever_added_to(url: str) -> None:
    approval = Decision("approve", "P-000001", "{}", "{}", "ana", "2026-11-05T08:00:00Z")
    with Books.open(url) as books:
        books.decide([approval])
        with books.reading() as view:
            assert view.decisions() == [replace(approval, number=1)]
    engine = sa.create_engine(url)
    for change in ("UPDATE decisions SET person = 'x'", "DELETE FROM decisions", "TRUNCATE decisions"):
        with engine.begin() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
            connection.execute(sa.text(change))
    engine.dispose()


def test_two_runners_never_share_a_period(url: str) -> None:
    with Books.open(url) as one, Books.open(url) as two:
        one.start(replace(new_run(1), scope=PERIOD))
        two.start(replace(new_run(2), scope="2026-10"))
        for scope in (PERIOD, EVERY_PERIOD):
            with pytest.raises(ApportionError, match="Another run is at work on 2026-1") as caught:
                two.start(replace(new_run(3), scope=scope))
            assert caught.value.slug == "run-at-work"


def _wait_for_the_server(url: str) -> None:
    """Until it has seen that a client is gone, which a busy machine may take a moment for."""
    import psycopg

    until = time.monotonic() + 60
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        while connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchone():
            assert time.monotonic() < until, "the server keeps the lock of a client that is dead"
            time.sleep(0.01)


def test_a_runner_that_is_killed_makes_room_at_once(url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", _RUNNER, url], stdout=subprocess.PIPE, text=True) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "at work\n"
        with Books.open(url) as books:
            with pytest.raises(ApportionError, match=f"process {runner.pid}"):
                books.start(replace(new_run(2), scope=PERIOD))
            runner.send_signal(signal.SIGKILL)
            runner.wait()
            _wait_for_the_server(url)
            assert books.start(replace(new_run(3), scope=PERIOD)) == ["run-0001"]


def test_a_reader_is_not_kept_waiting_and_sees_one_state(url: str) -> None:
    with Books.open(url) as reader, Books.open(url) as writer:
        publish(writer, 1, [entry("p", 500)])
        with reader.reading() as view:
            assert view.balances(PERIOD, "owner:%") == {"owner:search": 500}
            publish(writer, 2, [entry("p", 700)])
            assert view.balances(PERIOD, "owner:%") == {"owner:search": 500}
        assert reader.balances(PERIOD, "owner:%") == {"owner:search": 700}
